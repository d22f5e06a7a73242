"""The journal of another machine, read over its ingestor's API. A key with the role auditor is needed.

Every record is checked against its own hash and chain value, and each page against the one before
it; so whoever once knew an offset's chain value cannot be told another past. Memory is bounded: an
answer holds some megabytes, or one record.
"""

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from wire import tls
from wire.config import read_secret
from wire.errors import BadData, ConfigError, TransientError
from wire.journal.heads import leaf_of
from wire.journal.record import GENESIS, Record, check_link

T = TypeVar("T")

MSGPACK = "application/msgpack"
_TIMEOUT_S = 30.0
_MOST_ANSWER_BYTES = 64 * 1024 * 1024
_AT_ONCE = 1000


class Page(msgspec.Struct, frozen=True):
    """Records in order."""

    records: list[Record]


class SiteHead(msgspec.Struct, frozen=True):
    """How far a site's journal goes: its last offset, and the chain value there."""

    site: str
    offset: int
    chain: str


class Remote(msgspec.Struct, frozen=True):
    """Where a journal is served, the file of the key to it, and of the authority it trusts."""

    url: str
    key_file: Path
    ca_file: Path | None = None

    def __str__(self) -> str:
        return self.url


class RemoteReader:
    """A `Reader`. Raises ConfigError for a key that is refused, or a journal that is another one.

    Not for use from two threads at once.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._connection: http.client.HTTPConnection | None = None
        self._last: dict[str, tuple[int, str]] = {}

    def read(self, site: str, after: int, limit: int = _AT_ONCE, wait_s: float = 0) -> list[Record]:
        """At most `limit` records above `after`; `wait_s`: how long to wait where there are none."""
        records = self._page(site, after, limit, wait_s=f"{wait_s:g}")
        known, chain = self._last.get(site, (0, GENESIS))
        if known != after:  # continued somewhere else: from there on it must fit
            chain = records[0].prev if records and after else GENESIS
        for offset, record in enumerate(records, after):
            self._check(record, offset, chain)
            chain = record.chain
        if records:
            self._last[site] = records[-1].offset, chain
        return records

    def walk(self, site: str, after: int = 0) -> Iterator[Record]:
        """Every record of `site` above `after`."""
        while records := self.read(site, after):
            yield from records
            after = records[-1].offset

    def leaves(self, site: str, after: int, upto: int) -> Iterator[bytes]:
        """The leaves of the records above `after`, up to `upto`."""
        for record in self.walk(site, after):
            if record.offset > upto:
                return
            yield leaf_of(record)

    def outline(self, site: str, offset: int) -> Record | None:
        """A record without its data."""
        for record in self._page(site, offset - 1, 1):
            self._check(record, offset - 1, record.prev)
            return msgspec.structs.replace(record, data=b"")
        return None

    def head(self, site: str) -> tuple[int, str]:
        """(last offset, its chain value); (0, GENESIS) for a site without records."""
        for head in self._heads():
            if head.site == site:
                return head.offset, head.chain
        return 0, GENESIS

    def find(self, site: str, kind: str, key: str) -> Record | None:
        """The record with this key, if there is one."""
        for record in self._page(site, 0, 1, kind=kind, key=key):
            self._check(record, record.offset - 1, record.prev)
            if (record.kind, record.key) == (kind, key):
                return record
        return None

    def hash_of(self, site: str, kind: str, key: str) -> str | None:
        """The hash of that record's data."""
        found = self.find(site, kind, key)
        return found.hash if found else None

    def of_kind(self, site: str, kind: str) -> list[Record]:
        """Every record of one kind, in order."""
        found: list[Record] = []
        while page := self._page(site, found[-1].offset if found else 0, _AT_ONCE, kind=kind):
            for record in page:
                self._check(record, record.offset - 1, record.prev)
            found += page
        return found

    def sites(self) -> list[str]:
        """Every site that has a record."""
        return [head.site for head in self._heads()]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check(self, record: Record, after: int, prev: str) -> None:
        try:
            check_link(record, after, prev)
        except BadData as exc:
            raise ConfigError(f"{self._remote}: not the journal it was, or changed: {exc}") from exc

    def _heads(self) -> list[SiteHead]:
        body = self._get("/v1/journal")
        return _decoded(body, list[SiteHead])

    def _page(self, site: str, after: int, limit: int, **asked: str) -> list[Record]:
        told = {"from": after + 1, "limit": min(limit, _AT_ONCE), **asked}
        return _decoded(self._get(f"/v1/journal/{site}?{urlencode(told)}"), Page).records

    def _get(self, path: str) -> bytes:
        """Raises TransientError or ConfigError."""
        headers = {
            "Authorization": f"Bearer {read_secret(self._remote.key_file)}",
            "Accept": MSGPACK,
        }
        try:
            status, after, body = self._asked(path, headers)
        except (OSError, http.client.HTTPException) as exc:
            raise TransientError(f"{self._remote}: {exc or type(exc).__name__}") from exc
        if status == 200 and len(body) <= _MOST_ANSWER_BYTES:
            return body
        self.close()
        if status in (401, 403):
            cure = f"the key in {self._remote.key_file} needs the role auditor"
            raise ConfigError(f"{self._remote}: {status}: {cure}")
        detail = f"{self._remote}: {status} {body[:300].decode(errors='replace')}"
        raise TransientError(detail, float(after) if after.isdigit() else None)

    def _asked(self, path: str, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """(status, Retry-After, body). A connection that was kept may be over: then by another."""
        was_kept = self._connection is not None
        if self._connection is None:
            self._connection = _connection(self._remote)
        base = urlsplit(self._remote.url).path.rstrip("/")
        try:
            self._connection.request("GET", base + path, None, headers)
            answer = self._connection.getresponse()
            body = answer.read(_MOST_ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException):
            self.close()
            if was_kept:
                return self._asked(path, headers)
            raise
        return answer.status, answer.getheader("Retry-After", ""), body


def _connection(remote: Remote) -> http.client.HTTPConnection:
    parts = urlsplit(remote.url)
    if parts.scheme == "https":
        context = tls.trusting(remote.ca_file)
        return http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=_TIMEOUT_S, context=context
        )
    if parts.scheme != "http":
        raise ConfigError(f"{remote}: must start with http:// or https://")
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)


def _decoded(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(body, type=type_)
    except msgspec.DecodeError as exc:
        raise TransientError(f"the answer is no journal page: {exc}") from exc
