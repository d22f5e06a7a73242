"""Appends to the journal, and closes each UTC day with a signed tree head of all before it.

The head comes before the first record of a later day; `close` signs where nothing comes any more.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from ingestor.keys import KeyRecord, Keys
from ingestor.standing import Standing
from wire.errors import TransientError
from wire.journal import Entry, Record, Writer, heads, merkle
from wire.signing import SigningKey

log = logging.getLogger(__name__)


class Days:
    """One journal's appender; `key` is the ingestor's receipt key."""

    def __init__(
        self, journal: Writer, keys: Keys, key: SigningKey, now_ms: Callable[[], int]
    ) -> None:
        self._journal = journal
        self._keys = keys
        self._key = key
        self._now_ms = now_ms

    def append(self, standing: Standing, entries: Sequence[Entry]) -> list[Record]:
        """Append, behind the head of a day that is over. When this returns all of it is on disk.

        Raises TransientError.
        """
        day, now_ms = _day(standing.last_ms), self._now_ms()
        is_over = standing.offset > 0 and day < _day(now_ms)
        if is_over and not self._keys.is_ingestors(standing.site, self._key.public.id):
            self._keys.add(self._append(standing, [self._own_key(standing)]))
        head = [self._head(standing, day, now_ms)] if is_over else []
        return self._append(standing, [*head, *entries])

    def close(self, standing: Standing) -> None:
        """Sign for a day that is over; where the disk fails, a later call does."""
        try:
            self.append(standing, [])
        except TransientError as exc:
            log.warning("%s: the tree head is signed later: %s", standing.site, exc)

    def _append(self, standing: Standing, entries: Sequence[Entry]) -> list[Record]:
        records = self._journal.append(standing.site, entries) if entries else []
        for record in records:
            standing.absorb(record)
        return records

    def _head(self, standing: Standing, day: str, now_ms: int) -> Entry:
        root = merkle.root(standing.peaks).hex()
        peaks = tuple(peak.hex() for peak in standing.peaks)
        place = (standing.site, day, standing.offset, root, standing.chain, now_ms)
        head = heads.sign_head(heads.TreeHead(*place, peaks), self._key)
        return Entry(heads.KIND, self._free(standing, heads.KIND, day), msgspec.json.encode(head))

    def _own_key(self, standing: Standing) -> Entry:
        public = self._key.public
        told = KeyRecord(standing.site, "", str(public), holder="ingestor")
        return Entry("key", self._free(standing, "key", public.id), msgspec.json.encode(told))

    def _free(self, standing: Standing, kind: str, name: str) -> str:
        """The name, or with /2, /3 … behind it where it is taken."""
        key, n = name, 1
        while self._journal.hash_of(standing.site, kind, key) is not None:
            n += 1
            key = f"{name}/{n}"
        return key


def _day(t_ms: int) -> str:
    return f"{datetime.fromtimestamp(t_ms / 1000, UTC):%Y-%m-%d}"
