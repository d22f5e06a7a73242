"""What a production event must hold."""

import msgspec
import pytest

from ingestor import events
from wire.errors import BadData
from wire.messages import Heartbeat

T = "2026-11-18T08:00:00.000Z"
GOOD = [
    {"type": "start", "node": "p", "batch": "B", "product": "x", "weight": "0.5"},
    {"type": "stop", "node": "p", "batch": "B"},
    {"type": "state", "node": "p", "state": "setup"},
    {"type": "quantity", "batch": "B", "good": "95", "scrap": "5", "unit": "piece"},
    {"type": "input", "batch": "B", "of": "A", "quantity": "5", "unit": "piece", "from": "good"},
    {"type": "void", "of": "e0"},
    {"type": "swap", "meter": "m-1", "closing": "12399.5", "opening": "0.02"},
]


def read(**told: object) -> object:
    return events.read_event(msgspec.json.encode({"id": "e1", "t": T, **told}))


@pytest.mark.parametrize("told", GOOD, ids=lambda told: told["type"])
def test_each_type_is_read_and_written_back_as_it_was(told: dict[str, str]) -> None:
    event = events.read_event(msgspec.json.encode({"id": "e1", "t": T, **told}))
    assert msgspec.json.decode(events.encode(event)) == {"id": "e1", "t": T, **told}


@pytest.mark.parametrize(
    ("told", "key", "code"),
    [
        ({"type": "start", "node": "p"}, "batch", "missing"),
        ({"type": "begin"}, "type", "one_of"),
        ({"type": "stop", "node": "p", "batch": "B", "weight": "1"}, "weight", "unknown_key"),
        ({"type": "state", "node": "p", "state": "busy"}, "state", "one_of"),
        ({"type": "start", "node": "a b", "batch": "B"}, "node", "no_name"),
        ({"type": "start", "node": "p", "batch": ""}, "batch", "printable"),
        ({"type": "start", "node": "p", "batch": "B\n"}, "batch", "printable"),
        ({"type": "start", "node": "p", "batch": "B", "weight": "0"}, "weight", "zero"),
        ({"type": "start", "node": "p", "batch": "B", "weight": "-1"}, "weight", "below_zero"),
        ({"type": "start", "node": "p", "batch": "B", "weight": "1,5"}, "weight", "no_decimal"),
        ({"type": "start", "node": "p", "batch": "B", "weight": 1}, "weight", ""),
        ({"type": "quantity", "batch": "B", "good": "-1", "unit": "piece"}, "good", "below_zero"),
        ({**GOOD[4], "from": "bin"}, "from", "one_of"),
        ({**GOOD[5], "t": "2026-11-18T08:00:00"}, "t", "no_instant"),
        ({**GOOD[5], "t": "2026-11-18T08:00:00.0001Z"}, "t", "no_instant"),
        ({**GOOD[5], "t": "2026-02-30T08:00:00Z"}, "t", "no_instant"),
        ({**GOOD[6], "closing": "-1"}, "closing", "below_zero"),
        ({**GOOD[6], "opening": "1,5"}, "opening", "no_decimal"),
        ({**GOOD[6], "meter": "m 1"}, "meter", "no_name"),
        ({"type": "swap", "meter": "m-1", "closing": "1"}, "opening", "missing"),
        ({**GOOD[5], "id": ""}, "id", "printable"),
        ({**GOOD[5], "colour": "red"}, "colour", ""),
        ({**GOOD[5], "n": 1}, "n", "numbered"),
        ({**GOOD[5], "source": "mes", "n": 0}, "n", "numbered"),
        ({**GOOD[5], "source": "mes", "n": 2**53}, "n", "numbered"),
        ({**GOOD[5], "source": "m e s", "n": 1}, "source", "no_name"),
        ({**GOOD[5], "epoch": "b"}, "n", "numbered"),
        ({**GOOD[4], "lot": "L"}, "of", "of_or_lot"),
        ({"type": "lot", "lot": "L", "unit": "kg"}, "factor", "lot_factor"),
    ],
)
def test_what_is_wrong_is_named_by_its_key_and_has_a_code(
    told: dict[str, object], key: str, code: str
) -> None:
    """What is no event at all by its types has none."""
    with pytest.raises(BadData, match=rf"\b{key}\b") as refused:
        read(**told)
    fault = events.fault_of(0, refused.value)
    assert (fault.key, fault.reason and fault.reason.code) == ((key, code) if code else ("", None))


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"weight": "0.50"}, True),
        ({"t": "2026-11-18T16:00:00+08:00"}, True),
        ({"weight": "0.51"}, False),
        ({"product": "y"}, False),
        ({"node": "q"}, False),
    ],
)
def test_two_events_are_compared_by_what_they_mean(other: dict[str, str], same: bool) -> None:
    one, two = read(**GOOD[0]), read(**{**GOOD[0], **other})
    assert events.same(one, two) is same


def test_a_heartbeat_is_told_from_an_event() -> None:
    beat = events.read_message(b'{"source": "mes", "n": 3, "heartbeat": 17}')
    assert beat == Heartbeat("mes", 3, 17)
