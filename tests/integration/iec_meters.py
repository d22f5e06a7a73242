"""Meters that are read out as others published it, and how a test asks them through our driver.

Texts are of iec62056_21_readouts.toml, which says who published them.
"""

import termios
import time
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from edge_agent import profiles
from edge_agent.bus import Answer, Wanted
from edge_agent.drivers.iec62056_21 import Address, Settings
from edge_agent.drivers.iec62056_21.bus import IecBus
from edge_agent.drivers.iec62056_21.meter import IecMeter
from edge_agent.exact import as_fraction
from edge_agent.protocols.iec62056_21 import (
    find_identification,
    readout_bytes,
    seven_bits,
    with_parity,
)
from tests.integration.pty_meters import MeterLine

FILE = Path(__file__).parents[1] / "unit" / "edge_agent" / "iec62056_21_readouts.toml"
READOUTS = {each["name"]: each for each in tomllib.loads(FILE.read_text())["readout"]}
SPEED = {getattr(termios, f"B{n}"): n for n in (300, 600, 1200, 2400, 4800, 9600, 19200)}
NOW_MS = 1_790_000_000_000
GREETED = b"/?!\r\n"


def find(data: bytes) -> tuple[bytes | None, int]:
    """The next line said to the meter, without parity."""
    end = seven_bits(data).find(b"\r\n")
    return (seven_bits(data)[: end + 2], end + 2) if end >= 0 else (None, 0)


def greeting(name: str) -> bytes:
    return with_parity(READOUTS[name]["identification"].encode() + b"\r\n")


def told(name: str) -> bytes:
    """The read-out with its published check, or ours where none was published."""
    text = READOUTS[name]["text"].replace("\n", "\r\n")
    check = READOUTS[name].get("check")
    if check is None:
        return readout_bytes(text)
    return with_parity(b"\x02" + text.encode() + b"\x03" + check.encode())


class Meter:
    """One meter of mode A, B or C. `speeds`: at which the line stood when it spoke."""

    def __init__(self, name: str, spoil: Callable[[bytes], bytes] = lambda data: data) -> None:
        self._name, self._spoil = name, spoil
        self.speeds: list[int] = []
        self.number = ""  # answers to everybody, unless it has one
        self.reaction_s = 0.05  # from when the line has the speed

    def __call__(self, said: bytes, line: MeterLine[bytes]) -> None:
        said = said.lstrip(b"\0")
        if said in (GREETED, f"/?{self.number}!\r\n".encode()):
            self._note(line)
            line.say(greeting(self._name))
            if READOUTS[self._name]["identification"][4].isdigit():
                return
        elif said[:1] != b"\x06":
            return
        self._await_speed(said, line)
        time.sleep(self.reaction_s)
        self._note(line)
        line.say(self._spoil(told(self._name)))

    def _await_speed(self, said: bytes, line: MeterLine[bytes]) -> None:
        """A terminal paces nothing: wait until the driver has changed to the speed agreed upon."""
        offered, _ = find_identification(greeting(self._name))
        assert offered is not None
        is_confirmed = said[2:3].decode() == offered.letter
        agreed = offered.confirmed_baud if is_confirmed else offered.announced_baud
        until = time.monotonic() + 10  # whoever never changes is noted with the speed it has
        while agreed and self._speed(line) != agreed and time.monotonic() < until:
            time.sleep(0.005)

    def _note(self, line: MeterLine[bytes]) -> None:
        self.speeds.append(self._speed(line))

    def _speed(self, line: MeterLine[bytes]) -> int:
        return SPEED[termios.tcgetattr(line.master)[5]]


def settings(line: MeterLine[bytes], **change: object) -> Settings:
    given = {"device": line.path, "timeout_ms": 1000, **change}
    return Settings(**given)  # type: ignore[arg-type]


class Clock:
    """Counts on, so that an answer has a time of its own."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        self.ms += 1
        return self.ms


def meter(bus: IecBus, profile: str | profiles.Profile, number: str = "") -> IecMeter:
    model = profiles.load(profile) if isinstance(profile, str) else profile
    return bus.meter(Wanted("m", model, Address(address=number), tuple(model.meanings)))


async def read(each: IecMeter) -> Answer:
    (answer,) = [answer async for answer in each.read()]
    return answer


def values(answer: Answer) -> dict[str, Fraction | None]:
    return {q: v and as_fraction(v) for q, v in answer.values.items()}


def made(register: str, extra: str = "") -> profiles.Profile:
    head = 'protocol = "iec62056_21"\nvendor = "V"\nmodel = "M"\ngrade = "A"\nsource = "-"\n'
    return profiles.parse(f"{head}{extra}\n[registers]\n{register}", "made")
