"""InfluxDB 1.x, 2.x and 3 Core, and what takes the same writes (VictoriaMetrics).

~~~toml
kind = "influxdb"
url = "http://127.0.0.1:8086"
database = "wattprint"          # 2.x: the bucket
retention_policy = ""           # 1.x; "" is the database's default
retention_days = 0              # readings older than this go; 0: as the database has it, else for ever
username = "wattprint"          # 2.x and 3: any
password_file = "influxdb.pw"   # 2.x and 3: the token
api = "v1"                      # v1: /write, understood by all of them · v2: /api/v2/write
~~~

`org` is wanted by `api = "v2"`, for a server whose proxy lets only that path through, and to make
the bucket of a 2.x. Precision is always ms: 1.x takes any other word and stores times a
thousandfold wrong. No gzip: on a local network it costs the server more than it saves. Of two
values a meter gave for one time the database keeps the one written last, VictoriaMetrics the
greater; in the calculator and the embedded history the lower stands.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from ingestor.columns import matrix
from ingestor.line_protocol import event_line, table_lines
from ingestor.sinks import Column, Rejected
from ingestor.sinks.influxdb import databases, reading
from ingestor.sinks.influxdb.server import BadLines, Server, TooBig
from ingestor.sinks.influxdb.v2 import Client, refuse_without_org
from wire.config import read_secret
from wire.errors import ConfigError, TransientError
from wire.segment import Segment, Table

# 20,000 lines a request and two requests at a time are where influxd is fastest; none takes over 10 MB.
_MOST_LINES, _MOST_BYTES = 20_000, 8 * 1024 * 1024
_MOST_VALUES = 100_000  # of one meter in a piece
_LANES = 2
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{1,64})?")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    database: str = "wattprint"
    retention_policy: str = ""
    retention_days: int = 0
    username: str = ""
    password_file: Path | None = None
    api: Literal["v1", "v2"] = "v1"
    org: str = ""
    timeout_s: float = 10.0


class InfluxDB:
    """One database. A meter's lines always go the same lane: what was told last is written last."""

    def __init__(self, settings: Settings, server: Server, client: Client | None) -> None:
        self._settings = settings
        self._server = server
        self._client = client
        self._send = client.write if client and settings.api == "v2" else server.write
        self._lanes = [ThreadPoolExecutor(1, "influxdb") for _ in range(_LANES)]

    def prepare(self) -> None:
        """Make the database and its retention, where we may; an administrator's word stands."""
        told = self._settings
        wanted = databases.Wanted(told.database, told.retention_policy, told.retention_days)
        databases.prepare(self._server, self._client, wanted)

    def dialect(self) -> str:
        """What answers, in words. Raises TransientError."""
        found = self._server.product()
        if found.startswith("InfluxDB 1.") and self._settings.api == "v2":
            raise TransientError(f'{found} may have no /api/v2/write: set api = "v1"')
        return f"{found} answers" if found else "answers, without naming a version"

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        """Two requests at a time; text for the next is made while they are under way."""
        pieces: list[list[bytes]] = [[] for _ in self._lanes]
        counts, sizes = [0] * _LANES, [0] * _LANES
        sent: list[Future[list[Rejected]]] = []

        def submit(lane: int) -> None:
            sent.append(self._lanes[lane].submit(self.write_lines, b"".join(pieces[lane])))
            pieces[lane], counts[lane], sizes[lane] = [], 0, 0

        for meter, rows, lines in _lines(segments):
            lane = zlib.crc32(meter.encode()) % _LANES
            is_full = counts[lane] + rows > _MOST_LINES or sizes[lane] + len(lines) > _MOST_BYTES
            if pieces[lane] and is_full:
                submit(lane)
            pieces[lane].append(lines)
            counts[lane] += rows
            sizes[lane] += len(lines)
        for lane, waiting in enumerate(pieces):
            if waiting:
                submit(lane)
        wait(sent)  # all of them, before an error of one is told: it means "all of it again"
        return [each for done in sent for each in done.result()]

    def write_lines(self, lines: bytes) -> list[Rejected]:
        """Write; halve what is refused until the line to blame stands alone."""
        if not lines:
            return []
        try:
            self._send(lines)
        except (BadLines, TooBig) as exc:
            single = lines.splitlines(keepends=True)
            if len(single) == 1 or (isinstance(exc, BadLines) and exc.dropped == len(single)):
                return [Rejected(lines, str(exc))]
            middle = len(single) // 2
            left = self.write_lines(b"".join(single[:middle]))
            return left + self.write_lines(b"".join(single[middle:]))
        return []

    def columns(
        self, site: str, meter: str, from_ms: int, to_ms: int, quantities: Sequence[str] = ()
    ) -> list[Column]:
        read = reading.exported if self._server.is_victoria() else reading.selected
        return read(self._server, site, meter, from_ms, to_ms, quantities)

    def meters(self, site: str) -> set[str]:
        known = reading.exported_meters if self._server.is_victoria() else reading.meters
        return known(self._server, site)

    def forget(self, site: str, meter: str, from_ms: int, to_ms: int) -> bool:
        if self._server.product().startswith(("InfluxDB 1.", "InfluxDB 2.")):
            reading.delete(self._server, site, meter, from_ms, to_ms)
            return True
        return False

    def retention_days(self) -> int:
        return self._settings.retention_days

    def close(self) -> None:
        for lane in self._lanes:
            lane.shutdown()
        self._server.close()
        if self._client:
            self._client.close()


def open_sink(settings: Settings, directory: Path) -> InfluxDB:  # noqa: ARG001  keeps no files
    """Raises ConfigError."""
    if not settings.url.startswith(("http://", "https://")):
        raise ConfigError(f"sinks.url: {settings.url!r} begins neither with http:// nor https://")
    if not _NAME.fullmatch(settings.database):
        raise ConfigError(f"sinks.database: {settings.database!r} is letters, digits, _ and -")
    if settings.retention_policy and not _NAME.fullmatch(settings.retention_policy):
        name = settings.retention_policy
        raise ConfigError(f"sinks.retention_policy: {name!r} is letters, digits, _ and -")
    if settings.retention_days < 0:
        raise ConfigError("sinks.retention_days: is 0 or more days")
    password = read_secret(settings.password_file) if settings.password_file else ""
    place = (settings.url.rstrip("/"), settings.database, settings.timeout_s)
    server = Server(*place, settings.retention_policy, settings.username, password, settings.api)
    refuse_without_org(settings.api, settings.org)
    client = Client(*place, password, settings.org) if settings.org else None
    return InfluxDB(settings, server, client)


def _lines(segments: Sequence[tuple[int, Segment]]) -> Iterator[tuple[str, int, bytes]]:
    """(meter, rows, lines) of everything. Like tables of a meter go together: long columns cost less
    to write as text, and a database less to find its series for."""
    alike: dict[tuple[object, ...], list[tuple[str, Table]]] = {}
    for _, segment in segments:
        site = segment.header.site
        for table in segment.tables:
            kind = (site, table.meter, table.quality, table.quantities, table.exponents)
            alike.setdefault(kind, []).append((site, table))
    for found in alike.values():
        site, first = found[0]
        most = max(1, _MOST_VALUES // len(first.quantities) // max(t.rows for _, t in found))
        for at in range(0, len(found), most):
            numbers = np.concatenate([matrix(t) for _, t in found[at : at + most]], axis=1)
            yield first.meter, numbers.shape[1], table_lines(site, first, numbers)
    for _, segment in segments:
        for event in segment.events:
            yield event.meter, 1, event_line(segment.header.site, event)
