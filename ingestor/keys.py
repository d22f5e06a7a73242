"""Whose signature counts: public keys of gateways, each a record in its site's journal."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from wire.errors import BadData, ConfigError
from wire.journal import Entry, Record
from wire.journal.heads import TreeHead, check_head
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


class Keys:
    """The keys of all sites."""

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

    def missing(self, site: str, gateway: str, public: PublicKey) -> Entry | None:
        """The entry that makes a configured key known; None if it is. Raises ConfigError."""
        known = self.told(site, public.id)
        if known is not None and (known.holder, known.gateway) == ("gateway", gateway):
            return None
        try:
            return self.entry(KeyRecord(site, gateway, str(public)))
        except BadData as exc:
            raise ConfigError(f"gateways: {exc}") from exc

    def entry(self, told: KeyRecord) -> Entry | None:
        """The entry that makes this known of a key; None if it is. Raises BadData.

        A revocation is for ever, and a key never changes hands.
        """
        public = PublicKey.parse(told.public_key)
        known = self._known.get((told.site, public.id))
        if known is None:
            return Entry("key", public.id, msgspec.json.encode(told))
        if (known[0].holder, known[0].gateway) != (told.holder, told.gateway):
            holder = known[0].gateway or "the ingestor"
            raise BadData(
                f"key {public.id} of {told.site}/{told.gateway} is already the journal's key of "
                f"{told.site}/{holder}; every gateway needs a key of its own"
            )
        if known[0].revoked and not told.revoked:
            raise BadData(f"key {public.id} is revoked; a revocation is for ever")
        if known[0] == told:
            return None
        return Entry("key", public.id, msgspec.json.encode(told))

    def told(self, site: str, key_id: str) -> KeyRecord | None:
        """What is known of a key."""
        known = self._known.get((site, key_id))
        return known[0] if known else None

    def check_holder(self, site: str, gateway: str, public: PublicKey, now_ms: int) -> None:
        """Raises BadData unless this is the gateway's own key, and valid now."""
        told = self.told(site, public.id)
        if told is None or (told.holder, told.gateway) != ("gateway", gateway):
            raise BadData(f"key {public.id} is not known as a key of {site}/{gateway}")
        if not _covers(told, now_ms, now_ms):
            raise BadData(f"key {public.id} is not valid now")

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
        if not _covers(told, header.t_first_ms, header.t_last_ms):
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
        if not _covers(known[0], head.time_ms, head.time_ms):
            raise BadData(f"key {head.key} is not valid at {head.time_ms}")


def _covers(told: KeyRecord, first_ms: int, last_ms: int) -> bool:
    """Raises BadData for a revoked key."""
    if told.revoked:
        raise BadData(f"key {told.id} is revoked")
    return told.from_ms <= first_ms and (told.until_ms is None or last_ms < told.until_ms)
