"""What people and papers state: taken whole, once, and taken back with a reason."""

import msgspec
import pytest

from ingestor.events import Refused
from ingestor.intake import Placed, Post
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.journal import verify_chain

MANUAL = {"id": "r1", "type": "manual", "t": "2026-11-18T08:00:00Z", "meter": "m-gas"} | {
    "register": "48211.40",
    "by": "Li Wei",
}
BILL = {
    "id": "b1",
    "type": "bill",
    "from": "2026-10-01T00:00:00+08:00",
    "to": "2026-11-01T00:00:00+08:00",
    "source": "grid",
    "quantity": "48211",
    "unit": "kWh",
    "document": "INV-7",
}
CORRECTION = {
    "id": "c1",
    "type": "correction",
    "from": "2026-11-17T00:00:00Z",
    "to": "2026-11-17T01:00:00Z",
    "meter": "m-press-1",
    "reason": "a clamp was open",
}


@pytest.fixture(autouse=True)
def trusted(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))


def state(cloud: Cloud, *told: dict[str, str], dry_run: bool = False) -> list[Placed]:
    documents = tuple(msgspec.json.encode(each) for each in told)
    [result] = cloud.intake.take([Post("s1", "statement", documents, dry_run)]).results
    if isinstance(result, Exception):
        raise result
    return result


def test_each_is_marked_as_what_it_is(cloud: Cloud) -> None:
    void = {"id": "v1", "type": "void", "of": "r1", "reason": "read from the wrong meter"}
    placed = state(cloud, MANUAL, BILL, CORRECTION, void)
    assert [each.offset for each in placed] == [2, 3, 4, 5]
    kinds = [(record.kind, record.key) for record in cloud.journal.walk("s1", 1)]
    assert kinds == [
        ("reading", "r1"),
        ("reading", "b1"),
        ("correction", "c1"),
        ("correction", "v1"),
    ]
    again = cloud.again()  # a restart reads corrections of people beside those of streams
    try:
        assert again.intake.standings["s1"].offset == 5
        verify_chain(again.journal.walk("s1"))
    finally:
        again.close()


def test_the_same_again_is_known_whatever_its_spelling(cloud: Cloud) -> None:
    [first] = state(cloud, MANUAL)
    [again] = state(cloud, MANUAL | {"t": "2026-11-18T16:00:00+08:00", "register": "48211.4"})
    assert (again.new, again.offset) == (False, first.offset)
    with pytest.raises(Refused, match="said something else") as told:
        state(cloud, MANUAL | {"register": "48211.5"})
    assert told.value.faults[0].conflict is not None
    with pytest.raises(Refused, match="said something else"):
        state(cloud, CORRECTION | {"id": "r1"})


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (MANUAL | {"type": "guess"}, "type: is one of manual, delivery"),
        (MANUAL | {"t": "2026-11-18 08:00"}, "t: is an instant with zone"),
        (MANUAL | {"t": "2199-01-01T00:00:00Z"}, "t: is more than a day in the future"),
        (MANUAL | {"t": "0226-11-18T08:00:00Z"}, "t: is before the year 2000"),
        (BILL | {"from": "1926-11-01T00:00:00Z"}, "from: is before the year 2000"),
        (MANUAL | {"register": "-1"}, "register: is a decimal string from 0 up"),
        (MANUAL | {"unit": "furlong"}, "unit: is one of"),
        (MANUAL | {"document": "x"}, "document: does not belong to a manual statement"),
        (MANUAL | {"id": "a/b"}, "id: is letters, digits"),
        (BILL | {"to": BILL["from"]}, "to: is after from"),
        ({key: BILL[key] for key in BILL if key != "document"}, "document: is missing in a bill"),
        ({key: CORRECTION[key] for key in CORRECTION if key != "reason"}, "reason: is missing"),
        ({"id": "v", "type": "void", "of": "r9", "reason": "?"}, "'r9' is no statement"),
        ({"id": "v", "type": "manual", "colour": "red"}, "colour"),
    ],
)
def test_what_it_lacks_is_named_and_nothing_is_taken(
    cloud: Cloud, told: dict[str, str], says: str
) -> None:
    with pytest.raises(Refused, match=says) as refused:
        state(cloud, MANUAL, told)
    assert [fault.at for fault in refused.value.faults] == [1]
    assert cloud.journal.head("s1")[0] == 1


def test_a_dry_run_takes_nothing(cloud: Cloud) -> None:
    void = {"id": "v1", "type": "void", "of": "r1", "reason": "a test"}
    assert [each.new for each in state(cloud, MANUAL, void, dry_run=True)] == [True, True]
    assert cloud.journal.head("s1")[0] == 1
