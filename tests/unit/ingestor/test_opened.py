"""Segments that need not be opened twice."""

from pathlib import Path

import msgspec

from ingestor.opened import Opened
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.journal import Record
from wire.segment import open_segment


def records_of(cloud: Cloud) -> list[Record]:
    return cloud.journal.of_kind("s1", "segment")


def without_data(record: Record) -> Record:
    """One that nothing can be opened from."""
    return msgspec.structs.replace(record, data=b"")


def test_a_follower_takes_what_was_opened_on_arrival(cloud: Cloud, gateway: Gateway) -> None:
    follower = Opened()
    cloud.intake._followers = [follower]
    sealed = [gateway.seal() for _ in range(3)]
    cloud.send(gateway, *sealed)
    taken = [follower.take(without_data(record)) for record in records_of(cloud)]
    assert [segment.hash for segment in taken] == gateway.hashes


def test_what_was_taken_or_never_put_is_opened_from_the_journal(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.send(gateway, gateway.seal(), gateway.seal())
    first, second = records_of(cloud)
    follower = Opened()
    follower.put(open_segment(first.data))
    for record in (first, first, second):
        assert follower.take(record).hash == record.hash


def test_only_so_many_readings_are_kept_and_the_first_of_them(
    cloud: Cloud, gateway: Gateway
) -> None:
    cloud.send(gateway, *(gateway.seal(meters=5) for _ in range(4)))  # 10 readings each
    records = records_of(cloud)
    follower = Opened(most_readings=25)
    for record in (records[0], *records):  # offered again after a failed append
        follower.put(open_segment(record.data))
    for record in records[:2]:
        follower.take(without_data(record))
    follower.put(open_segment(records[3].data))
    assert follower.take(without_data(records[3])).hash == records[3].hash
    assert follower.take(records[2]).hash == records[2].hash


def test_what_is_held_back_or_refused_is_not_handed_on(
    cloud: Cloud, gateway: Gateway, tmp_path: Path
) -> None:
    follower = Opened(most_readings=8)
    cloud.intake._followers = [follower]
    first, second, third = (gateway.seal() for _ in range(3))  # 4 readings each
    cloud.send(gateway, third)
    cloud.send(gateway, second)
    cloud.send(gateway, first)
    stranger = Gateway.new(tmp_path, "gw-2")
    cloud.send(stranger, stranger.seal())
    [opened, *others] = records_of(cloud)
    assert follower.take(without_data(opened)).hash == gateway.hashes[0]
    assert follower._readings == 0
    assert [follower.take(record).hash for record in others] == gateway.hashes[1:]
