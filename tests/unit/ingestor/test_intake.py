"""What a segment or event does to journal, quarantine and receipts."""

import base64
import hashlib
import struct
import zlib

import msgspec
import pytest

from ingestor.events import Refused
from ingestor.intake import Packet
from tests.unit.ingestor.conftest import Cloud, receipt_in
from tests.unit.ingestor.gateway import NOW_MS, Gateway
from wire.errors import BadData, TransientError
from wire.journal import verify_chain
from wire.messages import Sample
from wire.segment.body import Contents, unfold
from wire.signing import SigningKey

DAY_MS = 86_400_000


def event(n: int, /, **others: object) -> bytes:
    told = {"id": f"e{n}", "t": "2026-11-18T08:00:00Z", "type": "start", "node": "press-1"}
    return msgspec.json.encode({**told, "batch": "B1", **others})


def test_segments_in_order_are_journalled_and_receipted(cloud: Cloud, gateway: Gateway) -> None:
    sent = [gateway.seal() for _ in range(3)]
    receipt = receipt_in(cloud.send(gateway, *sent))
    assert cloud.segments() == sent
    assert (receipt.upto, receipt.head, receipt.journal) == (3, gateway.hashes[2], 4)
    assert receipt.gaps == []
    assert receipt.refused == []
    verify_chain(cloud.journal.walk("s1"))


def test_a_duplicate_is_dropped_and_answered_with_the_current_receipt(
    cloud: Cloud, gateway: Gateway
) -> None:
    sent = [gateway.seal() for _ in range(3)]
    cloud.send(gateway, *sent)
    receipt = receipt_in(cloud.send(gateway, sent[0], sent[2]))
    assert receipt.upto == 3
    assert cloud.segments() == sent
    assert cloud.quarantine.count() == 0
    assert cloud.intake.counts["s1", "duplicates"] == 2


def test_the_same_segment_twice_in_one_group_is_one_record(cloud: Cloud, gateway: Gateway) -> None:
    data = gateway.seal()
    cloud.send(gateway, data, data)
    assert cloud.segments() == [data]


def test_a_fork_is_kept_apart_and_overwrites_nothing(cloud: Cloud, gateway: Gateway) -> None:
    first = gateway.seal()
    clone = gateway.copy()
    second, other = gateway.seal(), clone.seal(meters=3)
    cloud.send(gateway, first, second)
    receipt = receipt_in(cloud.send(gateway, other))
    assert cloud.segments() == [first, second]
    assert receipt.head == gateway.hashes[1] != clone.hashes[1]
    [item] = cloud.quarantine.items()
    assert item.data == other
    assert item.reason.startswith("fork: gw-1/aa/2")


def test_a_segment_that_does_not_follow_the_last_one_is_a_fork(
    cloud: Cloud, gateway: Gateway
) -> None:
    first = gateway.seal()
    clone = gateway.copy()
    clone.seal(meters=3)
    cloud.send(gateway, first, gateway.seal())
    cloud.send(gateway, clone.seal())
    assert len(cloud.segments()) == 2
    assert "fork" in cloud.quarantine.items()[0].reason


def test_segments_ahead_wait_for_the_gap_that_is_named_and_asked_for(
    cloud: Cloud, gateway: Gateway
) -> None:
    sent = [gateway.seal() for _ in range(5)]
    taken = cloud.send(gateway, sent[0], sent[3], sent[4])
    receipt = receipt_in(taken)
    assert (receipt.upto, receipt.gaps) == (1, [(2, 3)])
    [asked] = [saying for saying in taken.sayings if saying.topic == "wp/v1/s1/gw-1/req"]
    assert msgspec.json.decode(asked.payload) == {"stream": "aa", "from": 2, "to": 3}
    assert receipt_in(cloud.send(gateway, sent[2])).upto == 1
    receipt = receipt_in(cloud.send(gateway, sent[1]))
    assert (receipt.upto, receipt.gaps, receipt.head) == (5, [], gateway.hashes[4])
    assert cloud.segments() == sent


def test_what_is_far_ahead_is_not_held_for_ever(cloud: Cloud, gateway: Gateway) -> None:
    sent = [gateway.seal() for _ in range(100)]
    cloud.send(gateway, *sent[1:])
    receipt = receipt_in(cloud.send(gateway, sent[0]))
    assert (receipt.upto, receipt.gaps) == (65, [(66, 100)])
    assert receipt_in(cloud.send(gateway, *sent[65:])).upto == 100
    assert cloud.segments() == sent


def test_a_segment_from_the_future_is_refused_and_the_chain_goes_on(
    cloud: Cloud, gateway: Gateway
) -> None:
    first = gateway.seal()
    late = Sample("m-1", NOW_MS + 2 * DAY_MS, {"active_power": (1, 0)})
    wrong, third = gateway.seal([late]), gateway.seal()
    receipt = receipt_in(cloud.send(gateway, first, wrong))
    assert [refusal.seq for refusal in receipt.refused] == [2]
    assert "future" in receipt.refused[0].reason
    assert (receipt.upto, receipt.head) == (2, gateway.hashes[1])
    assert cloud.quarantine.items()[0].data == wrong
    cloud = cloud.again()
    receipt = receipt_in(cloud.send(gateway, third, wrong))
    assert (receipt.upto, [r.seq for r in receipt.refused]) == (3, [2])
    assert cloud.segments() == [first, third]
    cloud.close()


def test_a_bad_signature_counts_as_nothing(cloud: Cloud, gateway: Gateway) -> None:
    data = gateway.seal()
    line, signature, body = data.split(b"\n", 2)
    flipped = (b"B" if signature[:1] == b"A" else b"A") + signature[1:]
    taken = cloud.send(gateway, b"\n".join((line, flipped, body)))
    assert cloud.segments() == []
    assert taken.sayings == []
    assert "signature" in cloud.quarantine.items()[0].reason
    assert receipt_in(cloud.send(gateway, data)).upto == 1


def test_a_gateway_cannot_speak_on_anothers_topic(cloud: Cloud, gateway: Gateway) -> None:
    stranger = Gateway.new(cloud.directory, "gw-2")
    cloud.trust(stranger)
    cloud.send(gateway, gateway.seal(), topic=stranger.topic)
    assert cloud.segments() == []
    assert "came on" in cloud.quarantine.items()[0].reason


def test_a_gateway_cannot_sign_in_anothers_name(cloud: Cloud, gateway: Gateway) -> None:
    stranger = Gateway.new(cloud.directory, "gw-2")
    cloud.trust(stranger)
    stranger.name = "gw-1"
    cloud.send(gateway, stranger.seal())
    assert cloud.segments() == []
    assert "belongs to gw-2" in cloud.quarantine.items()[0].reason


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ({"revoked": True}, "revoked"),
        ({"until_ms": NOW_MS}, "not valid"),
        ({"from_ms": NOW_MS + DAY_MS}, "not valid"),
    ],
)
def test_a_key_counts_only_while_it_is_valid(
    cloud: Cloud, others: dict[str, object], why: str
) -> None:
    gateway = Gateway.new(cloud.directory, "gw-9")
    cloud.trust(gateway, **others)
    cloud.send(gateway, gateway.seal())
    assert cloud.segments() == []
    assert why in cloud.quarantine.items()[0].reason


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"{}\n\n", b"[" * 100_000, b"{}\nAAAA\nxx"])
def test_poison_is_kept_with_its_reason_and_stops_nobody(
    cloud: Cloud, gateway: Gateway, data: bytes
) -> None:
    good = gateway.seal()
    for topic in ("wp/v1/s1/gw-1/seg", "wp/v1/s1/event", "wp/v1/s1/gw-1/state"):
        cloud.intake.take([Packet(topic, data), Packet(gateway.topic, good)])
    assert cloud.segments() == [good]
    assert cloud.quarantine.count() == 3
    assert all(item.reason for item in cloud.quarantine.items())


def test_numbers_beyond_62_bits_are_refused_and_not_a_crash(cloud: Cloud, gateway: Gateway) -> None:
    data = gateway.seal()
    forged = with_jumps(data, 1 << 62, gateway.key)
    receipt = receipt_in(cloud.send(gateway, forged))
    assert "62 bits" in receipt.refused[0].reason
    assert cloud.segments() == []


def with_jumps(data: bytes, jump: int, key: SigningKey) -> bytes:
    """The segment with other jumps into each column, sealed as its gateway would."""
    line, _, inside = data.split(b"\n", 2)
    contents, packed = unfold(memoryview(inside), Contents)
    columns = sum(len(sheet.rows) * (1 + len(sheet.quantities)) for sheet in contents.sheets)
    planes = b"".join(bytes([byte]) * columns for byte in (2 * jump).to_bytes(8, "little"))
    after = packed[columns * contents.widths[0] :]
    text = msgspec.json.encode(msgspec.structs.replace(contents, widths=(8, *contents.widths[1:])))
    inside = zlib.compress(struct.pack("<I", len(text)) + text + planes + after)
    header = msgspec.json.decode(line)
    header["body"] = hashlib.sha256(inside).hexdigest()
    line = msgspec.json.encode(header)
    signature = base64.b64encode(key.sign(b"wattprint segment 1\n" + line))
    return b"\n".join((line, signature, inside))


def test_a_restart_finds_everything_as_it_was(cloud: Cloud, gateway: Gateway) -> None:
    cloud.send(gateway, *(gateway.seal() for _ in range(4)))
    cloud.post(event(1, source="mes", n=1), event(3, source="mes", n=3))
    before = msgspec.to_builtins(cloud.intake.standings["s1"])
    cloud = cloud.again()
    assert msgspec.to_builtins(cloud.intake.standings["s1"]) == before
    assert receipt_in(cloud.send(gateway, gateway.seal())).upto == 5
    cloud.close()


def test_a_full_disk_changes_nothing_and_the_same_group_can_come_again(
    cloud: Cloud, gateway: Gateway
) -> None:
    sent = [gateway.seal() for _ in range(50)]
    cloud.send(gateway, sent[0])
    before = msgspec.to_builtins(cloud.intake.standings["s1"])
    pages = cloud.journal._db.execute("PRAGMA page_count").fetchone()[0]
    cloud.journal._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(TransientError, match="full"):
        cloud.send(gateway, *sent)
    assert msgspec.to_builtins(cloud.intake.standings["s1"]) == before
    cloud.journal._db.execute("PRAGMA max_page_count = 1000000")
    assert receipt_in(cloud.send(gateway, *sent)).upto == 50
    assert cloud.segments() == sent


def test_an_event_is_journalled_once_whatever_its_spelling(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))
    [placed] = cloud.post(event(1, weight="1.0"))
    [again] = cloud.post(event(1, t="2026-11-18T16:00:00.000+08:00"))
    assert (placed.new, again.new) == (True, False)
    assert placed.offset == again.offset
    assert len(cloud.journal.of_kind("s1", "event")) == 1


def test_an_id_with_other_content_is_a_conflict_and_kept(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))
    cloud.post(event(1))
    with pytest.raises(Refused, match="said something else"):
        cloud.post(event(2), event(1, batch="B2"))
    assert [record.key for record in cloud.journal.of_kind("s1", "event")] == ["e1"]
    [item] = cloud.quarantine.items()
    assert b'"batch":"B2"' in item.data


def test_a_list_with_one_bad_event_adds_nothing(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))
    with pytest.raises(BadData, match="future"):
        cloud.post(event(1), event(2, t="2199-01-01T00:00:00Z"))
    assert cloud.journal.of_kind("s1", "event") == []


def test_event_receipts_are_contiguous_per_source(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))
    uptos = []
    for n in (1, 3, 4, 2, 2):
        packet = Packet("wp/v1/s1/event", event(n, source="mes", n=n))
        [said] = cloud.intake.take([packet]).sayings
        assert said.topic == "wp/v1/s1/event/rcpt/mes"
        uptos.append(msgspec.json.decode(said.payload)["upto"])
    assert uptos == [1, 1, 1, 4, 4]


def test_a_heartbeat_is_answered_and_journals_nothing(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))
    beat = msgspec.json.encode({"source": "mes", "n": 2, "heartbeat": NOW_MS})
    [said] = cloud.intake.take([Packet("wp/v1/s1/event", beat)]).sayings
    assert msgspec.json.decode(said.payload) == {"source": "mes", "upto": 0, "gaps": [[1, 2]]}
    assert cloud.intake.events.heartbeats["s1", "mes", None].n == 2
    assert cloud.journal.head("s1")[0] == 1


def test_a_model_in_force_is_not_repeated_but_may_return(cloud: Cloud) -> None:
    cloud.trust(Gateway.new(cloud.directory))
    placed = [cloud.post(text, kind="model")[0] for text in (b"a", b"a", b"b", b"a", b"a")]
    assert [each.new for each in placed] == [True, False, True, True, False]
    assert [each.offset for each in placed] == [2, 2, 3, 4, 4]
    assert placed[3].hash == placed[0].hash


def test_an_unknown_site_is_refused(cloud: Cloud) -> None:
    with pytest.raises(BadData, match="not configured"):
        cloud.post(event(1))
