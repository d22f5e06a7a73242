"""Whether the agent takes a stale or foreign value from a line where everything goes wrong.

`python -m bench.hostile [--polls 10000] [--seed 7] [--json]`

A meter for each fault of `simulators/faults.py`, all on one line at 115200 baud: each answers every
third request wrongly, among neighbours that do so in other ways. A meter is asked twice in a row, so
that what comes late meets the very same request. Every value says whose it is and when it was read:
wrong is what that register did not show between the request and its answer, and fails the run. The
peer is pymodbus's client, asked the same on a line of the same seed.

Left out is damage that the check sum cannot see (`blind`): no driver can know, and bench.fuzz says how
rare it is. Nor can anybody tell, where answers have no number, one that comes after more than twice
its time, or once more, just when the same registers of the same meter are asked again. The agent's
rounds ask no register twice, and leave a meter that failed alone for 2 s.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusSerialClient

from bench import apart
from bench.telltale import Telltale, now_ms, profile
from edge_agent.drivers import NoAnswer, modbus
from simulators.dice import Dice
from simulators.faults import Fault, Faults
from simulators.serial_bus import SerialLine, Wire
from simulators.slaves.modbus import ModbusMeter, ModbusParty

_WIRE = Wire(115200, turn_ms=8)
_REGISTERS = 10
_TIMEOUT_MS = 30  # of which an answer takes 13
_EVERY = 3
# The first three come late enough to meet the next request of who does not wait, 50 while the agent
# lets the line go by, 200 when others are asked.
_FAULTS = (
    *(Fault(f"late {ms}", "late", delay_ms=ms) for ms in (24, 27, 30, 45, 200)),
    *(Fault(f"again {ms}", "again", delay_ms=ms) for ms in (45, 200)),
    *(Fault(f"flip {n}", "flip", count=n) for n in (1, 2, 9)),
    Fault("burst", "refusal", times=2),
    Fault("noise", "noise", count=3),
    Fault("noise after", "noise_after", count=5),
    Fault("silent", "silent"),
    Fault("twice", "twice"),
    Fault("foreign", "foreign"),
    Fault("function", "function"),
    Fault("refusal", "refusal"),
    Fault("truncated", "truncated"),
    Fault("echo", "echo"),
)
_ALWAYS = (
    Fault("drift", "drift", permille=40),
    Fault("reboot", "reboot", every=20, down_ms=2000),
)
_SOUND = 8
# Unit -> what goes wrong there.
_NAMES = dict(
    enumerate([*(fault.meter for fault in (*_FAULTS, *_ALWAYS)), *["nothing"] * _SOUND], 1)
)

Read = Callable[[int], Awaitable[Sequence[int] | None]]
Open = Callable[[Path], AbstractAsyncContextManager[Read]]


@dataclass
class Seen:
    """Of the meters with one fault."""

    asked: int = 0
    answered: int = 0
    values: int = 0
    wrong: int = 0


def make_line(seed: int, path: Path) -> tuple[SerialLine, apart.Tell]:
    """The hostile line."""
    model = profile(_REGISTERS)
    meters = {unit: ModbusMeter(name, model, Telltale(unit)) for unit, name in _NAMES.items()}
    often = [msgspec.structs.replace(fault, every=_EVERY) for fault in _FAULTS]
    spoilt = Faults([*often, *_ALWAYS], Dice(seed), now_ms())
    line = SerialLine(path, _WIRE, [ModbusParty(meters, "rtu")], now_ms, spoilt)
    return line, apart.nothing


@asynccontextmanager
async def agent(path: Path) -> AsyncIterator[Read]:
    """The agent's driver."""
    settings = modbus.Settings(
        transport="rtu", device=str(path), baud=_WIRE.baud, timeout_ms=_TIMEOUT_MS
    )
    async with modbus.connect(settings, Random(1), now_ms) as bus:

        async def read(unit: int) -> Sequence[int] | None:
            try:
                return await bus.read(unit, 3, 0, _REGISTERS)
            except NoAnswer:
                return None

        yield read


@asynccontextmanager
async def pymodbus(path: Path) -> AsyncIterator[Read]:
    """The peer; its complaints are the point, not news."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    client = AsyncModbusSerialClient(
        str(path), baudrate=_WIRE.baud, timeout=_TIMEOUT_MS / 1000, retries=0
    )

    async def read(unit: int) -> Sequence[int] | None:
        try:
            if not client.connected:
                await client.connect()
            answer = await client.read_holding_registers(0, count=_REGISTERS, device_id=unit)
        except ModbusException:
            return None
        return None if answer.isError() else answer.registers

    yield read
    client.close()


async def poll(opened: Open, path: Path, polls: int) -> dict[str, Seen]:
    """Ask every meter twice in a row, again and again."""
    quantities = list(profile(_REGISTERS).registers)
    found = {name: Seen() for name in _NAMES.values()}
    units = [unit for unit in _NAMES for _ in range(2)]
    async with opened(path) as read:
        for n in range(polls):
            unit = units[n % len(units)]
            seen = found[_NAMES[unit]]
            seen.asked += 1
            asked_ms = now_ms()
            words = await read(unit)
            if words is None:
                continue
            seen.answered += 1
            was = partial(Telltale(unit).was, asked_ms=asked_ms, answered_ms=now_ms())
            for at, quantity in enumerate(quantities):
                value = int.from_bytes(b"".join(w.to_bytes(2) for w in words[2 * at : 2 * at + 2]))
                seen.values += 1
                seen.wrong += not was(quantity, (value, 0))
    return found


def run(opened: Open, polls: int, seed: int) -> dict[str, Seen]:
    """What was seen of each fault."""
    with apart.line(partial(make_line, seed)) as line:
        return asyncio.run(poll(opened, line.path, polls))


def total(found: dict[str, Seen], key: str) -> int:
    """Over all faults."""
    return sum(int(getattr(seen, key)) for seen in found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--polls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ours, peers = (run(opened, arguments.polls, arguments.seed) for opened in (agent, pymodbus))
    if arguments.json:
        print(
            json.dumps({"agent": msgspec.to_builtins(ours), "pymodbus": msgspec.to_builtins(peers)})
        )
        return 1 if total(ours, "wrong") else 0
    print(f"{'':12} {'agent':>30}    {'pymodbus':>30}")
    print(f"{'fault':12}" + f" {'asked':>6} {'answered':>9} {'missed':>7} {'wrong':>6}" * 2)
    for name in ours:
        row = [
            f" {s.asked:6} {s.answered:9} {s.asked - s.answered:7} {s.wrong:6}"
            for s in (ours[name], peers[name])
        ]
        print(f"{name:12}" + "".join(row))
    for name, found in (("agent", ours), ("pymodbus", peers)):
        print(f"{name:8} {total(found, 'wrong')} of {total(found, 'values')} values wrong")
    return 1 if total(ours, "wrong") else 0


if __name__ == "__main__":
    sys.exit(main())
