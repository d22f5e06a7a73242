"""What is offered to others: published footprints that are no drafts, in the order of publishing.

A list is of a moment: `upto` counts the footprints there were then, so its later pages say what its
first one said, whatever is published meanwhile.
"""

import logging
import threading
from dataclasses import dataclass

from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import Shelf
from calc_stream.pact.mapping import of_footprint
from calc_stream.pact.model import ProductFootprint
from calc_stream.pact.settings import Pact
from wire.errors import BadData

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """A document, and the product it is of as we name it."""

    product: str
    document: ProductFootprint


class Catalogue:
    """Of one site. Thread-safe."""

    def __init__(self, shelf: Shelf, site: str, declaration: Declaration, pact: Pact) -> None:
        self._shelf, self._site = shelf, site
        self._declaration, self._pact = declaration, pact
        self._lock = threading.Lock()
        self._known: list[Footprint] = []
        self._made: dict[tuple[str, bool], Offer | None] = {}

    def count(self) -> int:
        """How many footprints there are, offered or not."""
        with self._lock:
            return len(self._read())

    def offers(self, upto: int, since: int = 0) -> list[Offer]:
        """Of the footprints `since` to `upto`, as they stood when there were `upto`."""
        with self._lock:
            there = self._read()[:upto]
            gone = {before for footprint in there for before in footprint.supersedes}
            made = [self._offer(footprint, footprint.id in gone) for footprint in there[since:]]
        return [offer for offer in made if offer is not None]

    def find(self, id_: str) -> Offer | None:
        """As it stands now."""
        wanted = id_.lower()
        found = (offer for offer in self.offers(self.count()) if offer.document.id == wanted)
        return next(found, None)

    def _read(self) -> list[Footprint]:
        if self._shelf.count(self._site) != len(self._known):
            self._known = self._shelf.all(self._site)
        return self._known

    def _offer(self, footprint: Footprint, is_superseded: bool) -> Offer | None:
        if footprint.draft and not self._pact.drafts:
            return None
        key = footprint.id, is_superseded
        if key not in self._made:
            try:
                document = of_footprint(
                    footprint, self._declaration, self._pact.base, is_superseded=is_superseded
                )
                self._made[key] = Offer(footprint.product, document)
            except BadData as exc:
                log.error("pact: not offered: %s", exc)
                self._made[key] = None
        return self._made[key]
