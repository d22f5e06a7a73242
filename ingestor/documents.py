"""What is told as a whole and holds until the next of its kind: models, factor sets, keys."""

import hashlib
import itertools

import msgspec

from ingestor.group import Group, Place
from ingestor.keys import KeyRecord, Keys
from ingestor.standing import Standing
from wire.errors import BadData
from wire.journal import Entry, Writer


class Documents:
    """Adds to a group what the journal does not have in force already."""

    def __init__(self, journal: Writer, standings: dict[str, Standing], keys: Keys) -> None:
        self._journal = journal
        self._standings = standings
        self._keys = keys

    def document(self, group: Group, site: str, kind: str, data: bytes) -> Place:
        """A model or factor set; one that is already in force is not repeated."""
        digest = hashlib.sha256(data).hexdigest()
        newest = self._newest(group, site, kind)
        if newest is not None and newest[1] == digest:
            return site, kind, newest[0], False
        # The same document may come into force a second time, after another one.
        return self._add(group, site, kind, digest, data)

    def key(self, group: Group, site: str, data: bytes) -> Place:
        """What is told of a key: the only thing that may begin a site. Raises BadData."""
        try:
            told = msgspec.json.decode(data, type=KeyRecord)
        except (msgspec.DecodeError, RecursionError) as exc:
            raise BadData(f"key: {exc}") from exc
        if told.site != site:
            raise BadData(f"a key of {told.site} for {site}")
        entry = self._keys.entry(told)
        if entry is None:
            names = [record.key for record in self._journal.of_kind(site, "key")]
            of_it = [name for name in names if name.partition("/")[0] == told.id]
            return site, "key", of_it[-1], False
        self._standings.setdefault(site, Standing(site))
        return self._add(group, site, "key", entry.key, data)

    def _add(self, group: Group, site: str, kind: str, name: str, data: bytes) -> Place:
        """Under its name, or with /2, /3 … behind it where that is taken."""
        for again in itertools.count(1):
            key = name if again == 1 else f"{name}/{again}"
            if (site, kind, key) not in group.added and not self._journal.find(site, kind, key):
                break
        group.add(site, Entry(kind, key, data))
        return site, kind, key, True

    def _newest(self, group: Group, site: str, kind: str) -> tuple[str, str] | None:
        """(key, hash) of the newest document of a kind."""
        for entry in reversed(group.entries.get(site, [])):
            if entry.kind == kind:
                return entry.key, hashlib.sha256(entry.data).hexdigest()
        known = self._standings[site].latest.get(kind)
        if known is None:
            return None
        record = self._journal.read(site, known[0] - 1, 1)[0]
        return record.key, record.hash
