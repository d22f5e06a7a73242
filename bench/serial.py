"""How much of a serial line's physical limit the agent's drivers reach, on a line with its speed.

`python -m bench.serial [--seconds 10] [--runs 3] [--json]`

A poll takes at least its characters, the silences its protocol asks for and the meter's own time.
Meters are asked one after the other without a pause, through the agent's driver; every value says
whose it is and when it was read. The line is a pseudo terminal whose bytes take as long as on a
wire, in a process of its own. A program that takes the processor away makes a poll late, so the
median of the runs is shown.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bench import apart
from bench.telltale import Telltale, now_ms, profile
from edge_agent import drivers, profiles
from edge_agent.drivers import Driver, NoAnswer, Wanted, dlt645, modbus
from edge_agent.loop import new_loop
from simulators.serial_bus import SerialLine, Wire
from simulators.slaves.dlt645 import Dlt645Meter, Dlt645Party
from simulators.slaves.modbus import ModbusMeter, ModbusParty

_UNITS = range(1, 6)
_TD_S = 0.02  # the least a DL/T 645 meter waits before it answers
_DLT645_CHARACTERS = (4 + 16) + (4 + 20)  # request and answer of one energy, each with its 4 FE


@dataclass(frozen=True)
class Case:
    """One line. `registers`: of a Modbus poll; 0: DL/T 645, one energy. `target`: the share of the
    limit to be reached; None: for information."""

    wire: Wire
    registers: int
    target: float | None

    @property
    def limit_s(self) -> float:
        """What one poll takes at least: a silence before the request, one before the answer."""
        turn_s = self.wire.turn_ms / 1000
        if not self.registers:
            on_wire_s = _DLT645_CHARACTERS * self.wire.character_s
            return on_wire_s + self.wire.silence_s + _TD_S + turn_s
        characters = 8 + 5 + 2 * self.registers
        return characters * self.wire.character_s + 2 * self.wire.silence_s + turn_s

    def __str__(self) -> str:
        what = f"modbus {self.registers:2} registers" if self.registers else "dlt645 one energy"
        wire = self.wire
        return f"{what} {wire.baud:>6} 8{wire.parity}{wire.stop_bits}, turn {wire.turn_ms:2} ms"


@dataclass(frozen=True)
class Result:
    """One run. `wrong`: values that were not this register's at this time."""

    share: float
    wrong: int
    missed: int
    gap_violations: int
    collisions: int


def cases() -> Iterator[Case]:
    """Everything that is measured."""
    for baud, target in ((9600, 0.90), (19200, 0.88), (115200, None)):
        for turn_ms in (0, 20):
            for registers in (10, 40):
                yield Case(Wire(baud, turn_ms=turn_ms), registers, target)
    for baud in (2400, 9600):
        yield Case(Wire(baud, "E", turn_ms=0), 0, 0.90)


def make_line(case: Case, path: Path) -> tuple[SerialLine, apart.Tell]:
    """The line of a case, with five meters."""
    parties: dict[bool, Any] = {
        True: lambda: ModbusParty(
            {n: ModbusMeter(f"m-{n}", profile(case.registers), source(case, n)) for n in _UNITS},
            "rtu",
        ),
        False: lambda: Dlt645Party(
            [Dlt645Meter(f"m-{n}", f"{n:012}", source(case, n)) for n in _UNITS]
        ),
    }
    party = parties[bool(case.registers)]()
    return SerialLine(path, case.wire, [party], now_ms), apart.nothing


def source(case: Case, unit: int) -> Telltale:
    """What the meter measures."""
    return Telltale(unit) if case.registers else Telltale(unit, Fraction(1, 100), tells_which=False)


def driver(case: Case, path: Path) -> tuple[Driver, Any, Mapping[int, Wanted]]:
    """The driver, its settings, and what is wanted of each meter."""
    wire = case.wire
    line: dict[str, Any] = {"device": str(path), "baud": wire.baud, "parity": wire.parity}
    if case.registers:
        model = profile(case.registers)
        quantities = tuple(model.registers)
        asked = {n: Wanted(f"m-{n}", model, modbus.Address(n), quantities) for n in _UNITS}
        return drivers.load("modbus"), modbus.Settings(transport="rtu", **line), asked
    meter = profiles.load("dlt645_2007", allow_unverified=True)
    energy = ("active_energy_import",)
    asked = {n: Wanted(f"m-{n}", meter, dlt645.Address(f"{n:012}"), energy) for n in _UNITS}
    return drivers.load("dlt645"), dlt645.Settings(**line), asked


async def measure(case: Case, path: Path, seconds: float) -> tuple[float, int, int]:
    """The share of the limit, wrong values, and polls without an answer."""
    module, settings, asked = driver(case, path)
    polls = wrong = missed = 0
    async with module.connect(settings, Random(1), now_ms) as bus:
        meters = {unit: bus.meter(wanted) for unit, wanted in asked.items()}
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            for unit, meter in meters.items():
                asked_ms = now_ms()
                polls += 1
                try:
                    answers = [answer async for answer in meter.read()]
                except NoAnswer:
                    missed += 1
                    continue
                for answer in answers:
                    for quantity, value in answer.values.items():
                        true = source(case, unit).was
                        wrong += value is None or not true(quantity, value, asked_ms, answer.t_ms)
        took_s = time.monotonic() - began
    return (polls - missed) * case.limit_s / took_s, wrong, missed


def run(case: Case, seconds: float) -> Result:
    """One run of one case."""
    with (
        apart.line(partial(make_line, case)) as line,
        asyncio.Runner(loop_factory=new_loop) as runner,
    ):
        share, wrong, missed = runner.run(measure(case, line.path, seconds))
    return Result(share, wrong, missed, line.stats.gap_violations, line.stats.collisions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="cases with these words: dlt645, 9600 ...")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    met = True
    for case in cases():
        if arguments.only not in str(case):
            continue
        results = [run(case, arguments.seconds) for _ in range(arguments.runs)]
        share = statistics.median(result.share for result in results)
        faults = {
            name: sum(getattr(result, name) for result in results)
            for name in ("wrong", "missed", "gap_violations", "collisions")
        }
        met = met and share >= (case.target or 0) and not any(faults.values())
        if arguments.json:
            shares = [round(result.share, 4) for result in results]
            print(
                json.dumps({"case": str(case), "target": case.target, "shares": shares, **faults})
            )
        else:
            wanted = f"of {case.target:.0%}" if case.target else "      "
            told = ", ".join(f"{count} {name}" for name, count in faults.items() if count)
            print(f"{case}  {share:6.1%} {wanted} {told or 'no fault'}", flush=True)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
