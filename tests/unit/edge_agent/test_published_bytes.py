"""Bytes that real meters sent and other people published, read through the profiles that ship."""

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from edge_agent import profiles
from edge_agent.exact import as_fraction
from edge_agent.profiles.modbus import Profile
from edge_agent.protocols.modbus import Request, find_answer, find_request, request_frame
from edge_agent.registers import decode, plan

FILE = Path(__file__).parents[2] / "golden" / "meters" / "published.toml"


class Capture(msgspec.Struct, forbid_unknown_fields=True):
    """One answer: see the head of the file."""

    profile: str
    published: str
    says: str
    values: dict[str, str]
    at: int | None = None
    fc: int | None = None
    request: str | None = None
    answer: str | None = None
    words: str | None = None

    def asked(self) -> Request:
        """What the answer answers."""
        if self.request is not None:
            request, _ = find_request(bytes.fromhex(self.request), "rtu")
            assert request is not None
            return request
        assert self.at is not None
        assert self.fc is not None
        unit, count = 1, len(bytes.fromhex(self.words or "")) // 2
        if self.answer is not None:
            frame = bytes.fromhex(self.answer)
            unit, count = frame[0], frame[2] // 2
        return Request(unit, self.fc, self.at, count)

    def registers(self) -> tuple[int, ...]:
        """The registers answered; the frame must be whole and its check sum right."""
        if self.answer is not None:
            frame = bytes.fromhex(self.answer)
            answer, used = find_answer(frame, self.asked(), "rtu")
            assert answer is not None
            assert used == len(frame)
            return answer.words
        assert self.words is not None
        raw = bytes.fromhex(self.words)
        return tuple(int.from_bytes(raw[n : n + 2], "big") for n in range(0, len(raw), 2))


class Captures(msgspec.Struct, forbid_unknown_fields=True):
    """The file."""

    capture: list[Capture]


CAPTURES = msgspec.toml.decode(FILE.read_bytes(), type=Captures).capture


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda c: f"{c.profile}: {c.published}")
def test_what_a_meter_sent_is_what_its_profile_reads(capture: Capture) -> None:
    profile = profiles.load_as(Profile, capture.profile, allow_unverified=True)
    asked, words = capture.asked(), capture.registers()
    for quantity, expected in capture.values.items():
        (block,) = plan(profile, [quantity])
        assert block.fc == asked.function
        first = block.address - asked.address
        assert 0 <= first <= len(words) - block.count, "the profile reads beside the answer"
        value = decode(block, words[first : first + block.count])[quantity]
        assert value is not None
        assert as_fraction(value) == Fraction(expected)


@pytest.mark.parametrize(
    "capture", [c for c in CAPTURES if c.request], ids=lambda c: f"{c.profile}: {c.published}"
)
def test_a_published_request_is_the_frame_we_would_send(capture: Capture) -> None:
    assert request_frame(capture.asked(), "rtu") == bytes.fromhex(capture.request or "")


def test_no_published_bytes_are_kept_for_nothing() -> None:
    assert all(capture.values for capture in CAPTURES)
    assert {capture.profile for capture in CAPTURES} <= set(profiles.names())
