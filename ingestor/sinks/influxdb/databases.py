"""Making a database and its retention, which each product does in its own way.

Where our user may not, an administrator has done it, or a write will say what is missing.
"""

import logging
import re
from dataclasses import dataclass

import msgspec

from ingestor.sinks.influxdb.server import Server
from ingestor.sinks.influxdb.v2 import Client
from wire.errors import TransientError
from wire.influxdb import BadLines

log = logging.getLogger(__name__)

_PARTS = re.compile(r"(\d+)(h|m|s)")
_DEFAULT = "autogen"  # as the server calls it, where it was not told to make none
_SECONDS = {"h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Wanted:
    """`policy`: "" is the database's default one. `retention_days`: 0 leaves it as it is."""

    database: str
    policy: str
    retention_days: int


def prepare(server: Server, client: Client | None, wanted: Wanted) -> None:
    """Raises TransientError where nothing answers, or a password is wrong."""
    product = server.product()
    try:
        if product.startswith("InfluxDB 1."):
            _prepare_1(server, wanted)
        elif product.startswith("InfluxDB 2.") and client:
            client.keep_bucket(wanted.retention_days)
        elif product.startswith("InfluxDB 3."):
            _prepare_3(server, wanted)
    except BadLines as exc:
        raise TransientError(f"the database {wanted.database} cannot be made: {exc}") from exc
    except TransientError as exc:
        if " 403" not in str(exc):
            raise
        log.warning("%s is not ours to make: %s", wanted.database, exc)


def _prepare_1(server: Server, wanted: Wanted) -> None:
    server.query(f'CREATE DATABASE "{wanted.database}"', "POST")
    name, found_s = "", -1
    for series in server.query(f'SHOW RETENTION POLICIES ON "{wanted.database}"'):
        for values in series.get("values", ()):
            policy = dict(zip(series["columns"], values, strict=True))
            if policy["name"] == wanted.policy or (not wanted.policy and policy["default"]):
                name, found_s = policy["name"], _seconds(policy["duration"])
    its = name or wanted.policy or _DEFAULT
    where = f'"{its}" ON "{wanted.database}" {_duration(wanted.retention_days)}'
    if not name:
        server.query(f"CREATE RETENTION POLICY {where}{' DEFAULT' * (its == _DEFAULT)}", "POST")
    elif wanted.retention_days and found_s != wanted.retention_days * 86_400:
        server.query(f"ALTER RETENTION POLICY {where}", "POST")
        log.warning("%s now keeps readings for %d days", wanted.database, wanted.retention_days)


def _duration(days: int) -> str:
    """With shards as the server makes them for a new policy: an old one's may be too long for it."""
    shard = "1h" if days == 1 else "1d" if 0 < days <= 180 else "7d"
    return f"DURATION {f'{days}d' if days else 'INF'} REPLICATION 1 SHARD DURATION {shard}"


def _prepare_3(server: Server, wanted: Wanted) -> None:
    """Core sets a retention only when a database is made."""
    asked = {"db": wanted.database}
    if wanted.retention_days:
        asked["retention_period"] = f"{wanted.retention_days}d"
    body = msgspec.json.encode(asked)
    status, _, answer = server.request("POST", "/api/v3/configure/database", {}, body)
    if status not in (200, 201, 204, 409):  # 409: it is there
        said = answer.decode(errors="replace").strip()[:300]
        raise TransientError(f"the database cannot be made: {status} {said}")


def _seconds(duration: str) -> int:
    """Of 720h0m0s."""
    return sum(int(number) * _SECONDS[unit] for number, unit in _PARTS.findall(duration))
