"""InfluxDB's own answers, and what the sink makes of them.

InfluxDB 1.6 and VictoriaMetrics are real here. 2.x and 3 Core are not to be had as Debian packages:
what is asked of them is held against their published interface by a server that answers as it says.
"""

import json
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.sinks import influxdb as influx
from tests import plain_http
from tests.contract.foreign import Foreign, serving, sink_for
from tests.integration import servers
from wire.errors import ConfigError, TransientError

T_MS = 1_795_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def foreign() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.mark.influxdb
def test_lines_a_database_refuses_are_found_one_by_one(tmp_path: Path) -> None:
    with servers.influxdb(tmp_path / "influx") as (_, url):
        opened = influx.open_sink(influx.Settings(url), tmp_path)
        opened.prepare()
        opened.write_lines(b"reading,site=s1,meter=m f=1.0 1795000000000\n")
        good = [f"reading,site=s1,meter=m f={n}.5 {T_MS + n}\n" for n in range(50)]
        bad = {17: 'reading,site=s1,meter=m f="text" 1795000000017\n', 33: "nonsense\n"}
        lines = [bad.get(n, line) for n, line in enumerate(good)]
        rejected = opened.write_lines("".join(lines).encode())
        assert [each.data.decode() for each in rejected] == list(bad.values())
        assert "field type conflict" in rejected[0].reason
        [column] = opened.columns("s1", "m", T_MS, T_MS + 50)
        assert column.values.tolist() == [n + 0.5 for n in range(50) if n not in bad]
        opened.close()


@pytest.mark.influxdb
def test_what_a_retention_took_is_refused_in_few_pieces(tmp_path: Path) -> None:
    with servers.influxdb(tmp_path / "influx") as (_, url):
        opened = influx.open_sink(influx.Settings(url, retention_days=1), tmp_path)
        opened.prepare()
        now_ms = time.time_ns() // 1_000_000
        old = [
            b"reading,site=s1,meter=m f=1.5 %d\n" % (now_ms - 9 * DAY_MS + n) for n in range(700)
        ]
        new = [b"reading,site=s1,meter=m f=1.5 %d\n" % (now_ms - n) for n in range(700)]
        rejected = opened.write_lines(b"".join(old + new))
        assert b"".join(each.data for each in rejected) == b"".join(old)
        assert len(rejected) == 1
        assert "retention policy" in rejected[0].reason
        [column] = opened.columns("s1", "m", now_ms - 1000, now_ms + 1)
        assert len(column.t_ms) == 700
        opened.close()


@pytest.mark.influxdb
def test_a_database_is_made_with_its_retention_and_changed_when_that_changes(
    tmp_path: Path,
) -> None:
    def policies(settings: influx.Settings) -> dict[str, str]:
        opened = influx.open_sink(settings, tmp_path)
        opened.prepare()
        opened.prepare()
        series = opened._server.query('SHOW RETENTION POLICIES ON "wattprint"')
        opened.close()
        return {values[0]: values[1] for values in series[0]["values"]}

    with servers.influxdb(tmp_path / "influx") as (_, url):
        assert policies(influx.Settings(url)) == {"autogen": "0s"}
        assert policies(influx.Settings(url, retention_days=30)) == {"autogen": "720h0m0s"}
        assert policies(influx.Settings(url)) == {"autogen": "720h0m0s"}  # nothing said: left
        kept = influx.Settings(url, retention_policy="year", retention_days=365)
        assert policies(kept) == {"autogen": "720h0m0s", "year": "8760h0m0s"}
        opened = influx.open_sink(kept, tmp_path)
        now_ms = time.time_ns() // 1_000_000 - 60 * DAY_MS
        assert opened.write_lines(b"reading,site=s1,meter=m f=1.5 %d\n" % now_ms) == []
        [column] = opened.columns("s1", "m", now_ms, now_ms + 1)
        assert column.values.tolist() == [1.5]
        opened.close()


@pytest.mark.influxdb
def test_a_server_that_makes_no_retention_by_itself_is_given_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_META_RETENTION_AUTOCREATE", "false")
    with servers.influxdb(tmp_path / "influx") as (_, url):
        opened = influx.open_sink(influx.Settings(url, retention_days=30), tmp_path)
        for _ in range(2):
            opened.prepare()
        now_ms = time.time_ns() // 1_000_000
        assert opened.write_lines(b"reading,site=s1,meter=m f=1.5 %d\n" % now_ms) == []
        [series] = opened._server.query('SHOW RETENTION POLICIES ON "wattprint"')
        assert series["values"] == [["autogen", "720h0m0s", "24h0m0s", 1, True]]
        opened.close()


@pytest.mark.influxdb
def test_a_database_that_would_take_nothing_of_us_is_not_said_to_be_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLUXDB_HTTP_AUTH_ENABLED", "true")
    (tmp_path / "secret").write_text("secret")
    with servers.influxdb(tmp_path / "influx") as (_, url):

        def ask(text: str) -> None:
            told = {"q": text, "u": "admin", "p": "secret"}
            plain_http.post(f"{url}/query", params=told).raise_for_status()

        def look(user: str) -> str:
            opened = sink_for(url, tmp_path, username=user)
            try:
                return opened.dialect()
            finally:
                opened.close()

        ask("CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES")
        assert look("admin").endswith(" answers; wattprint is made at the start")
        ask("CREATE DATABASE wattprint")
        for user in ("writer", "nobody"):
            ask(f"CREATE USER {user} WITH PASSWORD 'secret'")
        ask("GRANT WRITE ON wattprint TO writer")
        assert look("admin").endswith(" answers")
        assert look("writer").endswith(" answers")
        with pytest.raises(TransientError, match="not authorized to write"):
            look("nobody")
        with pytest.raises(TransientError, match="authorization failed"):
            look("stranger")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"hello"'])
def test_what_answers_as_no_database_does_is_told(
    foreign: str, tmp_path: Path, body: bytes
) -> None:
    Foreign.answers["POST", "/query"] = 200, body
    with pytest.raises(TransientError, match="is no InfluxDB: query answered 200: "):
        sink_for(foreign, tmp_path).prepare()


def test_a_bucket_of_2x_is_made_and_its_retention_kept_right(foreign: str, tmp_path: Path) -> None:
    Foreign.version = "v2.7.12"
    Foreign.answers.update(
        {
            ("GET", "/api/v2/buckets"): (200, b'{"buckets":[]}'),
            ("GET", "/api/v2/orgs"): (200, b'{"orgs":[{"id":"0a0a0a0a0a0a0a0a","name":"o"}]}'),
            ("POST", "/api/v2/buckets"): (201, b'{"name":"wattprint","retentionRules":[]}'),
            ("PATCH", "/api/v2/buckets/b1"): (200, b'{"name":"wattprint","retentionRules":[]}'),
        }
    )
    opened = sink_for(foreign, tmp_path, org="o", retention_days=30)
    opened.prepare()
    made = [json.loads(body) for method, *_, body in Foreign.asked if method == "POST"]
    assert made == [
        {
            "name": "wattprint",
            "rp": "0",  # what the library sends beside
            "orgID": "0a0a0a0a0a0a0a0a",
            "retentionRules": [{"type": "expire", "everySeconds": 2_592_000}],
        }
    ]
    assert Foreign.asked[-1][2] == "Token secret"
    bucket = {"id": "b1", "name": "wattprint", "orgID": "0a", "retentionRules": []}
    answer = json.dumps({"buckets": [bucket]}).encode()
    Foreign.answers["GET", "/api/v2/buckets"] = 200, answer
    opened.prepare()
    method, path, _, body = Foreign.asked[-1]
    assert (method, path) == ("PATCH", "/api/v2/buckets/b1")
    assert json.loads(body)["retentionRules"] == [{"type": "expire", "everySeconds": 2_592_000}]
    opened.close()


@pytest.mark.parametrize("status", [200, 409])
def test_a_database_of_3_core_is_made_with_its_retention(
    foreign: str, tmp_path: Path, status: int
) -> None:
    Foreign.version = "3.11.2"
    Foreign.answers["POST", "/api/v3/configure/database"] = status, b"{}"
    opened = sink_for(foreign, tmp_path, retention_days=90)
    opened.prepare()
    method, path, authorization, body = Foreign.asked[-1]
    assert (method, path) == ("POST", "/api/v3/configure/database")
    assert authorization.startswith("Basic ")
    assert json.loads(body) == {"db": "wattprint", "retention_period": "90d"}
    opened.close()


@pytest.mark.parametrize(("status", "goes_on"), [(403, True), (401, False), (500, False)])
def test_who_may_not_make_a_database_leaves_it_to_an_administrator(
    foreign: str, tmp_path: Path, status: int, goes_on: bool
) -> None:
    Foreign.version = "3.11.2"
    Foreign.answers["POST", "/api/v3/configure/database"] = status, b"no"
    opened = sink_for(foreign, tmp_path)
    if goes_on:
        opened.prepare()
    else:
        with pytest.raises(TransientError, match=str(status)):
            opened.prepare()
    opened.close()


def test_an_error_inside_an_answer_of_200_is_one(foreign: str, tmp_path: Path) -> None:
    body = b'{"results":[{"statement_id":0,"error":"max-select-point limit exceeded"}]}'
    Foreign.answers["GET", "/query"] = 200, body
    opened = sink_for(foreign, tmp_path)
    with pytest.raises(TransientError, match="max-select-point"):
        opened.columns("s1", "m", T_MS, T_MS + 1)
    opened.close()


def test_the_v2_path_wants_an_organization(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sinks\.org: is missing"):
        sink_for("http://127.0.0.1:1", tmp_path, api="v2")


@pytest.mark.parametrize("api", ["v1", "v2"])
@pytest.mark.parametrize(
    ("mood", "body", "pause_s"),
    [
        ("404", b'{"error":"database not found"}', 30.0),
        ("500", b'{"error":"retention policy not found: x"}', 30.0),
        ("401", b"{}", 30.0),
        ("403", b"{}", 30.0),
        ("429", b"{}", 7.0),
        ("503", b"{}", 7.0),
        ("500", b'{"error":"timeout"}', None),
        ("hang", b"", None),
        ("half", b"", None),
    ],
)
def test_what_no_line_is_to_blame_for_is_tried_again(
    foreign: str, tmp_path: Path, api: str, mood: str, body: bytes, pause_s: float | None
) -> None:
    Foreign.moods[:], Foreign.body = [mood], body
    opened = sink_for(foreign, tmp_path, api=api, org="o", timeout_s=0.3)
    lines = b"".join(b"r,meter=x f=1.0 %d\n" % n for n in range(5))
    with pytest.raises(TransientError) as caught:
        opened.write_lines(lines)
    assert caught.value.retry_after_s == pause_s
    assert opened.write_lines(lines) == []
    assert b"".join(sorted(Foreign.kept)) == lines
    _, path, authorization, _ = Foreign.asked[0]
    assert path.startswith("/write?" if api == "v1" else "/api/v2/write?")
    assert urllib.parse.parse_qs(path.partition("?")[2])["precision"] == ["ms"]
    assert authorization.startswith("Basic " if api == "v1" else "Token secret")
    opened.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error":"partial write: max-series-per-database limit exceeded: (1000000)"}'),
        (422, "Update to schema would exceed number of tables per database limit of 2000"),
    ],
)
def test_a_limit_of_the_server_is_no_fault_of_a_line(status: int, body: str) -> None:
    with pytest.raises(TransientError) as caught:
        influx.server.judge(status, body, None)
    assert caught.value.retry_after_s == 30.0


def test_a_server_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    settings = influx.Settings(f"http://127.0.0.1:{servers.free_port()}")
    opened = influx.open_sink(settings, tmp_path)
    with pytest.raises(TransientError, match="refused"):
        opened.write_lines(b"r f=1.0 1\n")
    opened.close()
