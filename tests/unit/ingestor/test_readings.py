"""Stored readings in pages and steps: against plain Python, and the same from every sink."""

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from ingestor import sinks
from ingestor.api import forms
from ingestor.readings import LOOK_BACK_MS, Page, Question, page
from ingestor.sinks import Sink
from tests.integration import servers
from tests.unit.ingestor.gateway import Gateway
from wire.messages import Sample
from wire.segment import open_segment

BEGIN_MS = 1_795_000_000_000 // 86_400_000 * 86_400_000 + 79_000_000  # ends behind midnight
END_MS = BEGIN_MS + 12_000_000


def samples() -> list[Sample]:
    """Three hours over midnight: ragged times, a silence, two qualities, a register of nine digits."""
    dice = random.Random(3)
    told, t_ms, wh = [], BEGIN_MS, 123_456_789
    while t_ms < END_MS:
        t_ms += 3_000_000 if len(told) == 700 else dice.randrange(2000, 20_000)
        wh += dice.randrange(50)
        quality = "suspect" if dice.random() < 0.03 else "good"
        values = {"active_energy_import": (wh, -3), "active_power": (dice.randrange(99_999), -1)}
        told.append(Sample("m", t_ms, values, quality))
    return told


@pytest.fixture(
    params=[
        "embedded",
        pytest.param("influxdb", marks=pytest.mark.influxdb),
        pytest.param("victoria", marks=pytest.mark.victoria),
    ],
    scope="module",
)
def sink(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sink]:
    directory = tmp_path_factory.mktemp(request.param)
    gateway, told = Gateway.new(directory), samples()
    pieces = [told[at : at + 60] for at in range(0, len(told), 60)]
    pairs = [(n, open_segment(gateway.seal(piece))) for n, piece in enumerate(pieces, 1)]
    serving = {"influxdb": servers.influxdb, "victoria": servers.victoria_metrics}
    if request.param == "embedded":
        made = sinks.configure({"kind": "embedded"}, "t", "s").open(directory)
        made.write(pairs)
        yield made
        made.close()
        return
    with serving[request.param](directory / "server") as (_, url):
        made = sinks.configure({"kind": "influxdb", "url": url}, "t", "s").open(directory)
        made.prepare()
        made.write(pairs)
        if request.param == "victoria":
            servers.flush_victoria(url)
        yield made
        made.close()


def plain(found: Page) -> dict[tuple[str, str], list[tuple[object, ...]]]:
    return {
        (told.quantity, told.quality): list(
            zip(
                told.t_ms.tolist(),
                *(figure.tolist() for figure in told.figures.values()),
                strict=True,
            )
        )
        for told in found.told
    }


def as_told(from_ms: int, to_ms: int) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """In plain Python: by quantity and quality, (time, value)."""
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for sample in samples():
        for quantity, (mantissa, exponent) in sample.values.items():
            if from_ms <= sample.t_ms < to_ms:
                value = float(f"{mantissa}e{exponent}")
                found.setdefault((quantity, sample.quality), []).append((sample.t_ms, value))
    return dict(sorted(found.items()))


def test_readings_come_as_they_were_read(sink: Sink) -> None:
    asked = Question("s1", "m", BEGIN_MS + 777_777, END_MS - 123_456)
    found = page(sink, asked)
    assert plain(found) == as_told(asked.from_ms, asked.to_ms)
    assert found.next_ms is None


def test_pages_together_are_the_whole(sink: Sink) -> None:
    together: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    begins = [BEGIN_MS]
    while begins[-1] is not None:
        found = page(sink, Question("s1", "m", begins[-1], END_MS, limit=300))
        assert 200 < sum(len(told.t_ms) for told in found.told) <= 300 or found.next_ms is None
        for key, rows in plain(found).items():
            together.setdefault(key, []).extend(rows)
        begins.append(found.next_ms)  # type: ignore[arg-type]
    assert len(begins) > 5
    assert together == as_told(BEGIN_MS, END_MS)


@pytest.mark.parametrize("step_ms", [60_000, 900_000, 86_400_000])
def test_a_register_at_a_step_is_the_last_one_read_by_then(sink: Sink, step_ms: int) -> None:
    from_ms = BEGIN_MS + 1_000_001
    asked = Question("s1", "m", from_ms, END_MS, ("active_energy_import",), step_ms)
    readings = as_told(from_ms - LOOK_BACK_MS, END_MS)["active_energy_import", "good"]
    steps = range(-(-from_ms // step_ms) * step_ms, END_MS, step_ms)
    expected = []
    for step in steps:
        read_ms, value = max(pair for pair in readings if pair[0] <= step)
        expected.append((step, value, read_ms))
    assert len(expected) >= 1
    assert plain(page(sink, asked))["active_energy_import", "good"] == expected


@pytest.mark.parametrize("step_ms", [60_000, 900_000])
def test_a_gauge_between_steps_has_mean_least_and_greatest(sink: Sink, step_ms: int) -> None:
    asked = Question("s1", "m", BEGIN_MS, END_MS, ("active_power",), step_ms)
    buckets: dict[int, list[float]] = {}
    for t_ms, value in as_told(BEGIN_MS, END_MS)["active_power", "good"]:
        buckets.setdefault(t_ms // step_ms * step_ms, []).append(value)
    rows = plain(page(sink, asked))["active_power", "good"]
    assert [(t, low, high, n) for t, _, low, high, n in rows] == [
        (t, min(values), max(values), len(values)) for t, values in buckets.items()
    ]
    for (_, mean, *_), values in zip(rows, buckets.values(), strict=True):
        assert mean == pytest.approx(sum(values) / len(values), rel=1e-12)


def test_pages_of_steps_together_are_the_whole(sink: Sink) -> None:
    whole = plain(page(sink, Question("s1", "m", BEGIN_MS, END_MS, step_ms=10_000)))
    together: dict[tuple[str, str], list[tuple[object, ...]]] = {}
    begin: int | None = BEGIN_MS
    while begin is not None:
        found = page(sink, Question("s1", "m", begin, END_MS, step_ms=10_000, limit=500))
        for key, rows in plain(found).items():
            together.setdefault(key, []).extend(rows)
        begin = found.next_ms
    assert together == whole
    assert sum(map(len, whole.values())) > 2000


def test_pages_agree_on_how_long_a_register_stands_that_is_not_read(tmp_path: Path) -> None:
    history = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
    times = [BEGIN_MS, BEGIN_MS + 3 * LOOK_BACK_MS]
    read = [Sample("m", t_ms, {"active_energy_import": (t_ms, -3)}) for t_ms in times]
    history.write([(1, open_segment(Gateway.new(tmp_path).seal(read)))])
    step_ms = 60_000
    asked = Question("s1", "m", BEGIN_MS, times[1] + LOOK_BACK_MS, step_ms=step_ms)
    [(_, whole)] = plain(page(history, asked)).items()
    together: list[tuple[object, ...]] = []
    begin: int | None = BEGIN_MS
    while begin is not None:
        found = page(history, replace(asked, from_ms=begin, limit=1000))
        for rows in plain(found).values():
            together += rows
        begin = found.next_ms
    assert together == whole
    assert len(whole) == 2 * LOOK_BACK_MS // step_ms
    history.close()


@pytest.mark.influxdb
@pytest.mark.victoria
def test_every_sink_gives_the_same_bytes(tmp_path: Path) -> None:
    """The same question's answers, as JSON and CSV, from a history, an InfluxDB and a Victoria."""
    pairs = [(1, open_segment(Gateway.new(tmp_path).seal(samples())))]
    answers = []
    with (
        servers.influxdb(tmp_path / "i") as (_, i),
        servers.victoria_metrics(tmp_path / "v") as (
            _,
            v,
        ),
    ):
        for table in ({"kind": "embedded"}, *({"kind": "influxdb", "url": url} for url in (i, v))):
            made = sinks.configure(table, "t", "s").open(tmp_path)
            made.prepare()
            made.write(pairs)
            servers.flush_victoria(v)
            told = b""
            for step_ms in (0, 60_000):
                asked = Question("s1", "m", BEGIN_MS, END_MS, step_ms=step_ms)
                for form in ("application/json", "text/csv"):
                    write = forms.writer(form)
                    assert write is not None
                    told += write(asked, page(made, asked))[0]
            answers.append(told)
            made.close()
    assert len(answers[0]) > 100_000
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("step_ms", [0, 60_000])
def test_json_csv_and_parquet_say_the_same(sink: Sink, step_ms: int) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    asked = Question("s1", "m", BEGIN_MS, END_MS, step_ms=step_ms)
    found = page(sink, asked)
    bodies = {}
    for form in ("application/json", "text/csv", "application/vnd.apache.parquet"):
        write = forms.writer(f"{form};q=0.9, */*")
        assert write is not None
        bodies[form], media_type = write(asked, found)
        assert media_type.startswith(form)
    of_json = [
        (each["quantity"], each["unit"], each["quality"], value)
        for each in orjson.loads(bodies["application/json"])["series"]
        for value in each.get("value") or each["mean"]
    ]
    rows = list(csv.DictReader(io.StringIO(bodies["text/csv"].decode())))
    of_csv = [
        (row["quantity"], row["unit"], row["quality"], float(row["value"] or row["mean"]))
        for row in rows
    ]
    table = parquet.read_table(io.BytesIO(bodies["application/vnd.apache.parquet"]))
    of_parquet = [
        (row["quantity"], row["unit"], row["quality"], row["value"] or row["mean"])
        for row in table.to_pylist()
    ]
    assert of_json == of_csv == of_parquet
    assert len(of_json) > 200
    at = table.column("time").to_pylist()
    assert all(early <= late for early, late in pairwise(row["time"] for row in rows[:20]))
    assert rows[0]["time"] == f"{at[0]:%Y-%m-%dT%H:%M:%S}.{at[0].microsecond // 1000:03}Z"


@pytest.mark.parametrize(
    ("accept", "has"),
    [("", True), ("*/*", True), ("text/html, application/json", True), ("image/png", False)],
)
def test_a_form_that_is_not_to_be_had_is_refused(accept: str, has: bool) -> None:
    assert (forms.writer(accept) is not None) is has
