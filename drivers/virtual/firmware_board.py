"""The reference board with firmware of its own: its electronics, and an engine that runs the C.

The firmware says when it wants to run next; what it asks its chips is answered inside that call,
and the frames it sends leave at that instant. Without an engine the electronics stand alone
(``hil.ports.Electronics``), for firmware that runs in a process or an emulator of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from can import Message

from drivers.virtual.firmware_electronics import BoardElectronics
from drivers.virtual.firmware_parameters import parameter_page
from drivers.virtual.held_clock import HeldClock
from drivers.virtual.reference_board import BoardOptions
from drivers.virtual.reference_sampling import Sampling
from drivers.virtual.supply_input import SupplyInput
from hil.physics.board import BoardDesign
from hil.ports import POWER_LOSS, BoardEngine, Clock, LabPlan, SpiBus, Timer


class FirmwareBoardTwin:
    """The board on its bus (``FrameTwin``), at its terminals, and on its SPI bus.

    What is wrong with the firmware itself is no fault to put in: it is another image.
    """

    FAULTS: ClassVar[tuple[str, ...]] = ("silent", POWER_LOSS, *BoardElectronics.FAULTS)
    FAULTS_OF_A_CELL: ClassVar[tuple[str, ...]] = BoardElectronics.FAULTS_OF_A_CELL
    WIRING_FAULTS: ClassVar[tuple[str, ...]] = Sampling.FAULTS
    OPTIONS: ClassVar[type] = BoardOptions

    def __init__(
        self, name: str, clock: Clock, plan: LabPlan, options: Mapping[str, Any] | None = None
    ) -> None:
        """``options`` are the fields of ``BoardOptions``; TypeError for any other.

        Raises ValueError for a board that has no room in the parameter page or on the chips' pins.
        """
        self.name = name
        self._clock = HeldClock(clock)
        self._design: BoardDesign = plan.board
        self._engine: BoardEngine | None = plan.engine
        self._options = BoardOptions(**(options or {}))
        self._electronics = BoardElectronics(name, self._clock, plan)
        self._parameters = parameter_page(self._design, self._options.serial)
        self._send: Callable[[Message], None] | None = None
        self._is_started = False
        self._feed: SupplyInput | None = None
        feed, wire = self._design.feed, plan.wiring.supply
        if feed is not None and wire is not None:
            hangs = self._options.hangs_in_brown_out
            self._feed = SupplyInput(feed, wire, plan.twins, clock, self._see_supply, hangs=hangs)
        self._has_lost_power = False
        self._is_running = False  # started, and has not lost its supply
        self._is_silent = False  # the transceiver; the firmware does not know
        self._wakes: Timer | None = None

    # --- Electronics ------------------------------------------------------------------------------

    @property
    def spi(self) -> SpiBus:
        """The chips on the board's SPI bus."""
        return self._electronics

    @property
    def parameters(self) -> bytes:
        """The parameter page of this board."""
        return self._parameters

    @property
    def cycles(self) -> int:
        """How often the cells have been converted."""
        return self._electronics.cycles

    def start(self) -> None:
        """Give the board its supply; harmless when it has it. Raises ValueError for its page."""
        self._is_started = True
        self._see_supply()

    def _see_supply(self) -> None:
        """Start or stop with what there is of the supply."""
        is_fed = self._feed is None or self._feed.is_on
        self._supply(on=self._is_started and is_fed and not self._has_lost_power)

    def _supply(self, *, on: bool) -> None:
        """Switch supply and firmware; switched on again, both start anew."""
        if on == self._is_running:
            return
        self._is_running = on
        self._electronics.supply(on=on)
        if self._wakes is not None:
            self._wakes.cancel()
            self._wakes = None
        if on and self._engine is not None:
            self._engine.power_on(self._clock.now(), self._parameters, self._electronics)
            self._sleep(self._engine)

    # --- the firmware's time ----------------------------------------------------------------------

    def _sleep(self, engine: BoardEngine) -> None:
        """Wait until the firmware wants to run."""
        self._wakes = self._clock.call_at(max(engine.wake, self._clock.now()), self._run, engine)

    def _run(self, engine: BoardEngine) -> None:
        """Run the firmware up to now; what it sends goes onto the bus."""
        with self._clock.held() as now:
            frames = engine.advance(now)
        if self._send is not None and not self._is_silent:
            for frame in frames:
                self._send(frame)
        self._sleep(engine)

    # --- FrameTwin --------------------------------------------------------------------------------

    def attach(self, send: Callable[[Message], None]) -> None:
        """Take the way onto the bus; the board has its supply from here on."""
        self._send = send
        self.start()

    def receive(self, frame: Message) -> None:
        """Take a frame from the bus; the firmware finds it when it runs next."""
        if self._is_running and self._engine is not None:
            self._engine.hear(frame)

    # --- Inhabited --------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """A bus has no connection that could end."""

    def replace(self, serial: str) -> None:
        """Put another board in this place, which starts anew.

        Raises ValueError unless ``serial`` is its number.
        """
        if not (serial.isascii() and serial.isdigit()):
            raise ValueError(f"{self.name}: serial: found {serial!r}, expected a number")
        self._options = replace(self._options, serial=int(serial))
        self._parameters = parameter_page(self._design, self._options.serial)
        if self._is_running:
            self._supply(on=False)
            self._supply(on=True)

    def truth(self) -> Mapping[str, Any]:
        """Return what the electronics really do, and what their registers hold."""
        return {"serial": str(self._options.serial), **self._electronics.truth()}

    # --- Injectable -------------------------------------------------------------------------------

    def inject(self, fault: str, cell: int, *, active: bool) -> None:
        """Put a fault in or out; ``cell`` from 1 where the fault has one.

        ``silent`` is a CAN transceiver that sends nothing, ``power-loss`` takes the board's supply,
        ``stuck-cell`` repeats the cell's last reading, ``stuck-bleed`` is a bleed transistor that
        nothing switches off, ``front-end-silent`` cuts the front end of ``cell`` and all behind it
        off their bus, ``bad-pec`` spoils the check of all that this front end answers, ``tampered``
        changes on the way what it has measured, and not the check, and the wiring has faults of its
        own (``Sampling.inject``). Raises ValueError for any other fault or cell, and for
        ``silent`` where the firmware has a CAN controller of its own, out of our reach.
        """
        if fault == POWER_LOSS:
            self._has_lost_power = active
            self._see_supply()
        elif fault == "silent" and self._engine is None:
            raise ValueError(
                f"{self.name}: '{fault}': its firmware is a process of its own, which alone has "
                f"its bus; '{POWER_LOSS}' silences it, and so does an engine like lib"
            )
        elif fault == "silent":
            self._is_silent = active
        elif fault in self.FAULTS:
            self._electronics.inject(fault, cell, active=active)
        else:
            raise ValueError(f"{self.name}: no fault {fault!r}; it knows {', '.join(self.FAULTS)}")
