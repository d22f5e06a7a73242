"""What every sink promises, checked on every file of the folder."""

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from ingestor import sinks
from ingestor.reconcile import columns_of
from ingestor.sinks import Column, joined
from ingestor.sinks.embedded import HOUR_MS, History, Series
from tests.integration import servers
from tests.unit.ingestor.gateway import Gateway
from wire.errors import ConfigError
from wire.messages import Sample
from wire.segment import Segment, open_segment

FILES = [info.name for info in pkgutil.iter_modules(sinks.__path__)]
HOUR_BEGIN = 1_795_000_000_000 // HOUR_MS * HOUR_MS


def sample_table(name: str) -> dict[str, object]:
    text = importlib.import_module(f"ingestor.sinks.{name}").__doc__ or ""
    [block] = re.findall(r"~~~toml\n(.*?)~~~", text, re.DOTALL)
    return tomllib.loads(block)


@pytest.fixture
def segments(tmp_path: Path) -> list[tuple[int, Segment]]:
    """An hour's end and the next one's beginning, several tables, one quality that differs."""
    gateway = Gateway.new(tmp_path)
    sealed = []
    for n in range(40):
        t_ms = HOUR_BEGIN + HOUR_MS + (n - 20) * 1000
        energy = {"active_energy_import": (10**9 + 7 * n, -3), "active_power": (4200 - n, -1)}
        samples = [Sample(f"m-{m}", t_ms + m, energy) for m in range(3)]
        samples.append(Sample("m-0", t_ms, {"voltage_l1": (2300 + n, -1)}))
        samples.append(
            Sample("m-s", t_ms, {"active_power": (n, 0)}, "suspect" if n % 2 else "good")
        )
        sealed.append((n + 1, open_segment(gateway.seal(samples))))
    return sealed


def test_the_folder_holds_sinks() -> None:
    assert {"archive", "embedded", "influxdb"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_the_sample_configuration_of_a_sink_loads(name: str, tmp_path: Path) -> None:
    table = sample_table(name)
    assert table["kind"] == name
    configured = sinks.configure(table, "ingestor.toml", "sinks[0]")
    if name == "embedded":
        configured.open(tmp_path).close()


@pytest.mark.parametrize("name", FILES)
def test_a_sink_refuses_keys_it_does_not_know(name: str) -> None:
    with pytest.raises(
        ConfigError, match=r"^ingestor.toml: sinks\[0\]\.colour: is not a known key"
    ):
        sinks.configure({**sample_table(name), "colour": "red"}, "ingestor.toml", "sinks[0]")


def test_a_sink_that_is_not_there_is_named() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^ingestor.toml: sinks\[0\]\.kind: .* 'oracle'; known: archive, embedded, influxdb;",
    ):
        sinks.configure({"kind": "oracle"}, "ingestor.toml", "sinks[0]")


@pytest.fixture(
    params=[
        "embedded",
        "archive csv",
        "archive parquet",
        pytest.param("influxdb", marks=pytest.mark.influxdb),
        pytest.param("victoria v1", marks=pytest.mark.victoria),
        pytest.param("victoria v2", marks=pytest.mark.victoria),
    ]
)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sinks.Sink]:
    product, _, api = request.param.partition(" ")
    if product == "embedded":
        yield from opened(tmp_path, kind="embedded")
    elif product == "archive":
        if api == "parquet":
            pytest.importorskip("pyarrow")
        yield from opened(tmp_path, kind="archive", directory=str(tmp_path / "files"), form=api)
    elif product == "influxdb":
        with servers.influxdb(tmp_path / "influx") as (_, url):
            yield from opened(tmp_path, kind="influxdb", url=url)
    else:
        with servers.victoria_metrics(tmp_path / "victoria") as (_, url):
            yield from opened(tmp_path, kind="influxdb", url=url, api=api, org="any")


def opened(own: Path, **table: object) -> Iterator[sinks.Sink]:
    made = sinks.configure(table, "t", "s").open(own)
    made.prepare()
    yield made
    made.close()


def test_written_twice_in_any_grouping_is_there_once_and_as_it_was_read(
    sink: sinks.Sink, segments: list[tuple[int, Segment]]
) -> None:
    assert sink.write(segments[:25]) == []
    for each in reversed(segments):
        assert sink.write([each]) == []
    assert sink.write(segments) == []
    span = (HOUR_BEGIN + HOUR_MS - 7000, HOUR_BEGIN + HOUR_MS + 9000)
    servers.wait_until(lambda: sink.meters("s1") == {"m-0", "m-1", "m-2", "m-s"}, "the meters")
    for meter in ("m-0", "m-1", "m-s"):
        expected = cut(
            joined([c for _, s in segments for m, c in columns_of(s) if m == meter]), *span
        )
        assert len(expected) == {"m-0": 3, "m-1": 2, "m-s": 2}[meter]
        settled(partial(sink.columns, "s1", meter, *span), expected)
    assert sink.columns("s2", "m-0", *span) == []
    assert sink.columns("s1", "m", *span) == []
    assert sink.meters("s2") == set()


def test_one_quantity_of_several_can_be_asked_for(
    sink: sinks.Sink, segments: list[tuple[int, Segment]]
) -> None:
    sink.write(segments)
    servers.wait_until(lambda: len(sink.meters("s1")) == 4, "the meters")
    span = (HOUR_BEGIN, HOUR_BEGIN + 2 * HOUR_MS)
    expected = joined([c for _, s in segments for m, c in columns_of(s) if m == "m-0"])
    asked = ("active_power", "voltage_l1")
    settled(
        lambda: sink.columns("s1", "m-0", *span, asked),
        [column for column in expected if column.quantity in asked],
    )
    assert sink.columns("s1", "m-0", *span, ("frequency",)) == []


def test_a_forgotten_hour_is_gone_and_only_that(
    request: pytest.FixtureRequest, sink: sinks.Sink, segments: list[tuple[int, Segment]]
) -> None:
    sink.write(segments)
    middle = HOUR_BEGIN + HOUR_MS
    can = "victoria" not in request.node.name
    assert sink.forget("s1", "m-0", middle, middle + HOUR_MS) is can
    if not can:
        return
    assert sink.columns("s1", "m-0", middle, middle + HOUR_MS) == []
    assert sum(len(c.t_ms) for c in sink.columns("s1", "m-0", HOUR_BEGIN, middle)) == 60
    assert sum(len(c.t_ms) for c in sink.columns("s1", "m-1", middle, middle + HOUR_MS)) == 40


def settled(ask: Callable[[], list[Column]], expected: list[Column]) -> None:
    """Equal to the bit; VictoriaMetrics shows what was written after a second or so."""
    wanted = [plain(column) for column in expected]
    servers.wait_until(lambda: [plain(c) for c in ask()] == wanted, "what was written", 10)


def plain(column: Column) -> tuple[str, str, list[int], list[float]]:
    return column.quantity, column.quality, column.t_ms.tolist(), column.values.tolist()


def cut(columns: list[Column], from_ms: int, to_ms: int) -> list[Column]:
    found = []
    for each in columns:
        there = (each.t_ms >= from_ms) & (each.t_ms < to_ms)
        found.append(Column(each.quantity, each.quality, each.t_ms[there], each.values[there]))
    return found


def test_the_history_gives_back_exactly_what_was_read(
    segments: list[tuple[int, Segment]], tmp_path: Path
) -> None:
    history = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
    assert isinstance(history, History)
    for at in range(0, len(segments), 7):
        history.write(segments[at : at + 7])
    from_ms, to_ms = HOUR_BEGIN + HOUR_MS - 5000, HOUR_BEGIN + HOUR_MS + 5000
    told = {
        (quality, quantity, t_ms, mantissa, series.exponents[quantity])
        for series in history.readings("s1", "m-0", from_ms, to_ms)
        for quality in [series.quality]
        for quantity, column in series.values.items()
        for t_ms, mantissa in zip(series.t_ms.tolist(), column.tolist(), strict=True)
    }
    sent = {
        (sample.quality, quantity, sample.t_ms, *value)
        for _, segment in segments
        for table in segment.tables
        for sample in table.samples()
        for quantity, value in sample.values.items()
        if sample.meter == "m-0" and from_ms <= sample.t_ms < to_ms
    }
    assert told == sent
    assert len(told) == 30
    history.close()


def test_a_history_replayed_in_other_groups_has_one_point_for_each_time(
    segments: list[tuple[int, Segment]], tmp_path: Path
) -> None:
    history = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
    assert isinstance(history, History)
    span = (HOUR_BEGIN, HOUR_BEGIN + 2 * HOUR_MS)
    told = []
    for size in (7, 40, 11, 1):
        for at in range(0, len(segments), size):
            assert history.write(segments[at : at + size]) == []
        for meter in ("m-0", "m-1", "m-s"):
            for series in history.readings("s1", meter, *span):
                times = series.t_ms.tolist()
                assert times == sorted(set(times))
        told.append([_plain(series) for series in history.readings("s1", "m-0", *span)])
    assert all(each == told[0] for each in told)
    assert sum(len(t_ms) for t_ms, _ in told[0]) == 80
    history.close()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
def test_of_two_values_at_one_time_the_lower_stands_in_the_history(
    tmp_path: Path, order: tuple[int, int], together: bool
) -> None:
    gateway = Gateway.new(tmp_path)
    told = [
        open_segment(gateway.seal([Sample("m", HOUR_BEGIN, {"active_energy_import": (wh, -3)})]))
        for wh in (5000, 4000)
    ]
    history = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
    assert isinstance(history, History)
    pairs = [(offset, told[at]) for offset, at in enumerate(order, 1)]
    for group in [pairs] if together else [[pair] for pair in pairs]:
        history.write(group)
    [series] = history.readings("s1", "m", HOUR_BEGIN, HOUR_BEGIN + 1)
    assert series.values["active_energy_import"].tolist() == [4000]
    history.close()


def _plain(series: Series) -> tuple[list[int], dict[str, list[int]]]:
    return series.t_ms.tolist(), {name: row.tolist() for name, row in series.values.items()}


def test_an_hour_left_open_by_a_stop_is_folded_when_the_next_one_begins(tmp_path: Path) -> None:
    gateway = Gateway.new(tmp_path)
    for hour in range(3):  # each in a process of its own
        t_ms = HOUR_BEGIN + hour * HOUR_MS
        data = gateway.seal([Sample("m", t_ms, {"active_energy_import": (5000, -3)})])
        history = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
        assert isinstance(history, History)
        history.write([(hour + 1, open_segment(data))])
        waiting = history._db.execute("SELECT DISTINCT hour FROM part").fetchall()
        assert waiting == [(t_ms,)]
        history.close()
