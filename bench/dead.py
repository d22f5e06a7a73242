"""What one dead meter of ten costs its nine neighbours on a serial line.

`python -m bench.dead [--minutes 10] [--json]`

Four lines at 9600 baud at once, each with its speed and in a process of its own, served by the
agent's rounds as in operation: ten meters due every second, on two lines all there, on two the last
one dead from the start. A pair is half busy (42 % of the line's time), a pair nearly full (84 %). What
the nine lose is the part of their slots without an answer, less what they lose where nobody is dead.
A dead meter is asked again later each time, so the first minutes are the worst.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from bench import apart
from bench.telltale import Telltale, now_ms, profile
from edge_agent import drivers
from edge_agent.config import Metered
from edge_agent.device import Device, Memory, Polled
from edge_agent.drivers import Wanted, modbus
from edge_agent.loop import new_loop
from edge_agent.rounds import Rounds
from simulators.serial_bus import SerialLine, Wire
from simulators.slaves.modbus import ModbusMeter, ModbusParty

_WIRE = Wire(9600, turn_ms=0)
_UNITS = range(1, 11)
_DEAD = 10
_INTERVAL_MS = 1000
_TARGET = 0.05


@dataclass(frozen=True)
class Case:
    """One line."""

    registers: int
    has_dead: bool


class Hears:
    """Takes what a bus brings, and lets it go. See edge_agent.rounds.Hears."""

    def took(self, device: Device, polled: Polled) -> None:
        """See the base."""

    def note(self, meter: str, health: str) -> None:
        """See the base."""

    def memory(self, meter: str) -> Memory:
        """See the base."""
        del meter
        return Memory()


def make_line(case: Case, path: Path) -> tuple[SerialLine, apart.Tell]:
    """The line of a case."""
    model = profile(case.registers)
    meters = {
        unit: ModbusMeter(f"m-{unit}", model, Telltale(unit))
        for unit in _UNITS
        if unit != _DEAD or not case.has_dead
    }
    return SerialLine(path, _WIRE, [ModbusParty(meters, "rtu")], now_ms), apart.nothing


def rounds(case: Case, path: Path) -> Rounds:
    """The line served as in operation, with the usual patience."""
    model = profile(case.registers)
    asked = {
        f"m-{n}": Wanted(f"m-{n}", model, modbus.Address(n), tuple(model.registers)) for n in _UNITS
    }
    meters = {name: Metered("line", _INTERVAL_MS, wanted, {}) for name, wanted in asked.items()}
    settings = modbus.Settings(transport="rtu", device=str(path), baud=_WIRE.baud)
    return Rounds("line", drivers.load("modbus"), settings, meters, Hears(), now_ms)


def missed(served: Rounds) -> float:
    """The part of their slots that the living have no answer for."""
    slots = [slots for name, slots in served.slots.items() if name != f"m-{_DEAD}"]
    for each in slots:
        each.count(now_ms())
    return 1 - sum(each.answered for each in slots) / sum(each.due for each in slots)


async def serve(all_rounds: Mapping[Case, Rounds], minutes: float) -> dict[Case, list[float]]:
    """What the living of each line have missed since the start, minute by minute."""
    found: dict[Case, list[float]] = {case: [] for case in all_rounds}
    async with asyncio.TaskGroup() as tasks:
        serving = [tasks.create_task(each.run(Random(1))) for each in all_rounds.values()]
        for _ in range(round(minutes)):
            await asyncio.sleep(60)
            for case, each in all_rounds.items():
                found[case].append(missed(each))
        for task in serving:
            task.cancel()
    return found


async def run(paths: Mapping[Case, Path], minutes: float) -> dict[Case, list[float]]:
    return await serve({case: rounds(case, path) for case, path in paths.items()}, minutes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with ExitStack() as lines:
        paths = {
            case: lines.enter_context(apart.line(partial(make_line, case))).path
            for case in (Case(n, dead) for n in (10, 30) for dead in (False, True))
        }
        runner = lines.enter_context(asyncio.Runner(loop_factory=new_loop))
        found = runner.run(run(paths, arguments.minutes))
    met = True
    for registers, name in ((10, "half busy"), (30, "nearly full")):
        without, with_dead = found[Case(registers, False)], found[Case(registers, True)]
        costs = [b - a for a, b in zip(without, with_dead, strict=True)]
        met = met and costs[-1] < _TARGET
        if arguments.json:
            print(json.dumps({"line": name, "missed_without": without, "missed_with": with_dead}))
            continue
        by_minute = " ".join(f"{cost:.1%}" for cost in costs)
        print(f"{name:12} lost {costs[-1]:.2%} of {_TARGET:.0%}; after each minute {by_minute}")
        print(
            f"{'':12} (missed without a dead meter {without[-1]:.2%}, with one {with_dead[-1]:.2%})"
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
