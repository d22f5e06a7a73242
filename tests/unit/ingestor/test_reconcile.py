"""Journal and database compared hour by hour, and made equal again."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from ingestor import sinks
from ingestor.reconcile import HOUR_MS, Difference, compare, repair, segments_of
from ingestor.sinks import Sink, influxdb
from tests.integration import servers
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from wire.messages import Sample

HOUR = 1_795_000_000_000 // HOUR_MS * HOUR_MS


@pytest.fixture(params=["embedded", pytest.param("influxdb", marks=pytest.mark.influxdb)])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    if request.param == "embedded":
        made = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
        yield made
        made.close()
        return
    with servers.influxdb(tmp_path / "influx") as (_, url):
        made = sinks.configure({"kind": "influxdb", "url": url}, "t", "s").open(tmp_path)
        made.prepare()
        yield made
        made.close()


def fill(cloud: Cloud, *gateways: Gateway) -> int:
    """Two hours of two meters a gateway, a segment a quarter of an hour; the journal's head."""
    for gateway in gateways:
        for quarter in range(8):
            samples = [
                Sample(
                    f"{gateway.name}-{m}",
                    HOUR + 900_000 * quarter + 60_000 * minute,
                    {"active_energy_import": (10**6 + 100 * quarter + minute, -3)},
                )
                for minute in range(15)
                for m in range(2)
            ]
            cloud.send(gateway, gateway.seal(samples))
    return cloud.journal.head("s1")[0]


def project(cloud: Cloud, sink: Sink, without: range = range(0)) -> None:
    records = cloud.journal.read("s1", 0, 1000)
    sink.write([pair for pair in segments_of(records) if pair[0] not in without])


def differences(cloud: Cloud, sink: Sink, upto: int) -> list[tuple[str, int, int, int]]:
    return [
        (each.meter, (each.hour_ms - HOUR) // HOUR_MS, each.journal, each.sink)
        for each in compare(cloud.journal, sink, "s1", upto).differences
    ]


def test_what_was_projected_whole_differs_in_nothing(
    cloud: Cloud, gateway: Gateway, sink: Sink
) -> None:
    head = fill(cloud, gateway)
    project(cloud, sink)
    found = compare(cloud.journal, sink, "s1", head)
    assert asdict(found) == {
        "site": "s1",
        "offset": head,
        "from_ms": HOUR,
        "to_ms": HOUR + 2 * HOUR_MS,
        "readings": 240,
        "differences": [],
    }


def test_what_is_missing_is_named_with_its_stream_and_repaired(
    cloud: Cloud, gateway: Gateway, sink: Sink
) -> None:
    other = Gateway.new(cloud.directory, "gw-2")
    cloud.trust(other)
    head = fill(cloud, gateway, other)
    project(cloud, sink, without=range(head - 1, head))
    found = compare(cloud.journal, sink, "s1", head).differences
    assert [(d.meter, d.streams, d.journal, d.sink) for d in found] == [
        ("gw-2-0", ["gw-2/aa"], 60, 45),
        ("gw-2-1", ["gw-2/aa"], 60, 45),
    ]
    repair(cloud.journal, sink, "s1", found)
    assert differences(cloud, sink, head) == []


@pytest.mark.influxdb
def test_a_changed_value_an_invented_one_and_a_stranger_are_seen_and_repaired(
    cloud: Cloud, gateway: Gateway, tmp_path: Path
) -> None:
    head = fill(cloud, gateway)
    with servers.influxdb(tmp_path / "influx") as (_, url):
        sink = influxdb.open_sink(influxdb.Settings(url), tmp_path)
        sink.prepare()
        project(cloud, sink)
        line = "reading,site=s1,meter={},carrier=electricity active_energy_import={} {}\n"
        for told in (
            ("gw-1-0", 1000.008, HOUR + 60_000 * 7),  # it was 1000.007
            ("gw-1-1", 1000.2, HOUR + HOUR_MS + 30_000),
            ("ghost", 1.5, HOUR + 1),
        ):
            sink.write_lines(line.format(*told).encode())
        assert differences(cloud, sink, head) == [
            ("ghost", 0, 0, 1),
            ("gw-1-0", 0, 60, 60),
            ("gw-1-1", 1, 60, 61),
        ]
        found = compare(cloud.journal, sink, "s1", head).differences
        assert [d.journal_hash == d.sink_hash for d in found] == [False] * 3
        repair(cloud.journal, sink, "s1", found)
        assert differences(cloud, sink, head) == []
        sink.close()


def test_an_hour_that_is_still_being_filled_is_left_for_later(
    cloud: Cloud, gateway: Gateway, sink: Sink
) -> None:
    head = fill(cloud, gateway)
    project(cloud, sink, without=range(head, head + 1))
    # The last segment is one the sink was not given yet: only the first hour is compared.
    assert differences(cloud, sink, head - 1) == []
    assert [each[1] for each in differences(cloud, sink, head)] == [1, 1]


def test_what_a_retention_took_is_not_looked_for(
    cloud: Cloud, gateway: Gateway, sink: Sink
) -> None:
    head = fill(cloud, gateway)
    project(cloud, sink, without=range(head - 3))
    assert len(compare(cloud.journal, sink, "s1", head).differences) == 2
    assert compare(cloud.journal, sink, "s1", head, HOUR + HOUR_MS).differences == []


@pytest.mark.parametrize("order", [(5000, 4000), (4000, 5000)])
def test_of_two_values_at_one_time_a_sink_may_keep_either(
    cloud: Cloud, gateway: Gateway, sink: Sink, order: tuple[int, int]
) -> None:
    for wh in order:
        samples = [Sample("m", HOUR, {"active_energy_import": (wh, -3)})]
        cloud.send(gateway, gateway.seal(samples))
    head = cloud.journal.head("s1")[0]
    project(cloud, sink)
    assert compare(cloud.journal, sink, "s1", head).differences == []
    sink.forget("s1", "m", HOUR, HOUR + HOUR_MS)
    [difference] = compare(cloud.journal, sink, "s1", head).differences
    assert isinstance(difference, Difference)
    assert (difference.journal, difference.sink) == (1, 0)
