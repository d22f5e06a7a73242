"""Numbers of event sources: restarts, refusals, dry runs; each source hears of its own."""

import msgspec
import pytest

from ingestor.events import Refused
from ingestor.intake import Packet, Post
from ingestor.receipts import Saying
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import NOW_MS, Gateway
from wire.messages import EventReceipt, Heartbeat

TOPIC = "wp/v1/s1/event"


def event(id_: str, **others: object) -> bytes:
    told = {"id": id_, "t": "2026-11-18T08:00:00Z", "type": "stop", "node": "press-1"}
    return msgspec.json.encode({**told, "batch": "B1", **others})


def tell(cloud: Cloud, **others: object) -> EventReceipt:
    """Publish an event of mes; its receipt."""
    number, epoch = others.get("n"), others.get("epoch", "")
    others.setdefault("id_", f"{epoch}-{number}")
    return receipt(cloud, event(source="mes", **others))  # type: ignore[arg-type]


def receipt(cloud: Cloud, data: bytes) -> EventReceipt:
    [said] = cloud.intake.take([Packet(TOPIC, data)]).sayings
    return read(said)


def read(said: Saying) -> EventReceipt:
    return msgspec.json.decode(said.payload, type=EventReceipt)


@pytest.fixture(autouse=True)
def trusted(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))


def test_a_restart_is_told_apart_from_a_fork_by_its_epoch(cloud: Cloud) -> None:
    assert tell(cloud, n=1).upto == 1
    assert tell(cloud, n=2).upto == 2
    fork = tell(cloud, n=1, id_="another")
    assert fork.upto == 2
    assert cloud.quarantine.items()[0].reason.endswith("names a new epoch")
    restarted = tell(cloud, n=1, epoch="2026-11-18")
    assert (restarted.epoch, restarted.upto, restarted.gaps) == ("2026-11-18", 1, [])
    assert len(cloud.journal.of_kind("s1", "event")) == 3
    assert tell(cloud, n=3).upto == 3  # the first run of numbers goes on as it was


def test_epochs_are_counted_again_from_the_journal(cloud: Cloud) -> None:
    tell(cloud, n=1)
    tell(cloud, n=1, epoch="b")
    tell(cloud, n=2, epoch="b")
    again = cloud.again()
    try:
        said = [read(each) for each in again.intake.greetings() if "event" in each.topic]
        # The newest comes last: it is what the broker retains.
        assert [(each.epoch, each.upto) for each in said] == [(None, 1), ("b", 2)]
    finally:
        again.close()


def test_each_source_has_a_topic_of_its_own(cloud: Cloud) -> None:
    packets = [Packet(TOPIC, event(f"e-{name}", source=name, n=1)) for name in ("mes", "scada")]
    topics = {said.topic for said in cloud.intake.take(packets).sayings}
    assert topics == {"wp/v1/s1/event/rcpt/mes", "wp/v1/s1/event/rcpt/scada"}


def test_on_a_sources_own_topic_nobody_speaks_as_another(cloud: Cloud) -> None:
    own = f"{TOPIC}/scada"
    told = receipt(cloud, event("e1", source="mes", n=1))
    false = [
        event("f1", source="mes", n=2),
        event("f2", source="mes", n=3, weight="-1"),
        msgspec.json.encode(Heartbeat("mes", 1, NOW_MS)),
    ]
    assert cloud.intake.take([Packet(own, data) for data in false]).sayings == []
    reasons = [item.reason for item in cloud.quarantine.items()]
    assert len(reasons) == 3
    assert sum("source: is mes on the topic of scada" in reason for reason in reasons) == 2
    assert cloud.intake.events.heartbeats == {}
    assert cloud.intake.events.receipt(("s1", "mes", None)) == told == EventReceipt("mes", 1)
    its_own = [event("g1", source="scada", n=1), event("g2")]  # not numbered: it counts as nobody's
    [said] = cloud.intake.take([Packet(own, data) for data in its_own]).sayings
    assert read(said) == EventReceipt("scada", 1)
    assert len(cloud.journal.of_kind("s1", "event")) == 3


@pytest.mark.parametrize("name", ["seg", "state", "rcpt", "req", "", "a b"])
def test_a_topic_that_is_no_sources_own_is_refused(cloud: Cloud, name: str) -> None:
    assert cloud.intake.take([Packet(f"{TOPIC}/{name}", event("e1"))]).sayings == []
    assert len(cloud.quarantine.items()) == 1
    assert cloud.journal.of_kind("s1", "event") == []


def test_a_sender_hears_which_number_was_refused_until_it_is_told_better(cloud: Cloud) -> None:
    tell(cloud, n=1)
    bad = tell(cloud, n=2, weight="-1", id_="x")
    assert [(each.n, each.id) for each in bad.refused] == [(2, "x")]
    assert "weight" in bad.refused[0].reason
    after = tell(cloud, n=3)
    assert (after.upto, after.gaps) == (1, [(2, 2)])
    better = tell(cloud, n=2, id_="y")
    assert (better.upto, better.gaps, better.refused) == (3, [], [])


def test_a_heartbeat_is_per_epoch(cloud: Cloud) -> None:
    tell(cloud, n=1, epoch="b")
    beat = {"source": "mes", "epoch": "b", "n": 3, "heartbeat": NOW_MS}
    assert receipt(cloud, msgspec.json.encode(beat)).gaps == [(2, 3)]


def test_every_fault_of_a_list_is_named_and_nothing_is_taken(cloud: Cloud) -> None:
    cloud.post(event("known"))
    before = cloud.journal.head("s1")
    documents = event("a"), event("b", t="noon"), event("known", batch="B9"), event("a", node="x")
    with pytest.raises(Refused) as told:
        cloud.post(*documents)
    faults = [(each.at, each.conflict is not None) for each in told.value.faults]
    assert faults == [(1, False), (2, True), (3, True)]
    codes = [(each.key, each.reason and each.reason.code) for each in told.value.faults]
    assert codes == [("t", "no_instant"), ("id", "told_before"), ("id", "told_before")]
    assert cloud.journal.head("s1") == before


def test_a_dry_run_says_what_would_be_and_leaves_no_trace(cloud: Cloud) -> None:
    cloud.post(event("known"))
    before = cloud.journal.head("s1")
    documents = event("known"), event("fresh", source="mes", n=5)
    taken = cloud.intake.take([Post("s1", "event", documents, dry_run=True)])
    assert taken.sayings == []
    assert [(placed.new, placed.offset) for placed in taken.results[0]] == [(False, 2), (True, 0)]  # type: ignore[union-attr]
    conflict = Post("s1", "event", (event("known", batch="B9"),), dry_run=True)
    assert isinstance(cloud.intake.take([conflict]).results[0], Refused)
    assert cloud.journal.head("s1") == before
    assert cloud.quarantine.items() == []


def beat(at_ms: int, n: int, **others: object) -> bytes:
    return msgspec.json.encode({"source": "mes", "n": n, "heartbeat": at_ms, **others})


def journaled(cloud: Cloud) -> list[tuple[str, int]]:
    records = cloud.journal.of_kind("s1", "heartbeat")
    return [(each.key, msgspec.json.decode(each.data)["heartbeat"]) for each in records]


MINUTE = NOW_MS // 60_000 * 60_000


def test_a_heartbeat_a_minute_is_journaled_once_all_it_counts_is_there(cloud: Cloud) -> None:
    receipt(cloud, beat(MINUTE + 1_000, 1))
    assert journaled(cloud) == []  # number 1 is missing
    tell(cloud, n=1)
    for second in (3, 5, 59, 61):
        receipt(cloud, beat(MINUTE + second * 1000, 1))
    told = [(f"mes/{MINUTE}", MINUTE + 3_000), (f"mes/{MINUTE + 60_000}", MINUTE + 61_000)]
    assert journaled(cloud) == told
    again = cloud.again()
    try:
        receipt(again, beat(MINUTE + 63_000, 1))
        receipt(again, beat(MINUTE + 121_000, 1, epoch="b"))
        assert journaled(again) == told  # known already, and of an epoch that is not there yet
        receipt(again, beat(MINUTE + 121_000, 0, epoch="b"))
        assert journaled(again)[-1] == (f"mes/b/{MINUTE + 120_000}", MINUTE + 121_000)
    finally:
        again.close()


def test_a_heartbeat_never_comes_before_the_events_of_its_group(cloud: Cloud) -> None:
    packets = [Packet(TOPIC, event("e1", source="mes", n=1)), Packet(TOPIC, beat(MINUTE, 1))]
    cloud.intake.take(packets)
    assert journaled(cloud) == []  # the next one will say the same
    cloud.intake.take([Packet(TOPIC, beat(MINUTE + 2_000, 1))])
    assert [kind.kind for kind in cloud.journal.walk("s1")][-2:] == ["event", "heartbeat"]


def test_a_heartbeat_over_http_is_journaled_and_one_of_next_week_is_not(cloud: Cloud) -> None:
    told = msgspec.json.decode(beat(MINUTE, 0), type=Heartbeat)
    assert cloud.intake.beat("s1", told).upto == 0
    assert journaled(cloud) == [(f"mes/{MINUTE}", MINUTE)]
    week = msgspec.structs.replace(told, heartbeat=MINUTE + 7 * 86_400_000)
    cloud.intake.beat("s1", week)
    assert len(journaled(cloud)) == 1


def test_a_clock_that_was_never_set_makes_no_event(cloud: Cloud) -> None:
    told = tell(cloud, n=1, t="1970-01-01T00:04:00Z")
    assert (told.upto, told.gaps) == (0, [])
    assert [each.reason for each in told.refused] == ["event '-1': t: is before the year 2000"]
    assert tell(cloud, n=1).upto == 1
