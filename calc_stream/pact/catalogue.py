"""What is offered to others: published footprints that are no drafts, in the order of publishing.

A document is kept as it was when it was first offered: a name or a mass declared otherwise later is
one of later footprints. Only its status changes.

A list is of a moment: `upto` counts what was published and withdrawn until then, so its later pages say
what its first one said, whatever happens meanwhile. For somebody who sees some products only it counts
those: how much is published of others is not told.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from calc_stream.footprints.footprint import Footprint, Withdrawal, successors
from calc_stream.footprints.shelf import Shelf
from calc_stream.pact.model import ProductFootprint
from calc_stream.pact.offered import Declared
from wire.errors import BadData

log = logging.getLogger(__name__)

Seen = Callable[[str], bool]  # whether a product is for whoever asks


def _all(_product: str) -> bool:
    return True


@dataclass(frozen=True)
class Offer:
    """A document, and the product it is of as we name it."""

    product: str
    document: ProductFootprint


class Catalogue:
    """Of one site. Thread-safe. Everything raises TransientError where the disk does not do its part."""

    def __init__(self, shelf: Shelf, site: str, declared: Declared) -> None:
        self._shelf, self._site, self._declared = shelf, site, declared
        self._lock = threading.Lock()
        self._known: list[Footprint | Withdrawal] = []
        self._by_id: dict[str, Footprint] = {}
        self._made: dict[str, Offer | None] = {}

    def count(self, seen: Seen = _all) -> int:
        """How often something of products that are `seen` was published, offered or not, or withdrawn."""
        with self._lock:
            return sum(1 for each in self._read() if seen(each.product))

    def offers(self, upto: int, since: int = 0, seen: Seen = _all) -> list[Offer]:
        """Of these what was published or withdrawn from `since` to `upto`, as it stood then."""
        with self._lock:
            there = [each for each in self._read() if seen(each.product)][:upto]
            gone = {each.id for each in there if isinstance(each, Withdrawal)}
            gone |= successors(each for each in there if isinstance(each, Footprint)).keys()
            names = dict.fromkeys(each.id for each in there[since:])
            made = [self._offer(self._by_id[name]) for name in names]
        return [_standing(offer, gone) for offer in made if offer is not None]

    def find(self, id_: str) -> Offer | None:
        """As it stands now."""
        wanted = id_.lower()
        found = (offer for offer in self.offers(self.count()) if offer.document.id == wanted)
        return next(found, None)

    def _read(self) -> list[Footprint | Withdrawal]:
        if self._shelf.count(self._site) != len(self._known):
            self._known = self._shelf.history(self._site)
            self._by_id = {each.id: each for each in self._known if isinstance(each, Footprint)}
        return self._known

    def _offer(self, footprint: Footprint) -> Offer | None:
        if not self._declared.is_for_others(footprint):
            return None
        if footprint.id not in self._made:
            try:
                document = self._declared.offer(footprint, self._by_id)
                self._made[footprint.id] = Offer(footprint.product, document)
            except BadData as exc:
                log.error("pact: not offered: %s", exc)
                self._made[footprint.id] = None
        return self._made[footprint.id]


def _standing(offer: Offer, gone: set[str]) -> Offer:
    if offer.document.id not in gone:
        return offer
    return Offer(offer.product, msgspec.structs.replace(offer.document, status="Deprecated"))
