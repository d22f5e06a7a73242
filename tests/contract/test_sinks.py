"""What every sink promises, checked on every file of the folder; and InfluxDB's own answers."""

import http.server
import importlib
import pkgutil
import re
import threading
import tomllib
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import wire.config
from ingestor import sinks
from ingestor.reconcile import expected_counts
from ingestor.sinks import influxdb as influx
from ingestor.sinks.embedded import HOUR_MS, History, Series
from tests.integration import servers
from tests.unit.ingestor.gateway import Gateway
from wire.errors import ConfigError, TransientError
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
    assert {"embedded", "influxdb"} <= set(FILES)


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
        match=r"^ingestor.toml: sinks\[0\]\.kind: .* 'oracle'; known: embedded, influxdb;",
    ):
        sinks.configure({"kind": "oracle"}, "ingestor.toml", "sinks[0]")


@pytest.fixture(params=["embedded", pytest.param("influxdb", marks=pytest.mark.influxdb)])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sinks.Sink]:
    if request.param == "embedded":
        opened = sinks.configure({"kind": "embedded"}, "t", "s").open(tmp_path)
        yield opened
        opened.close()
        return
    with servers.influxdb(tmp_path / "influx") as (_, url):
        opened = sinks.configure({"kind": "influxdb", "url": url}, "t", "s").open(tmp_path)
        yield opened
        opened.close()


def test_written_twice_in_any_grouping_is_there_once(
    sink: sinks.Sink, segments: list[tuple[int, Segment]]
) -> None:
    sink.prepare()
    assert sink.write(segments[:25]) == []
    for each in reversed(segments):
        assert sink.write([each]) == []
    assert sink.write(segments) == []
    expected = expected_counts(segment for _, segment in segments)
    assert len(expected) == 8
    assert sink.counts("s1", HOUR_BEGIN, HOUR_BEGIN + 2 * HOUR_MS) == expected
    assert sink.counts("s2", HOUR_BEGIN, HOUR_BEGIN + 2 * HOUR_MS) == {}


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


@pytest.mark.influxdb
def test_lines_a_database_refuses_are_found_one_by_one(tmp_path: Path) -> None:
    with servers.influxdb(tmp_path / "influx") as (_, url):
        opened = influx.open_sink(influx.Settings(url), tmp_path)
        opened.prepare()
        opened.write_lines(b"reading,site=s1,meter=m f=1.0 1795000000000\n")
        good = [f"reading,site=s1,meter=m f={n}.5 {1795000000000 + n}\n" for n in range(50)]
        bad = {17: 'reading,site=s1,meter=m f="text" 1795000000017\n', 33: "nonsense\n"}
        lines = [bad.get(n, line) for n, line in enumerate(good)]
        rejected = opened.write_lines("".join(lines).encode())
        assert [each.data.decode() for each in rejected] == list(bad.values())
        assert "field type conflict" in rejected[0].reason
        counted = opened.counts("s1", HOUR_BEGIN, HOUR_BEGIN + HOUR_MS)
        assert sum(counted.values()) == 48
        opened.close()


class Answers(http.server.BaseHTTPRequestHandler):
    """A server that answers what the test says, and notes what it was asked."""

    status: ClassVar[int] = 204
    body: ClassVar[bytes] = b""
    asked: ClassVar[list[tuple[str, str, bytes]]] = []

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Authorization"], data))
        too_big = self.status == 413 and data.count(b"\n") <= 2
        self.send_response(204 if too_big else self.status)
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(self.body) if not too_big else 0))
        self.end_headers()
        if not too_big:
            self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stand_in() -> Iterator[str]:
    Answers.status, Answers.body = 204, b""
    Answers.asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize(
    ("status", "body", "effect"),
    [
        (204, b"", "kept"),
        (400, b'{"error":"unable to parse"}', "rejected"),
        (422, b"{}", "rejected"),
        (500, b'{"error":"outside retention policy"}', "rejected"),
        (404, b'{"error":"database not found"}', 30.0),
        (400, b'{"error":"retention policy not found: x"}', 30.0),
        (401, b"{}", 30.0),
        (403, b"{}", 30.0),
        (429, b"{}", 7.0),
        (503, b"{}", 7.0),
        (413, b"{}", "split"),
    ],
)
def test_an_answer_is_judged_by_its_effect(
    stand_in: str, tmp_path: Path, api: str, status: int, body: bytes, effect: object
) -> None:
    (tmp_path / "secret").write_text("secret")
    Answers.status, Answers.body = status, body
    told = {"url": stand_in, "api": api, "password_file": str(tmp_path / "secret"), "org": "o"}
    settings = wire.config.convert(told, influx.Settings, "t")
    opened = influx.open_sink(settings, tmp_path)
    lines = b"".join(b"r,m=x f=1.0 %d\n" % n for n in range(5))
    if isinstance(effect, float):
        with pytest.raises(TransientError) as caught:
            opened.write_lines(lines)
        assert caught.value.retry_after_s == effect
    else:
        rejected = opened.write_lines(lines)
        assert len(rejected) == (5 if effect == "rejected" else 0)
        written = b"".join(data for _, _, data in Answers.asked[1 if effect == "split" else 0 :])
        assert b"f=1.0 4\n" in written
    path, authorization, _ = Answers.asked[0]
    assert path.startswith("/write?" if api == "v1" else "/api/v2/write?")
    assert urllib.parse.parse_qs(path.partition("?")[2])["precision"] == ["ms"]
    assert authorization.startswith("Basic " if api == "v1" else "Token secret")
    opened.close()


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    settings = influx.Settings(f"http://127.0.0.1:{servers.free_port()}")
    opened = influx.open_sink(settings, tmp_path)
    with pytest.raises(TransientError, match="refused"):
        opened.write_lines(b"r f=1.0 1\n")
    opened.close()


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
