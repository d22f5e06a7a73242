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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Literal

import msgspec

from ingestor.sinks import Column, Rejected
from ingestor.sinks.influxdb import databases, reading, requests
from ingestor.sinks.influxdb.server import Server
from ingestor.sinks.influxdb.v2 import Client, refuse_without_org
from wire.config import read_secret
from wire.errors import ConfigError, TransientError
from wire.influxdb import BadLines, refused
from wire.segment import Segment

_LANES = 2  # where influxd is fastest
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
    """One database, written by two threads; a meter's lines go one way, in the order they were told."""

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
        """What answers, in words. Raises TransientError, also where it would take nothing of us."""
        found = self._server.product()
        if found.startswith("InfluxDB 1.") and self._settings.api == "v2":
            raise TransientError(f'{found} may have no /api/v2/write: set api = "v1"')
        said = f"{found} answers" if found else "answers, without naming a version"
        try:
            self._send(b"")
        except BadLines:
            pass  # it wants some, and would take them
        except TransientError as exc:
            if "not found" not in str(exc):
                raise
            said += f"; {self._settings.database} is made at the start"
        return said

    def write(self, segments: Sequence[tuple[int, Segment]]) -> list[Rejected]:
        """Two requests at a time; text for the next is made while the other one is under way."""
        shares = requests.shared_out(segments, _LANES)
        sent = [
            lane.submit(self._write_share, share)
            for lane, share in zip(self._lanes, shares, strict=True)
        ]
        wait(sent)  # all of them, before an error of one is told: it means "all of it again"
        rejected = [each for done in sent for each in done.result()]
        return rejected + self.write_lines(requests.of_events(segments))

    def _write_share(self, share: list[requests.Told]) -> list[Rejected]:
        return [each for lines in requests.of_tables(share) for each in self.write_lines(lines)]

    def write_lines(self, lines: bytes) -> list[Rejected]:
        """Write; halve what is refused until the line to blame stands alone."""
        return [Rejected(data, reason) for data, reason in refused(self._send, lines)]

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
