"""The command table of the virtual Keithley 2281S: headers as its manual prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivers.virtual.battery_model import ILLEGAL_RANGE, LEAST_V, MOST_V, numbers
from drivers.wire import keithley_2281s as wire
from drivers.wire.scpi import Channels, Command
from drivers.wire.scpi_data import Boolean, Choice, Integer, Number, ScpiError, Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.virtual.keithley_2281s import Keithley2281sTwin

_SLOT = (Integer(1, wire.SLOTS[-1]),)
_VOLTS = Number(LEAST_V, MOST_V, 0.0, "V")
_SIM = ":BATTery:SIMulator"
_TEST = ":BATTery:TEST"
_ON_OFF = Choice("ON", "OFF", "DISable", "0", "1", "2")


def command_table(twin: Keithley2281sTwin) -> list[Command]:
    """Return all that the unit knows beside what every SCPI instrument does."""
    return [
        *_common(twin),
        *_power(twin),
        *_test(twin),
        *_simulator(twin),
        *_battery(twin),
        *_models(twin),
    ]


def _register(
    twin: Keithley2281sTwin, header: str, name: str, kind: Any, *, paused: bool = False
) -> Command:
    """Return the command of a setting; ``paused`` ones are refused while a simulation runs."""

    def write(_: Channels, value: Any) -> None:
        if paused:
            twin.not_running()
        setattr(twin.set, name, value)
        twin.drive()

    return Command(header, write, lambda _: _spell(getattr(twin.set, name)), (kind,))


def _common(twin: Keithley2281sTwin) -> list[Command]:
    functions = Choice("POWer", "TEST", "SIMulator")

    def summary(node: str) -> Command:
        short = node[:4]
        header = f":STATus:{node}:INSTrument:ISUMmary:CONDition"
        return Command(header, read=lambda _: str(twin.conditions(short)))

    return [
        Command(
            ":ENTRy:FUNCtion",
            lambda _, name: twin.choose(name),
            lambda _: twin.set.function,
            (functions,),
        ),
        *(summary(node) for node in ("OPERation", "MEASurement", "QUEStionable")),
        Command(":SYSTem:LFRequency", read=lambda _: "50"),
        Command(":DISPlay:USER:TEXT", lambda *_: None, None, (Text(),)),
        _register(twin, ":TRACe:POINts", "points", Integer(2, wire.MOST_READINGS)),
        Command(":TRACe:CLEar", write=lambda _: twin.clear_buffer()),
        Command(":OUTPut:PROTection:CLEar", write=lambda _: setattr(twin, "tripped", False)),
    ]


def _power(twin: Keithley2281sTwin) -> list[Command]:
    def set_voltage(_: Channels, value_v: float) -> None:
        if value_v > twin.set.limit_v:
            raise ScpiError(-222)
        twin.set.volts = value_v
        twin.drive()

    level = "[:LEVel][:IMMediate][:AMPLitude]"
    source = "[:SOURce]"
    protection = Number(0.5, 21.0, 21.0, "V")
    return [
        Command(
            f"{source}:VOLTage{level}", set_voltage, lambda _: _spell(twin.set.volts), (_VOLTS,)
        ),
        _register(twin, f"{source}:VOLTage:LIMit", "limit_v", _VOLTS),
        _register(twin, f"{source}:VOLTage:PROTection[:LEVel]", "protection_v", protection),
        _register(twin, f"{source}:CURRent{level}", "amps", Number(0.1, 6.1, 0.1, "A")),
        _register(twin, ":SENSe:CONCurrent:NPLCycles", "cycles", Number(0.002, 12.0, 1.0)),
        Command(":OUTPut[:STATe]", _switch(twin), lambda _: _spell(twin.is_on()), (Boolean(),)),
        Command(":DATA:CLEar", write=lambda _: twin.clear_buffer()),
        Command(
            ":DATA:DATA",
            read=lambda _, text: twin.buffered(text or "READ,REL"),
            asks=(Text(),),
            optional=1,
        ),
        Command(":MEASure:VOLTage", read=lambda _: f"{twin.read('volt'):+.6E}"),
        Command(":MEASure:CURRent", read=lambda _: f"{twin.read('curr'):+.6E}"),
    ]


def _switch(twin: Keithley2281sTwin) -> Callable[..., None]:
    def write(_: Channels, on: bool) -> None:  # noqa: FBT001 - a parsed parameter
        twin.disabled = False
        twin.switch(on=on)

    return write


def _battery(twin: Keithley2281sTwin) -> list[Command]:
    """Return what the battery functions share: their output and their buffer."""

    def switch(_: Channels, state: str) -> None:
        twin.switch(on=state in ("ON", "1"))
        twin.disabled = state in ("DISABLE", "2")

    def output(_: Channels) -> str:
        return "2" if twin.disabled and not twin.is_on() else _spell(twin.is_on())

    def data(_: Channels, text: str | None) -> str:
        return twin.buffered(text or "VOLT,CURR,REL")

    def status(_: Channels) -> str:
        return "CHARGE" if twin.read("curr") >= 0.0 else "DISCHARGE"  # charges what is outside

    return [
        Command(":BATTery:OUTPut[:STATe]", switch, output, (_ON_OFF,)),
        Command(":BATTery:STATus", read=status),
        Command(":BATTery:DATA:CLEar", write=lambda _: twin.clear_buffer()),
        Command(":BATTery:DATA:DATA", read=data, asks=(Text(),), optional=1),
        Command(":BATTery:TRACe:DATA", read=data, asks=(Text(),), optional=1),
        Command(":BATTery:TRACe:CLEar", write=lambda _: twin.clear_buffer()),
        _register(twin, ":BATTery:TRACe:POINts", "points", Integer(2, wire.MOST_READINGS)),
    ]


def _simulator(twin: Keithley2281sTwin) -> list[Command]:
    def set_soc(_: Channels, soc: float) -> None:
        twin.set.soc = soc
        twin.drive()

    def set_voc(_: Channels, voc_v: float) -> None:
        set_soc((), twin.chosen.soc_at(voc_v))

    def voc(_: Channels) -> str:
        return _spell(twin.chosen.voc_v(twin.set.soc))

    def capacity(_: Channels) -> str:
        return _spell(twin.set.capacity_ah * twin.set.soc / 100.0)

    methods = Choice("DYNamic", "STATic")

    def own(node: str, name: str, kind: Number) -> Command:
        return _register(twin, f"{_SIM}:{node}", name, kind, paused=True)

    return [
        Command(
            f"{_SIM}:METHod",
            lambda _, name: setattr(twin.set, "method", name),
            lambda _: {"DYNAMIC": "DYN", "STATIC": "STAT"}[twin.set.method],
            (methods,),
        ),
        Command(
            f"{_SIM}:SOC", set_soc, lambda _: _spell(twin.set.soc), (Number(0.0, 100.0, 100.0),)
        ),
        Command(f"{_SIM}:VOC", set_voc, voc, (_VOLTS,)),
        _end_voltage(twin, "EMPTy", "voc_empty", 0),
        _end_voltage(twin, "FULL", "voc_full", 1),
        Command(f"{_SIM}:CAPacity", read=capacity),
        own("CAPacity:LIMit", "capacity_ah", Number(0.001, 99.0, 0.01)),
        own("CURRent:LIMit", "limit_a", Number(0.0, 6.1, 0.1, "A")),
        own("SAMPle:INTerval", "interval_s", Number(8e-5, 0.48, 0.04, "S")),
        _register(twin, f"{_SIM}:RESistance:OFFSet", "offset_ohm", Number(-100.0, 100.0)),
        _register(twin, f"{_SIM}:TVOLtage:PROTection", "protection_v", Number(0.5, 21, 21.0, "V")),
        Command(f"{_SIM}:TVOLtage", read=lambda _: f"{twin.read('volt'):.5f}"),
        Command(f"{_SIM}:CURRent", read=lambda _: f"{twin.read('curr'):.6f}"),
        Command(f"{_SIM}:RESistance", read=twin.resistance),
    ]


def _end_voltage(twin: Keithley2281sTwin, node: str, name: str, end: int) -> Command:
    """Return where the simulation stops to discharge, or to charge: by itself the model's end."""

    def write(_: Channels, value_v: float) -> None:
        twin.not_running()
        low, high = twin.voc_range()
        if not low <= value_v <= high:
            raise ScpiError(-222)
        setattr(twin.set, name, value_v)

    def read(_: Channels) -> str:
        value_v = getattr(twin.set, name)
        return _spell(twin.voc_range()[end] if value_v is None else value_v)

    return Command(f"{_SIM}:VOC:{node}", write, read, (_VOLTS,))


def _test(twin: Keithley2281sTwin) -> list[Command]:
    """Return the settings of the battery test; there is no battery at a twin's terminals."""

    def setting(header: str, name: str, kind: Number) -> Command:
        def write(_: Channels, value: float) -> None:
            twin.set.test[name] = value

        return Command(
            f"{_TEST}{header}",
            write,
            lambda _: _spell(twin.set.test.get(name, kind.default)),
            (kind,),
        )

    def set_range(_: Channels, low_v: float, high_v: float) -> None:
        if low_v > high_v:
            raise ScpiError(ILLEGAL_RANGE, "Illegal model range setting")
        twin.set.test["range"] = (low_v, high_v)

    def model_range(_: Channels) -> str:
        return ",".join(map(_spell, twin.set.test.get("range", (LEAST_V, MOST_V))))

    def save(_: Channels, slot: int) -> None:
        raise ScpiError(-221, f"no battery was measured to save as model {slot}")

    amps, steps = Number(0.0, 6.1, 0.1, "A"), Choice("STARt", "STOP", "PAUSe", "CONTinue")
    node = f"{_TEST}:SENSe:AH"
    return [
        setting("[:SOURce]:VOLTage[:LEVel]", "volts", _VOLTS),
        setting("[:SOURce]:VOLTage:LIMit", "limit_v", Number(LEAST_V, MOST_V, MOST_V, "V")),
        setting("[:SOURce]:CURRent:END", "end_a", Number(0.0, 0.1, 0.001, "A")),
        setting("[:SOURce]:CURRent:PROTection[:LEVel]", "guard_a", Number(0.1, 6.1, 6.1, "A")),
        setting(":SENSe:AH:VFULl", "full_v", _VOLTS),
        setting(":SENSe:AH:ILIMit", "charge_a", amps),
        Command(f"{node}[:LEVel]", read=lambda _: "0.000000"),
        Command(f"{node}:EXECute", lambda *_: None, None, (steps,)),
        Command(f"{node}:GMODel:RANGe", set_range, model_range, (_VOLTS, _VOLTS)),
        Command(f"{node}:GMODel:SAVE:INTernal", save, None, _SLOT),
        Command(f"{node}:GMODel:SAVE:INTErnal", save, None, _SLOT),  # as pymeasure abbreviates it
    ]


def _models(twin: Keithley2281sTwin) -> list[Command]:
    """Return the memory of nine battery models."""

    def store(element: str, *, append: bool) -> Callable[..., None]:
        def write(slots: Channels, text: str) -> None:
            twin.models[slots[0]].store(element, numbers(text), append=append)

        return write

    def read(element: str) -> Callable[[Channels], str]:
        return lambda slots: ",".join(f"{one:g}" for one in getattr(twin.models[slots[0]], element))

    def recall(_: Channels, slot: int) -> None:
        twin.not_running()
        twin.models[slot].check()
        twin.chosen = twin.models[slot]
        twin.set.soc, twin.set.voc_empty, twin.set.voc_full = 100.0, None, None
        twin.drive()

    found = []
    for node, element in (("VOC", "voc"), ("RESistance", "resistance")):
        header = f":BATTery:MODel#:{node}"
        write, more = store(element, append=False), store(element, append=True)
        slots = wire.SLOTS[-1]
        found += [
            Command(header, write, read(element), (Text(),), slots),
            Command(f"{header}:APPend", more, None, (Text(),), slots),
        ]
    return [*found, Command(":BATTery:MODel:RCL", recall, None, _SLOT)]


def _spell(value: Any) -> str:
    """Return a register as response data."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int) else f"{value:.5f}"
