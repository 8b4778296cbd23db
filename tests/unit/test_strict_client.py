"""A client of the strictest kind on every twin that speaks SCPI: it knows IEEE 488.2, no driver.

It polls ``*STB?`` after each write, begins with ``*CLS;*ESE 1;*SRE 0``, and takes an order for done
when ``;*OPC`` has set the event status bit. Through set, measure and off, nothing may be queued.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from abs_unit import plan

from drivers.links.lines import LineSession
from drivers.links.memory import memory_byte_link
from drivers.virtual.bloomy_abs import BloomyAbsTwin
from drivers.virtual.keithley_2281s import Keithley2281sTwin
from drivers.virtual.keysight_n6705 import KeysightN6705Twin
from drivers.virtual.rs_ngm import RsNgmTwin
from drivers.virtual.watlow_f4t import WatlowF4TTwin
from hil.bench.clock import run_virtual
from hil.core.instants import MILLISECOND, SECOND
from hil.ports import Clock

EAV, ESB = 4, 32
OPC = 1
POLLS = 1_000


class Unit(NamedTuple):
    """A twin, and how its manual has set, on, measure and off; what is measured, within what."""

    twin: Any
    orders: Sequence[str]
    measure: str
    expected: float
    off: str
    state: str
    says_off: str
    within: float = 0.02


UNITS = {
    "bloomy-abs": Unit(
        BloomyAbsTwin,
        ("SOUR3:VOLT 3.3", "SOUR3:CURR:SRC 0.5", "OUTP3 1"),
        "MEAS3:VOLT?",
        3.3,
        "OUTP3 0",
        "OUTP3?",
        "0",
    ),
    "rs-ngm": Unit(
        RsNgmTwin,
        ("INST:NSEL 2", "VOLT 3.3", "CURR 0.5", "OUTP:SEL 1", "OUTP:GEN 1"),
        "MEAS:VOLT:DC?",
        3.3,
        "OUTP:GEN 0",
        "OUTP:GEN?",
        "0",
    ),
    "keysight-n6705": Unit(
        KeysightN6705Twin,
        ("VOLT 3.3,(@2)", "CURR 0.5,(@2)", "OUTP:STAT 1,(@2)"),
        "MEAS:VOLT? (@2)",
        3.3,
        "OUTP:STAT 0,(@2)",
        "OUTP:STAT? (@2)",
        "0",
    ),
    "keithley-2281s": Unit(
        Keithley2281sTwin,
        (":ENTR:FUNC POWER", "VOLT 3.3", "CURR 0.5", "OUTP ON"),
        "MEAS:VOLT?",
        3.3,
        "OUTP OFF",
        "OUTP?",
        "0",
    ),
    "watlow-f4t": Unit(
        WatlowF4TTwin,
        (":UNIT:TEMPERATURE C", ":SOURCE:CLOOP1:SPOINT 23", ":OUTPUT1:STATE ON"),
        ":SOURCE:CLOOP1:PVALUE?",
        23.0,
        ":OUTPUT1:STATE OFF",
        ":OUTPUT1:STATE?",
        "OFF",
        within=1.5,
    ),
}


class Strict:
    """Sends an order, polls the status byte, and trusts nothing else."""

    def __init__(self, session: LineSession, clock: Clock) -> None:
        self._session, self._clock = session, clock
        self.polls = 0

    async def ask(self, line: str) -> str:
        return await self._session.query(line, SECOND)

    async def status(self) -> int:
        self.polls += 1
        return int(await self.ask("*STB?"))

    async def tell(self, line: str) -> None:
        await self._session.write(line)
        assert not await self.status() & EAV, line

    async def complete(self, line: str) -> None:
        """Wait until the order's *OPC has set ESB; nothing but OPC may stand in the register."""
        await self._session.write(f"{line};*OPC")
        for _ in range(POLLS):
            if await self.status() & ESB:
                break
            await self._clock.sleep_until(self._clock.now() + MILLISECOND)
        assert int(await self.ask("*ESR?")) == OPC, line
        assert not await self.status() & (ESB | EAV), line


@pytest.mark.parametrize("name", UNITS)
def test_a_strict_client_gets_through_set_measure_and_off(name: str) -> None:
    unit = UNITS[name]

    async def main(clock: Clock) -> None:
        twin = unit.twin(name, clock, plan(), {"serial": "S-1"})
        link = memory_byte_link(name, clock, {}, twin=twin)
        await link.open()
        session = LineSession(link, clock, name, terminator=b"\n", reply_terminator=b"\n")
        client = Strict(session, clock)
        assert "S-1" in await client.ask("*IDN?")
        await client.tell("*CLS;*ESE 1;*SRE 0")
        assert (await client.ask("*ESE?"), await client.ask("*SRE?")) == ("1", "0")
        for order in unit.orders:
            await client.complete(order)
        measured = float((await client.ask(unit.measure)).rstrip("AV"))
        assert measured == pytest.approx(unit.expected, abs=unit.within)
        await client.complete(unit.off)
        assert (await client.ask(unit.state)).strip() == unit.says_off
        assert (await client.ask("SYST:ERR?")).startswith(("0,", "+0,"))
        # a word that nobody knows shows in the byte, in the register, and in the queue
        await session.write("NOSUCH:WORD 1")
        assert await client.status() & EAV
        assert (await client.ask("SYST:ERR?")).startswith("-113,")
        assert int(await client.ask("*ESR?")) == 32
        await link.close()

    run_virtual(main)
