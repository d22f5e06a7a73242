"""Whose signature counts: public keys of gateways, each a record in its site's journal."""

from collections.abc import Iterable

import msgspec

from wire.errors import BadData, ConfigError
from wire.journal import Entry, Record
from wire.segment import Header
from wire.signing import PublicKey


class KeyRecord(msgspec.Struct, frozen=True):
    """What the journal says of a key. It covers readings from `from_ms` on, before `until_ms`."""

    site: str
    gateway: str
    public_key: str
    from_ms: int = 0
    until_ms: int | None = None
    revoked: bool = False


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

    def missing(self, site: str, gateway: str, public: PublicKey) -> Entry | None:
        """The entry that makes a configured key known; None if it is. Raises ConfigError."""
        known = self._known.get((site, public.id))
        if known is None:
            told = KeyRecord(site, gateway, str(public))
            return Entry("key", public.id, msgspec.json.encode(told))
        if known[0].gateway != gateway:
            raise ConfigError(
                f"gateways: key {public.id} of {site}/{gateway} is already the journal's key of "
                f"{site}/{known[0].gateway}; every gateway needs a key of its own"
            )
        return None

    def check(self, header: Header, signature: bytes, signed: bytes) -> None:
        """Raises BadData unless a valid key of the header's own gateway signed it."""
        known = self._known.get((header.site, header.key))
        if known is None:
            raise BadData(f"key {header.key} is not known for site {header.site}")
        told, public = known
        if told.gateway != header.gateway:
            raise BadData(f"key {header.key} belongs to {told.gateway}, not to {header.gateway}")
        public.verify(signature, signed)
        if told.revoked:
            raise BadData(f"key {header.key} is revoked")
        ended = told.until_ms is not None and header.t_last_ms >= told.until_ms
        if ended or header.t_first_ms < told.from_ms:
            raise BadData(f"key {header.key} is not valid at the time of these readings")
