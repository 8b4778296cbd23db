"""An instrument as a file describes it (``profiles/instruments``): what is said, what comes back.

Pure data. A driver and a twin are made from it, neither of which knows the instrument's words;
whether it can be used at all is found here, before anything is said to anybody.

::

    exchanges:
      air: {say: "A0", answer: "A0 {air:05.1f} {set:05.1f}"}   # a question
      go: {say: "a0 {set:05.1f}", answer: "a"}                  # an order, acknowledged
    verbs: {read: [air], set: [go], ...}                        # what the bench wants, by exchanges
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from hil.core.instants import MILLISECOND, SECOND, Duration
from hil.core.spec import Accuracy, ChamberSpec, Range
from hil.core.templates import Template

MOST_EXCHANGES = 40
MOST_IN_A_VERB = 6
COLDEST_DEGC, HOTTEST_DEGC = -200.0, 500.0
"""What any chamber could be asked for."""

TERMINATORS = {"LF": b"\n", "CR": b"\r", "CR LF": b"\r\n"}

SAID = ("set", "ramp")
"""Fields of what is said: a set-point in degC, a ramp in K/min."""

TOLD = ("set", "air", "running", "alarm", "code", "serial", "firmware")
"""Fields of what comes back; any others mean nothing to the bench."""


NUMBERS = ("set", "air", "ramp")
"""Fields that are numbers; the others of ``TOLD`` are characters, held against those of a file."""


def _refuse_kinds(key: str, template: Template) -> None:
    """Refuse a temperature that is read as characters, and a state that is read as a number."""
    for name in template.names:
        is_number = name in template.numbers
        if name in NUMBERS and not is_number:
            raise ValueError(f"{key}: {{{name}:...}} is a number, such as {{{name}:.1f}}")
        if name in TOLD and name not in NUMBERS and is_number:
            raise ValueError(f"{key}: {{{name}:...}} is no number: 1c, word or text")


@dataclass(frozen=True)
class Exchange:
    """One line and its answer; ``perhaps`` is for one of which nobody knows whether it comes."""

    say: str
    answer: str = ""
    perhaps: bool = False

    def __post_init__(self) -> None:
        """Refuse templates that cannot be."""
        for key, text in (("say", self.say), ("answer", self.answer)):
            try:
                if text or key == "say":
                    Template(text)
            except ValueError as error:
                raise ValueError(f"{key}: {error}") from error
            if text:
                _refuse_kinds(key, Template(text))
        strange = [name for name in Template(self.say).names if name not in SAID]
        if strange:
            raise ValueError(f"say: no value for '{strange[0]}': expected {' or '.join(SAID)}")
        if self.perhaps and self.answer:
            raise ValueError("answer: it comes, or perhaps one comes: not both")

    @cached_property
    def line(self) -> Template:
        """What is said."""
        return Template(self.say)

    @cached_property
    def reply(self) -> Template | None:
        """What comes back; None where nothing does, or nobody knows."""
        return Template(self.answer) if self.answer else None


@dataclass(frozen=True, slots=True)
class Wire:
    """How lines go: framing, and the times that the instrument takes and needs.

    ``lines`` end with a terminator; ``cts`` puts STX, address and data with their highest bit set,
    an XOR of them, and ETX around them; ``simserv`` is lines in which ``|`` stands for byte B6h.
    """

    framing: Literal["lines", "cts", "simserv"] = "lines"
    sends: Literal["LF", "CR", "CR LF"] = "CR LF"
    ends: Literal["LF", "CR", "CR LF"] = "LF"
    address: int = 0x81
    reply_ns: Duration = 100 * MILLISECOND
    within_ns: Duration = 2 * SECOND
    after_question_ns: Duration = 0
    after_order_ns: Duration = 0

    @property
    def quiet_ns(self) -> Duration:
        """After how much silence an answer of which nobody knows will not come."""
        return max(2 * self.reply_ns, SECOND // 10)

    def __post_init__(self) -> None:
        """Refuse times that cannot be."""
        if not 0x81 <= self.address <= 0xA0:  # noqa: PLR2004 - the maker's
            raise ValueError("address: expected 129 to 160 (0x81 to 0xA0)")
        for key in ("reply_ns", "within_ns", "after_question_ns", "after_order_ns"):
            if not 0 <= getattr(self, key) <= 10 * SECOND:
                raise ValueError(f"{key}: expected 0 to 10 s")
        if self.within_ns <= self.reply_ns:
            raise ValueError("within_ns: expected more than reply_ns")


@dataclass(frozen=True, slots=True)
class States:
    """What ``{running:...}`` says of a machine that runs, and of one that is off."""

    on: tuple[str, ...]
    off: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse states that cannot be told apart."""
        if not self.on or not self.off:
            raise ValueError("expected what it says when it runs (on) and when it does not (off)")
        if set(self.on) & set(self.off):
            raise ValueError("off: says the same as on")


@dataclass(frozen=True, slots=True)
class Verbs:
    """What the bench wants of a chamber, as names of exchanges in their order.

    ``identify`` is understood of this instrument only. ``read`` tells ``air``, ``look`` tells
    ``set``, ``state`` tells ``running`` and, where there is one, ``alarm``. Without ``ramp`` a ramp
    is made of steps by the driver.
    """

    identify: tuple[str, ...]
    start: tuple[str, ...]
    set: tuple[str, ...]
    read: tuple[str, ...]
    look: tuple[str, ...]
    state: tuple[str, ...]
    stop: tuple[str, ...]
    ramp: tuple[str, ...] = ()
    jump: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a verb that does nothing; only a ramp may be left out."""
        for verb, names in self.all().items():
            if not names and verb not in ("ramp", "jump"):
                raise ValueError(f"{verb}: expected at least one exchange")
            if len(names) > MOST_IN_A_VERB:
                raise ValueError(f"{verb}: expected at most {MOST_IN_A_VERB} exchanges")
        if bool(self.jump) > bool(self.ramp):
            raise ValueError("jump: there is no ramp that it could end")

    def all(self) -> Mapping[str, tuple[str, ...]]:
        """Return the exchanges by verb."""
        names = ("identify", "start", "set", "read", "look", "state", "stop", "ramp", "jump")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class DescribedChamber:
    """A thermal chamber; ``none`` is what ``{alarm:...}`` says when there is none.

    ``also`` is what a virtual one says in fields that mean nothing to the bench, ``some`` in
    ``{alarm:...}`` when there is one, and ``unknown`` to a line that is not described.
    """

    instrument: str
    model: str
    low_degc: float
    high_degc: float
    ramp_k_per_min: float
    exchanges: Mapping[str, Exchange]
    verbs: Verbs
    running: States
    none: tuple[str, ...] = ()
    some: str = ""
    unknown: str = ""
    also: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    maker: str = ""
    cooling_k_per_min: float | None = None
    accuracy_k: float = 0.5
    resolution_k: float = 0.1
    noise_k: float = 0.02
    wire: Wire = Wire()

    def __post_init__(self) -> None:
        """Refuse what cannot be driven, or cannot be shown to be off."""
        self._refuse_figures()
        self._refuse_names()
        for verb, name in (("identify", ""), ("read", "air"), ("look", "set")):
            self._tells(verb, name)
        self._tells("state", "running")
        self._says("set", ("set",))
        if self.verbs.ramp:
            self._says("ramp", ("set", "ramp"))
        if "alarm" in self._told("state") and not self.none:
            raise ValueError("none: expected what {alarm:...} says when there is none")

    def _refuse_figures(self) -> None:
        """Refuse what no chamber can do."""
        if not self.low_degc < self.high_degc <= HOTTEST_DEGC:
            raise ValueError(f"high_degc: expected more than low_degc, at most {HOTTEST_DEGC:g}")
        if self.low_degc < COLDEST_DEGC:
            raise ValueError(f"low_degc: expected at least {COLDEST_DEGC:g} degC")
        if not 0.0 < self.ramp_k_per_min <= 100.0:  # noqa: PLR2004 - no chamber is faster
            raise ValueError("ramp_k_per_min: expected more than 0, at most 100 K/min")
        if len(self.exchanges) > MOST_EXCHANGES:
            raise ValueError(f"exchanges: expected at most {MOST_EXCHANGES}")

    def _refuse_names(self) -> None:
        """Refuse names of exchanges that there are not, and fields that mean something else."""
        if self.some in self.none:
            raise ValueError("some: says the same as none")
        for name, text in {**self.also, "unknown": self.unknown, "some": self.some}.items():
            if name in TOLD or not text.isascii() or not text.isprintable():
                raise ValueError(f"also: '{name}' is no field of another name, with printable text")
        for verb, names in self.verbs.all().items():
            for name in names:
                if name not in self.exchanges:
                    raise ValueError(f"verbs: {verb} names '{name}', which is no exchange")

    def _told(self, verb: str) -> set[str]:
        """Return what the answers to a verb tell."""
        replies = [self.exchanges[name].reply for name in self.verbs.all()[verb]]
        return {name for reply in replies if reply is not None for name in reply.names}

    def _tells(self, verb: str, name: str) -> None:
        """Refuse a question without an answer, or without the one that the verb is for."""
        for one in self.verbs.all()[verb]:
            if self.exchanges[one].reply is None:
                raise ValueError(f"exchanges: '{one}' is asked by {verb}, and has no answer")
        if name and name not in self._told(verb):
            why = ": it could not be shown to be off" if name == "running" else ""
            raise ValueError(f"verbs: no answer to {verb} tells {{{name}:...}}{why}")

    def _says(self, verb: str, names: tuple[str, ...]) -> None:
        """Refuse an order that does not say what it is given for."""
        said = {name for one in self.verbs.all()[verb] for name in self.exchanges[one].line.names}
        for name in names:
            if name not in said:
                raise ValueError(f"verbs: {verb} says no {{{name}:...}}")

    def _takes(self, names: tuple[str, ...]) -> Duration:
        """Return how long exchanges take, one behind the other."""
        wire, total = self.wire, 0
        for name in names:
            exchange = self.exchanges[name]
            answered = wire.reply_ns + (wire.quiet_ns if exchange.perhaps else 0)
            asks = exchange.reply is not None and not exchange.line.names
            total += max(wire.after_question_ns if asks else wire.after_order_ns, answered)
        return total

    @property
    def spec(self) -> ChamberSpec:
        """Return its data sheet; it takes an order and the question behind it to see it done."""
        verbs = self.verbs
        orders = max(self._takes(verbs.set + verbs.jump), self._takes(verbs.ramp))
        asked = tuple(dict.fromkeys((*verbs.read, *verbs.state, *verbs.look)))
        return ChamberSpec(
            model=self.model,
            set_degc=Range(self.low_degc, self.high_degc),
            ramp_k_per_min=self.ramp_k_per_min,
            read_accuracy_k=Accuracy(self.accuracy_k),
            reply=orders + self._takes(asked),
            read_noise_k=self.noise_k,
            read_resolution_k=self.resolution_k,
        )
