"""Refused, forked and half-written: nothing is lost, and nothing is silently neither here nor there."""

import base64
import hashlib
import struct
import zlib
from contextlib import closing

import msgspec
import pytest

from ingestor import replay
from ingestor.events import Conflict, Refused
from ingestor.intake import Packet
from tests.unit.ingestor.conftest import Cloud, receipt_in
from tests.unit.ingestor.gateway import NOW_MS, Gateway
from wire.errors import BadData, TransientError
from wire.journal import open_reader, verify_chain
from wire.messages import MeterEvent, Sample
from wire.reasons import because
from wire.segment import MAX_SEGMENT

DAY_MS = 86_400_000


def resealed(data: bytes, gateway: Gateway, change: object = None, body: bytes = b"") -> bytes:
    """The segment with another layout or body, sealed as its gateway would."""
    line, _, old = data.split(b"\n", 2)
    if callable(change):
        plain = zlib.decompress(old)
        (length,) = struct.unpack_from("<I", plain)
        text = change(plain[4 : 4 + length])
        body = zlib.compress(struct.pack("<I", len(text)) + text + plain[4 + length :])
    header = {**msgspec.json.decode(line), "body": hashlib.sha256(body).hexdigest()}
    line = msgspec.json.encode(header)
    signature = base64.b64encode(gateway.key.sign(b"wattprint segment 1\n" + line))
    sealed = b"\n".join((line, signature, body))
    gateway.prev = gateway.hashes[-1] = hashlib.sha256(sealed).hexdigest()
    return sealed


def future(gateway: Gateway) -> bytes:
    return gateway.seal([Sample("m-1", NOW_MS + 2 * DAY_MS, {"active_power": (1, 0)})])


def disk(cloud: Cloud, database: str, full: bool) -> None:
    """A full disk for one of the two files."""
    db = getattr(cloud, database)._db
    pages = db.execute("PRAGMA page_count").fetchone()[0] if full else 1_000_000
    db.execute(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize(
    ("change", "body", "why"),
    [
        (lambda text: text.replace(b"active_power", b"passive_thing"), b"", "unknown quantity"),
        (lambda text: text.replace(b"m-1", b"m-\xff"), b"", "layout"),
        (lambda _: b"[" * 100_000, b"", "layout"),
        (None, b"not compressed", "decompressed"),
        (None, zlib.compress(bytes(65 * 1024 * 1024)), "size limit"),
        (None, b"x" * MAX_SEGMENT, "over the limit"),
    ],
    ids=["quantity", "text", "nesting", "body", "unfolded", "size"],
)
def test_a_signed_segment_that_cannot_be_opened_is_refused_and_its_stream_goes_on(
    cloud: Cloud, gateway: Gateway, change: object, body: bytes, why: str
) -> None:
    first = gateway.seal()
    strange = resealed(gateway.seal(), gateway, change, body)
    third = gateway.seal()
    receipt = receipt_in(cloud.send(gateway, first, strange, third))
    assert receipt.upto == 3
    assert [refusal.seq for refusal in receipt.refused] == [2]
    assert why in receipt.refused[0].reason
    assert [record.key for record in cloud.journal.of_kind("s1", "correction")] == ["gw-1/aa/2"]
    (kept,) = cloud.quarantine.items()
    assert kept.data == (strange if len(strange) <= MAX_SEGMENT else strange[: 64 * 1024])
    assert cloud.segments() == [first, third]


def test_a_body_torn_on_its_way_is_not_held_against_its_number(
    cloud: Cloud, gateway: Gateway
) -> None:
    data = gateway.seal()
    assert cloud.send(gateway, data[:-1] + bytes([data[-1] ^ 1])).sayings == []
    assert receipt_in(cloud.send(gateway, data)).refused == []
    assert cloud.segments() == [data]


def test_a_reason_is_short_because_every_receipt_repeats_it(cloud: Cloud, gateway: Gateway) -> None:
    name = "m" * 100_000
    receipt = receipt_in(
        cloud.send(gateway, gateway.seal([Sample(name, NOW_MS, {"flow": (1, 0)})]))
    )
    assert len(receipt.refused[0].reason) <= 200


@pytest.mark.parametrize(
    "event",
    [
        MeterEvent("m", NOW_MS, "swap\nreading,site=s2,meter=m-9 active_power=1"),
        MeterEvent("m", NOW_MS, "reset", {"quantity": "active_power x"}),
        MeterEvent("m", NOW_MS, ""),
    ],
)
def test_an_event_no_agent_tells_is_refused(
    cloud: Cloud, gateway: Gateway, event: MeterEvent
) -> None:
    receipt = receipt_in(cloud.send(gateway, gateway.seal(events=[event])))
    assert [refusal.seq for refusal in receipt.refused] == [1]
    assert receipt.refused[0].reason.startswith("meter event '")
    assert cloud.segments() == []


def test_a_refused_segment_sent_again_stays_in_quarantine(cloud: Cloud, gateway: Gateway) -> None:
    wrong = future(gateway)
    cloud.send(gateway, wrong)
    [item] = cloud.quarantine.items()
    cloud.quarantine.remove(item.id)
    receipt = receipt_in(cloud.send(gateway, wrong))
    assert [refusal.seq for refusal in receipt.refused] == [1]
    [item] = cloud.quarantine.items()
    assert item.data == wrong
    with closing(open_reader(cloud.directory / "journal.db")) as journal:
        assert not replay.in_journal(journal, item)


def test_what_was_refused_is_taken_once_nothing_speaks_against_it(
    cloud: Cloud, gateway: Gateway
) -> None:
    first, wrong, third = gateway.seal(), future(gateway), gateway.seal()
    cloud.send(gateway, first, wrong, third)
    cloud.clock[0] += 2 * DAY_MS
    receipt = receipt_in(cloud.send(gateway, wrong, wrong))
    assert (receipt.upto, receipt.head, receipt.refused) == (3, gateway.hashes[2], [])
    assert cloud.segments() == [first, third, wrong]
    assert len(cloud.journal.of_kind("s1", "correction")) == 1
    verify_chain(cloud.journal.walk("s1"))
    [item] = cloud.quarantine.items()
    with closing(open_reader(cloud.directory / "journal.db")) as journal:
        assert replay.in_journal(journal, item)
    before = msgspec.to_builtins(cloud.intake.standings["s1"])
    cloud = cloud.again()
    assert msgspec.to_builtins(cloud.intake.standings["s1"]) == before
    fourth = gateway.seal()
    assert receipt_in(cloud.send(gateway, wrong, fourth)).upto == 4
    assert cloud.segments() == [first, third, wrong, fourth]
    cloud.close()


def test_other_bytes_never_take_a_refused_place(cloud: Cloud, gateway: Gateway) -> None:
    clone = gateway.copy()
    cloud.send(gateway, future(gateway))
    receipt = receipt_in(cloud.send(gateway, clone.seal()))
    assert [refusal.seq for refusal in receipt.refused] == [1]
    assert cloud.segments() == []
    assert "fork" in cloud.quarantine.items()[1].reason


def test_a_clock_behind_the_journal_calls_nothing_future(cloud: Cloud, gateway: Gateway) -> None:
    sent = [gateway.seal(), gateway.seal()]
    cloud.send(gateway, sent[0])
    cloud.clock[0] = 1000
    assert receipt_in(cloud.send(gateway, sent[1])).refused == []
    assert cloud.segments() == sent
    # Nor do records of that false time make it credible.
    third = gateway.seal()
    assert receipt_in(cloud.send(gateway, third)).refused == []
    event = {"id": "e1", "t": "2026-11-18T08:00:00Z", "type": "void", "of": "e0"}
    assert cloud.post(msgspec.json.encode(event))[0].new


def test_what_is_ahead_in_a_forked_stream_is_kept_too(cloud: Cloud, gateway: Gateway) -> None:
    first = gateway.seal()
    clone = gateway.copy()
    cloud.send(gateway, first, gateway.seal())
    other = [clone.seal(meters=3) for _ in range(5)]
    cloud.send(gateway, other[2])  # held: number 3 is missing, nothing is known of a fork
    assert cloud.quarantine.count() == 0
    cloud.send(gateway, other[0])
    cloud.send(gateway, other[3], other[4])
    kept = {item.data for item in cloud.quarantine.items()}
    assert kept == {other[0], other[2], other[3], other[4]}


def test_what_is_ahead_in_a_forked_stream_still_has_its_turn(
    cloud: Cloud, gateway: Gateway
) -> None:
    first = gateway.seal()
    clone = gateway.copy()
    sent = [gateway.seal() for _ in range(3)]
    cloud.send(gateway, first, sent[0], clone.seal(meters=3), sent[2])
    assert receipt_in(cloud.send(gateway, sent[1])).upto == 4
    assert cloud.segments() == [first, *sent]
    with closing(open_reader(cloud.directory / "journal.db")) as journal:
        found = [replay.in_journal(journal, item) for item in cloud.quarantine.items()]
    assert found == [False, True]


def test_a_group_reaches_quarantine_before_the_journal(cloud: Cloud, gateway: Gateway) -> None:
    poison, good = Packet(gateway.topic, b"x" * 10_000), Packet(gateway.topic, gateway.seal())
    disk(cloud, "quarantine", full=True)
    with pytest.raises(TransientError, match="quarantine"):
        cloud.intake.take([poison, good])
    assert cloud.segments() == []
    disk(cloud, "quarantine", full=False)
    disk(cloud, "journal", full=True)
    big = Packet(gateway.topic, gateway.seal(meters=3000))
    with pytest.raises(TransientError, match="journal"):
        cloud.intake.take([poison, good, big])
    assert [item.data for item in cloud.quarantine.items()] == [poison.data]
    disk(cloud, "journal", full=False)
    cloud.intake.take([poison, good, big])
    assert cloud.segments() == [good.data, big.data]


def event(n: int, id_: str = "", **others: object) -> bytes:
    told = {"id": id_ or f"e{n}", "t": "2026-11-18T08:00:00Z", "type": "void", "of": "e0"}
    return msgspec.json.encode({**told, "source": "mes", "n": n, **others})


def test_a_known_event_under_a_new_number_counts_for_it(cloud: Cloud, gateway: Gateway) -> None:
    cloud.post(event(1), event(3))
    assert [placed.new for placed in cloud.post(event(2, "e1"), event(2, "e1"))] == [False, False]
    assert not cloud.post(event(2, "e1"))[0].new
    assert cloud.intake.standings["s1"].sources["mes"].upto == 3
    cloud = cloud.again()
    assert cloud.intake.standings["s1"].sources["mes"].upto == 3
    assert not cloud.post(event(2, "e1"))[0].new
    assert len(cloud.journal.of_kind("s1", "event")) == 2
    assert [r.key for r in cloud.journal.of_kind("s1", "correction")] == ["mes/2"]
    cloud.close()


@pytest.mark.parametrize("documents", [(event(2, "other"),), (event(2, "e1"),)])
def test_a_number_under_another_id_is_a_conflict(
    cloud: Cloud, gateway: Gateway, documents: tuple[bytes, ...]
) -> None:
    cloud.post(event(1), event(2))
    with pytest.raises(Refused, match="number 2 of mes is another event's") as told:
        cloud.post(*documents)
    [fault] = told.value.faults
    assert (fault.key, fault.reason) == ("n", because("other_number", n="2", sender="mes"))
    taken = cloud.intake.take([Packet("wp/v1/s1/event", documents[0])])
    assert isinstance(taken.results[0], Conflict)
    [item] = cloud.quarantine.items()
    assert item.times == 2
    assert len(cloud.journal.of_kind("s1", "event")) == 2


def test_a_list_with_one_number_twice_adds_nothing(cloud: Cloud, gateway: Gateway) -> None:
    with pytest.raises(Refused):
        cloud.post(event(1), event(2), event(2, "other"))
    assert cloud.journal.of_kind("s1", "event") == []
    assert cloud.post(event(1), event(2))[1].new
    with pytest.raises(BadData):
        cloud.post(event(3), event(3, type="state"))
    assert cloud.intake.standings["s1"].sources["mes"].upto == 2
