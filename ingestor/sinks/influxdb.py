"""InfluxDB 1.x, 2.x and 3 Core, and what takes the same writes (VictoriaMetrics).

~~~toml
kind = "influxdb"
url = "http://127.0.0.1:8086"
database = "wattprint"          # 2.x: the bucket
retention_policy = ""           # "" is the database's default
username = "wattprint"          # 2.x and 3: any
password_file = "influxdb.pw"   # 2.x and 3: the token
api = "v1"                      # v1: /write, understood by all of them · v2: /api/v2/write
~~~

`api = "v2"` also wants `org`, for a server whose proxy lets only that path through. Precision is
always ms: 1.x takes any other word and stores times a thousandfold wrong. No gzip: on a local
network it costs the server more than it saves. Of two values a meter gave for one time the database
keeps the one written last; in the calculator and the embedded history the lower stands.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
import urllib3

from ingestor.line_protocol import READING, lines_of
from ingestor.sinks import Rejected
from wire.config import read_secret
from wire.errors import ConfigError, TransientError
from wire.segment import Segment

HOUR_MS = 3_600_000
# 20,000 lines of 8 fields a request is where influxd is fastest.
MOST_BYTES = 4 * 1024 * 1024
_OPERATOR_PAUSE_S = 30.0
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})?")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    database: str = "wattprint"
    retention_policy: str = ""
    username: str = ""
    password_file: Path | None = None
    api: Literal["v1", "v2"] = "v1"
    org: str = ""
    timeout_s: float = 10.0


class _TooBig(Exception):
    """413: smaller pieces may pass."""


class _BadLines(Exception):
    """The server refuses something among the lines, and says what of the first."""


Send = Callable[[bytes], None]


class InfluxDB:
    """One database; one request at a time."""

    def __init__(self, settings: Settings, send: Send, server: "_Server") -> None:
        self._settings = settings
        self._send = send
        self._server = server

    def prepare(self) -> None:
        """On 1.x create the database; elsewhere that is an administrator's part."""
        if self._version().startswith("1."):
            self._server.query(f'CREATE DATABASE "{self._settings.database}"', "POST")

    def dialect(self) -> str:
        """What answers, in words. Raises TransientError."""
        version = self._version()
        if version.startswith("1.") and self._settings.api == "v2":
            raise TransientError(f'InfluxDB {version} may have no /api/v2/write: set api = "v1"')
        return f"InfluxDB {version} answers" if version else "answers, without naming a version"

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        rejected: list[Rejected] = []
        waiting: list[bytes] = []
        size = 0
        for _, segment in segments:
            lines = lines_of(segment)
            if waiting and size + len(lines) > MOST_BYTES:
                rejected += self.write_lines(b"".join(waiting))
                waiting, size = [], 0
            waiting.append(lines)
            size += len(lines)
        return rejected + self.write_lines(b"".join(waiting))

    def write_lines(self, lines: bytes) -> list[Rejected]:
        """Write; halve what is refused until the line to blame stands alone."""
        if not lines:
            return []
        try:
            self._send(lines)
        except (_BadLines, _TooBig) as exc:
            single = lines.splitlines(keepends=True)
            if len(single) == 1:
                return [Rejected(lines, str(exc))]
            middle = len(single) // 2
            left = self.write_lines(b"".join(single[:middle]))
            return left + self.write_lines(b"".join(single[middle:]))
        return []

    def counts(self, site: str, from_ms: int, to_ms: int) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = {}
        day = 24 * HOUR_MS  # 3 Core answers no query over a wider window than a few days
        for begin in range(from_ms - from_ms % HOUR_MS, to_ms, day):
            end = min(begin + day, to_ms)
            for row in self._server.query(
                f'SELECT count(*) FROM "{READING}" WHERE site = {_quoted(site)}'
                f" AND time >= {begin}ms AND time < {end}ms GROUP BY meter, time(1h) fill(none)"
            ):
                meter = row["tags"]["meter"]
                for time_ms, *values in row["values"]:
                    total = sum(value for value in values if value)
                    if total:
                        key = (meter, int(time_ms))
                        found[key] = found.get(key, 0) + int(total)
        return found

    def close(self) -> None:
        self._server.close()

    def _version(self) -> str:
        status, headers, _ = self._server.request("GET", "/ping", {})
        if status not in (200, 204):
            raise TransientError(f"{self._settings.url}/ping answered {status}")
        return str(headers.get("X-Influxdb-Version", "")).lstrip("v")


class _Server:
    """HTTP to one server; says by the kind of error what is to be done about an answer."""

    def __init__(self, settings: Settings, password: str) -> None:
        self._settings = settings
        timeout = urllib3.Timeout(connect=5.0, read=settings.timeout_s)
        self._pool = urllib3.PoolManager(maxsize=2, retries=False, timeout=timeout)
        self._auth = {}
        if settings.username or password:
            basic = f"{settings.username or 'token'}:{password}"
            self._auth = dict(urllib3.make_headers(basic_auth=basic))

    def request(
        self, method: str, path: str, fields: dict[str, str], body: bytes | None = None
    ) -> tuple[int, Any, bytes]:
        """(status, headers, body). Raises TransientError where there is no answer."""
        url = f"{self._settings.url.rstrip('/')}{path}"
        if fields:
            url += "?" + urlencode(fields)
        try:
            answer = self._pool.request(method, url, body=body, headers=self._auth)
        except urllib3.exceptions.HTTPError as exc:
            raise TransientError(f"{self._settings.url}: {_short(exc)}") from exc
        return answer.status, answer.headers, answer.data

    def write(self, lines: bytes) -> None:
        fields = {"db": self._settings.database, "precision": "ms"}
        if self._settings.retention_policy:
            fields["rp"] = self._settings.retention_policy
        status, headers, body = self.request("POST", "/write", fields, lines)
        judge(status, body.decode(errors="replace"), headers.get("Retry-After"))

    def query(self, text: str, method: str = "GET") -> list[dict[str, Any]]:
        """The series of one InfluxQL statement. Raises TransientError, also for its own error."""
        fields = {"db": self._settings.database, "epoch": "ms", "q": text}
        status, _, body = self.request(method, "/query", fields)
        try:
            answer = msgspec.json.decode(body, type=dict[str, Any]) if body else {}
        except msgspec.DecodeError as exc:
            raise TransientError(f"{self._settings.url}: query answered {status}: {exc}") from exc
        results = answer.get("results", [{}])
        problem = answer.get("error") or results[0].get("error")
        if status != 200 or problem:
            raise TransientError(f"{self._settings.url}: query answered {status}: {problem}")
        series: list[dict[str, Any]] = results[0].get("series", [])
        return series

    def close(self) -> None:
        self._pool.clear()


def judge(status: int, body: str, retry_after: str | None) -> None:
    """What a write's answer means. Returns if the lines are kept; else raises by effect."""
    if 200 <= status < 300:
        return
    said = f"{status} {body.strip()[:300]}"
    if status == 413:
        raise _TooBig(said)
    missing = "not found" in body
    if not missing and (status in (400, 422) or (status == 500 and "retention policy" in body)):
        raise _BadLines(said)
    if missing or (400 <= status < 500 and status not in (408, 429)):
        # Password, token, database: a person has to act; what we have stays in the journal.
        raise TransientError(f"the database refuses us: {said}", _OPERATOR_PAUSE_S)
    told = float(retry_after) if retry_after and retry_after.isdigit() else None
    raise TransientError(f"the database answers {said}", told)


def open_sink(settings: Settings, directory: Path) -> InfluxDB:  # noqa: ARG001  keeps no files
    """Raises ConfigError."""
    if not settings.url.startswith(("http://", "https://")):
        raise ConfigError(f"sinks.url: {settings.url!r} begins neither with http:// nor https://")
    if not _NAME.fullmatch(settings.database):
        raise ConfigError(f"sinks.database: {settings.database!r} is letters, digits, _ and -")
    password = read_secret(settings.password_file) if settings.password_file else ""
    server = _Server(settings, password)
    send = server.write if settings.api == "v1" else _v2(settings, password)
    return InfluxDB(settings, send, server)


def _v2(settings: Settings, token: str) -> Send:
    """The write path of influxdb-client, synchronous: its batching one loses data silently."""
    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.write_api import SYNCHRONOUS
    from influxdb_client.domain.write_precision import WritePrecision
    from influxdb_client.rest import ApiException

    timeout_ms = int(1000 * settings.timeout_s)
    client = InfluxDBClient(settings.url, token, org=settings.org, timeout=timeout_ms)
    api = client.write_api(write_options=SYNCHRONOUS)
    precision: Any = WritePrecision.MS  # the library's own hint names another type

    def send(lines: bytes) -> None:
        try:
            api.write(settings.database, settings.org, lines, precision)
        except ApiException as exc:
            retry_after = exc.headers.get("Retry-After") if exc.headers else None
            judge(exc.status or 503, str(exc.body), retry_after)
        except urllib3.exceptions.HTTPError as exc:
            raise TransientError(f"{settings.url}: {_short(exc)}") from exc

    return send


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _short(exc: Exception) -> str:
    return re.sub(r"<[^>]*>[:\s]*", "", str(exc)) or type(exc).__name__
