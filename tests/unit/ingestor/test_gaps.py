"""Numbers that will never come: their gateway's signed word takes their place, and nothing waits."""

import msgspec
import pytest

from ingestor.verify import verify
from tests.unit.ingestor.conftest import Cloud, receipt_in
from tests.unit.ingestor.gateway import NOW_MS, Gateway
from wire.errors import BadData
from wire.journal import Entry, open_writer
from wire.messages import ResendRequest
from wire.segment import Place
from wire.segment.gap import Gap, read_gap, seal_gap


def asked(taken) -> list[tuple[int, int]]:
    requests = [s.payload for s in taken.sayings if s.topic.endswith("/req")]
    told = [msgspec.json.decode(each, type=ResendRequest) for each in requests]
    return [(each.from_, each.to) for each in told]


def verified(cloud: Cloud) -> str:
    return verify(cloud.journal, "s1").problem


def lost(cloud: Cloud) -> list[tuple[int, int]]:
    stream = cloud.intake.standings["s1"].streams["gw-1/aa"]
    return [(each.first, each.last) for each in stream.lost]


def test_a_gap_record_takes_the_place_of_lost_segments_and_the_stream_goes_on(
    cloud: Cloud, gateway: Gateway
) -> None:
    sealed = [gateway.seal() for _ in range(6)]
    taken = cloud.send(gateway, sealed[0], *sealed[3:])
    assert receipt_in(taken).upto == 1
    assert asked(taken) == [(2, 3)]
    receipt = receipt_in(cloud.send(gateway, gateway.gap(2, 3)))
    assert (receipt.upto, receipt.head, receipt.gaps) == (6, gateway.hashes[5], [])
    assert cloud.segments() == [sealed[0], *sealed[3:]]
    (record,) = cloud.journal.of_kind("s1", "gap")
    assert record.key == "gw-1/aa/2"
    assert read_gap(record.data).why == "it rotted"
    assert lost(cloud) == [(2, 3)]
    assert cloud.intake.counts["s1", "lost"] == 2
    assert verified(cloud) == ""
    again = cloud.again()
    assert lost(again) == [(2, 3)]
    assert again.intake.standings["s1"].streams == cloud.intake.standings["s1"].streams
    again.close()


def test_a_journal_that_was_lost_goes_on_behind_everything_the_gateway_no_longer_has(
    cloud: Cloud, gateway: Gateway
) -> None:
    sealed = [gateway.seal() for _ in range(50)]
    taken = cloud.send(gateway, sealed[49])
    assert asked(taken) == [(1, 49)]
    taken = cloud.send(gateway, gateway.gap(1, 40), *sealed[40:49])
    assert receipt_in(taken).upto == 50
    assert lost(cloud) == [(1, 40)]
    assert verified(cloud) == ""


def test_what_was_asked_for_and_came_is_followed_by_the_next_request_at_once(
    cloud: Cloud, gateway: Gateway
) -> None:
    sealed = [gateway.seal() for _ in range(2010)]
    assert asked(cloud.send(gateway, sealed[-1])) == [(1, 1000)]
    assert asked(cloud.send(gateway, *sealed[:500])) == [], "the rest is on its way"
    assert asked(cloud.send(gateway, *sealed[500:1000])) == [(1001, 2000)]
    assert asked(cloud.send(gateway, gateway.gap(1001, 1500))) == []


def test_words_of_gaps_that_come_twice_late_or_early_change_nothing(
    cloud: Cloud, gateway: Gateway
) -> None:
    sealed = [gateway.seal() for _ in range(9)]
    cloud.send(gateway, *sealed[:3], gateway.gap(2, 3))
    assert lost(cloud) == []
    early = gateway.gap(6, 7)
    assert receipt_in(cloud.send(gateway, early)).upto == 3
    cloud.send(gateway, *sealed[3:5], early, early)
    cloud.send(gateway, early, sealed[7])
    assert lost(cloud) == [(6, 7)]
    assert len(cloud.journal.of_kind("s1", "gap")) == 1
    # What overlaps counts from where the stream stands.
    cloud.send(gateway, gateway.gap(8, 9))
    assert lost(cloud) == [(6, 7), (9, 9)]
    assert cloud.quarantine.count() == 0
    assert verified(cloud) == ""


def test_a_segment_that_was_called_lost_is_taken_if_its_successor_names_it(
    cloud: Cloud, gateway: Gateway
) -> None:
    """A broker may bring it after the gateway has looked for it in vain."""
    sealed = [gateway.seal() for _ in range(6)]
    cloud.send(gateway, sealed[0], gateway.gap(2, 4), sealed[4])
    cloud.send(gateway, sealed[1])
    assert cloud.quarantine.count() == 1, "nothing shows that it is the one"
    cloud.send(gateway, sealed[3])
    assert lost(cloud) == [(2, 3)]
    cloud.send(gateway, sealed[2], sealed[1], sealed[5])
    assert lost(cloud) == []
    assert cloud.segments() == [sealed[n] for n in (0, 4, 3, 2, 1, 5)]
    assert verified(cloud) == ""
    again = cloud.again()
    assert again.intake.standings["s1"].streams == cloud.intake.standings["s1"].streams
    again.close()


def test_a_gap_that_does_not_fit_what_follows_is_a_fork_of_what_follows(
    cloud: Cloud, gateway: Gateway
) -> None:
    sealed = [gateway.seal() for _ in range(3)]
    cloud.send(gateway, sealed[0], gateway.gap(2, 2, head="e" * 64), sealed[2])
    assert cloud.segments() == [sealed[0]]
    (item,) = cloud.quarantine.items()
    assert "fork" in item.reason


@pytest.mark.parametrize(
    ("gap", "says"),
    [
        (Gap(1, "a" * 64, ""), "cannot be"),
        (Gap(2, "A" * 64, ""), "cannot be"),
        (Gap(1 << 63, "a" * 64, ""), "cannot be"),
        (Gap(2, "a" * 64, "x" * 201), "200 characters"),
    ],
)
def test_a_gap_that_cannot_be_is_refused(
    cloud: Cloud, gateway: Gateway, gap: Gap, says: str
) -> None:
    place = Place("s1", "gw-1", "aa", 2, "", "boot", "")
    data = seal_gap(place, gap, gateway.t_ms, gateway.key)
    with pytest.raises(BadData, match=says):
        read_gap(data)
    cloud.send(gateway, gateway.seal(), data)
    assert cloud.quarantine.count() == 1


def test_a_gap_is_believed_of_nobody_but_its_gateway(
    cloud: Cloud, gateway: Gateway, tmp_path
) -> None:
    stranger = Gateway.new(tmp_path, "gw-2")
    sealed = gateway.seal()
    gateway.seal()
    word = stranger.copy()
    word.name, word.hashes = "gw-1", gateway.hashes
    cloud.send(gateway, sealed, word.gap(2, 2))
    assert receipt_in(cloud.send(gateway, sealed)).upto == 1
    assert cloud.quarantine.count() == 1
    with pytest.raises(BadData, match="no gap record"):
        read_gap(sealed)


def test_verify_names_a_gap_record_that_does_not_stand_where_it_should(
    cloud: Cloud, gateway: Gateway, tmp_path
) -> None:
    cloud.send(gateway, gateway.seal())
    stranger = Gateway.new(tmp_path, "gw-9", stream="aa")
    for n in range(4):
        gateway.seal()
        stranger.hashes.append(gateway.hashes[n])
    wrong = [
        ("gw-1/aa/3", gateway.gap(3, 3), "its key is"),
        ("gw-1/aa/2", gateway.gap(3, 3), "from 3 to 3"),
        ("gw-1/aa/2", stranger.gap(2, 2), "is not known"),
        ("gw-1/aa/2", gateway.gap(1, 2).replace(b"rotted", b"melted"), "hash in its header"),
    ]
    for n, (key, data, says) in enumerate(wrong):
        path = tmp_path / f"{n}.db"
        journal = open_writer(path, lambda: NOW_MS)
        for record in cloud.journal.walk("s1"):
            journal.append("s1", [Entry(record.kind, record.key, record.data)])
        journal.append("s1", [Entry("gap", key, data)])
        found = verify(journal, "s1")
        assert found.last == 2
        assert says in found.problem
        journal.close()
