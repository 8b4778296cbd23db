"""The relays of a Bloomy fault-insertion unit and what it makes of a line: no time, no wire.

Assumed, and to be checked on a real one [M]: the texts of refusals, that a wrong checksum is not
answered, that the interlock opens nothing but forbids what is exclusive, and that power-on leaves
all channels connected.
"""

from drivers.wire import bloomy_fiu as wire
from drivers.wire.bloomy_fiu import Order, Route

_VERSION = "V01.00"


class Refused(Exception):
    """An order that the unit understands and does not carry out, and why."""


class Relays:
    """Routes of one module's channels; ``L`` tells of its 24 V interlock."""

    def __init__(self, module: int) -> None:
        """``module`` is its rotary switch. Begin with every channel connected."""
        self.module = module
        self.interlock_closed = True
        self._overridden = False
        self.reset()

    def reset(self) -> None:
        """Lose and regain the supply: relays fall back to connected."""
        self.routes = [Route.CONNECTED] * wire.CHANNELS
        self._overridden = False

    def heard(self, line: str | None) -> str | None:
        """Do what a line says and return the answer; None is no answer: another module's line.

        Nor is a ``line`` of None answered, whose checksum is wrong: it may be anybody's, and two
        modules would talk at once.
        """
        if line is None:
            return None
        try:
            order = wire.parse_order(line)
        except ValueError:
            return wire.ERROR
        if order.module != self.module:
            return None
        try:
            data = self._done(order)
        except Refused as why:
            return f"{wire.REFUSED}{why}"
        except ValueError:
            return wire.ERROR
        return wire.DONE if data is None else wire.DATA + data

    def _done(self, order: Order) -> str | None:
        """Do one order and return its data. Raises Refused, ValueError for no such order."""
        if order.letter in set(Route):
            self._route(Route(order.letter), order.rest)
            return None
        if order.letter == "O" and order.rest in ("0", "1"):
            self._overridden = order.rest == "1"
            return None
        asked = {
            "S": "".join(self.routes),
            "L": str(int(self._is_allowed())),
            "H": _VERSION,
        }
        if order.rest or order.letter not in asked:
            raise ValueError("no such order")
        return asked[order.letter]

    def _is_allowed(self) -> bool:
        return self.interlock_closed or self._overridden

    def _route(self, route: Route, digits: str) -> None:
        """Route one channel or all. Raises Refused, ValueError for no such channel."""
        if len(digits) != 2 or not digits.isdecimal() or not digits.isascii():  # noqa: PLR2004 - digits
            raise ValueError("expected two digits")
        channel = int(digits)
        if channel != wire.ALL and not 1 <= channel <= wire.CHANNELS:
            raise ValueError("no such channel")
        if route in wire.EXCLUSIVE:
            others = [n for n, has in enumerate(self.routes, 1) if has in wire.EXCLUSIVE]
            if channel == wire.ALL or any(other != channel for other in others):
                raise Refused("BUS IN USE")
            if not self._is_allowed():
                raise Refused("INTERLOCK")
        chosen = range(wire.CHANNELS) if channel == wire.ALL else [channel - 1]
        for index in chosen:
            self.routes[index] = route
