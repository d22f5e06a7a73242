"""Pure: whose signature counts, as a journal's records of kind `key` say it, up to any of them."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from wire.errors import BadData
from wire.journal.heads import TreeHead, check_head
from wire.journal.record import Record
from wire.segment import Header
from wire.signing import PublicKey


class KeyRecord(msgspec.Struct, frozen=True):
    """What the journal says of a key, from that record on.

    A gateway's covers readings from `from_ms` on, before `until_ms`; an ingestor's, with which it
    signs receipts and tree heads, what it signed then, and its `gateway` is empty.
    """

    site: str
    gateway: str
    public_key: str
    from_ms: int = 0
    until_ms: int | None = None
    revoked: bool = False
    holder: Literal["gateway", "ingestor"] = "gateway"

    @property
    def id(self) -> str:
        """How segments and receipts name it. Raises BadData."""
        return PublicKey.parse(self.public_key).id

    def covers(self, first_ms: int, last_ms: int) -> bool:
        """Raises BadData for a revoked key."""
        if self.revoked:
            raise BadData(f"key {self.id} is revoked")
        return self.from_ms <= first_ms and (self.until_ms is None or last_ms < self.until_ms)


class KnownKeys:
    """The keys of all sites whose records were added so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[KeyRecord, PublicKey]] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Take in journal records of kind `key`."""
        for record in records:
            told = msgspec.json.decode(record.data, type=KeyRecord)
            public = PublicKey.parse(told.public_key)
            self._known[record.site, public.id] = (told, public)

    def all(self) -> list[KeyRecord]:
        """What is known now of every key."""
        return [told for told, _ in self._known.values()]

    def told(self, site: str, key_id: str) -> KeyRecord | None:
        """What is known of a key."""
        known = self._known.get((site, key_id))
        return known[0] if known else None

    def check(self, header: Header, signature: bytes, signed: bytes) -> None:
        """Raises BadData unless a valid key of the header's own gateway signed it."""
        known = self._known.get((header.site, header.key))
        if known is None:
            raise BadData(f"key {header.key} is not known for site {header.site}")
        told, public = known
        if (told.holder, told.gateway) != ("gateway", header.gateway):
            holder = told.gateway or "the ingestor"
            raise BadData(f"key {header.key} belongs to {holder}, not to {header.gateway}")
        public.verify(signature, signed)
        if not told.covers(header.t_first_ms, header.t_last_ms):
            raise BadData(f"key {header.key} is not valid at the time of these readings")

    def is_ingestors(self, site: str, key_id: str) -> bool:
        """Whether the journal has this key as its ingestor's own."""
        known = self._known.get((site, key_id))
        return known is not None and known[0].holder == "ingestor"

    def check_head(self, head: TreeHead) -> None:
        """Raises BadData unless a valid key of the site's ingestor signed it."""
        known = self._known.get((head.site, head.key))
        if known is None or known[0].holder != "ingestor":
            raise BadData(f"key {head.key} is not known as a key of the ingestor of {head.site}")
        check_head(head, known[1])
        if not known[0].covers(head.time_ms, head.time_ms):
            raise BadData(f"key {head.key} is not valid at {head.time_ms}")
