"""Whose signature counts: public keys of gateways, each a record in its site's journal."""

import msgspec

from wire.errors import BadData, ConfigError
from wire.journal import Entry
from wire.journal.keys import KeyRecord, KnownKeys
from wire.signing import PublicKey

__all__ = ["KeyRecord", "Keys"]


class Keys(KnownKeys):
    """The keys of all sites, and what may be said of them next."""

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
        known = self.told(told.site, public.id)
        if known is None:
            return Entry("key", public.id, msgspec.json.encode(told))
        if (known.holder, known.gateway) != (told.holder, told.gateway):
            holder = known.gateway or "the ingestor"
            raise BadData(
                f"key {public.id} of {told.site}/{told.gateway} is already the journal's key of "
                f"{told.site}/{holder}; every gateway needs a key of its own"
            )
        if known.revoked and not told.revoked:
            raise BadData(f"key {public.id} is revoked; a revocation is for ever")
        if known == told:
            return None
        return Entry("key", public.id, msgspec.json.encode(told))

    def check_holder(self, site: str, gateway: str, public: PublicKey, now_ms: int) -> None:
        """Raises BadData unless this is the gateway's own key, and valid now."""
        told = self.told(site, public.id)
        if told is None or (told.holder, told.gateway) != ("gateway", gateway):
            raise BadData(f"key {public.id} is not known as a key of {site}/{gateway}")
        if not told.covers(now_ms, now_ms):
            raise BadData(f"key {public.id} is not valid now")
