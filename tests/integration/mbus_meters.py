"""M-Bus meters that answer as others captured them, and how a test asks them through our driver.

Frames are of mbus_frames.toml, which says who published them.
"""

import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from edge_agent import profiles
from edge_agent.bus import Answer, Wanted
from edge_agent.drivers.mbus import Address, Settings
from edge_agent.drivers.mbus.bus import MBusBus
from edge_agent.drivers.mbus.meter import MBusMeter
from edge_agent.exact import as_fraction
from edge_agent.protocols import mbus as codec
from edge_agent.protocols.mbus import Frame, Secondary, frame_bytes
from edge_agent.protocols.mbus_records import sender
from tests.integration.pty_meters import MeterLine

FILE = Path(__file__).parents[1] / "unit" / "edge_agent" / "mbus_frames.toml"
FRAMES = {
    each["name"]: bytes.fromhex(each["hex"]) for each in tomllib.loads(FILE.read_text())["frame"]
}
KAMSTRUP = FRAMES["kamstrup_multical_601"]
NOW_MS = 1_790_000_000_000


class Meters:
    """The meters of one line as the standard has them: `at` primary address -> its telegrams."""

    def __init__(self, telegrams: Mapping[int, Sequence[bytes]]) -> None:
        self._bodies = {
            address: [answer_body(each) for each in each_meter]
            for address, each_meter in telegrams.items()
        }
        self._next = dict.fromkeys(telegrams, 0)
        self._last_toggle: dict[int, int | None] = dict.fromkeys(telegrams)
        self._selected: list[int] = []

    def __call__(self, request: Frame, line: MeterLine[Frame]) -> None:
        if mask := codec.selected(request):
            self._selected = [a for a in self._bodies if mask.covers(self.name(a))]
            for address in self._selected:
                self._next[address], self._last_toggle[address] = 0, None
            if self._selected:
                line.say(codec.ACK)
            return
        meant = self._selected if request.address == 253 else [request.address]
        meant = [address for address in meant if address in self._bodies]
        if request.control == codec.SND_NKE:
            for address in meant:
                self._next[address], self._last_toggle[address] = 0, None
            if meant and request.address != 253:
                line.say(codec.ACK)
        elif request.control & ~0x20 == codec.REQ_UD2 and meant:
            line.say(together([self._answer(address, request.control & 0x20) for address in meant]))

    def name(self, address: int) -> Secondary:
        found = sender(self._bodies[address][0])
        assert found is not None
        return found

    def _answer(self, address: int, toggle: int) -> bytes:
        """The same telegram while the frame count bit stays, the next one when it changes."""
        if self._last_toggle[address] not in (None, toggle):
            self._next[address] = min(self._next[address] + 1, len(self._bodies[address]) - 1)
        self._last_toggle[address] = toggle
        body = self._bodies[address][self._next[address]]
        return frame_bytes(Frame(body.control, address, body.ci, body.data))


def answer_body(data: bytes) -> Frame:
    frame, used = codec.find_answer(data, codec.ANY)
    assert frame is not None
    assert used == len(data)
    return frame


def together(answers: Sequence[bytes]) -> bytes:
    """What a line carries when meters speak at once: a current drawn by one is drawn."""
    longest = max(map(len, answers))
    heard = bytearray(b"\xff" * longest)
    for answer in answers:
        for at, byte in enumerate(answer):
            heard[at] &= byte
    return bytes(heard)


def settings(line: MeterLine[Frame], **change: object) -> Settings:
    given = {"device": line.path, "baud": 19200, "timeout_ms": 1000, **change}
    return Settings(**given)  # type: ignore[arg-type]


def meter(bus: MBusBus, profile: str, address: int | str = 5, *quantities: str) -> MBusMeter:
    model = profiles.load(profile, allow_unverified=True)
    at = Address(address=address) if isinstance(address, int) else Address(secondary=address)
    return bus.meter(Wanted("m", model, at, quantities or tuple(model.meanings)))


async def read(each: MBusMeter) -> list[Answer]:
    return [answer async for answer in each.read()]


def told(answers: Sequence[Answer]) -> dict[str, Fraction | None]:
    return {
        q: None if value is None else as_fraction(value)
        for answer in answers
        for q, value in answer.values.items()
    }


class Clock:
    """Counts on, so that an answer has a time of its own."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        self.ms += 1
        return self.ms
