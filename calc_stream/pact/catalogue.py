"""What is offered to others: published footprints that are no drafts, in the order of publishing.

A document is kept as it was when it was first offered: a name or a mass declared otherwise later is
one of later footprints. Only its status changes.

A list is of a moment: `upto` counts the footprints there were then, so its later pages say what its
first one said, whatever is published meanwhile.
"""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import Shelf
from calc_stream.pact.mapping import of_footprint
from calc_stream.pact.model import ProductFootprint
from calc_stream.pact.settings import Pact
from wire import signing
from wire.errors import BadData, TransientError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Offer:
    """A document, and the product it is of as we name it."""

    product: str
    document: ProductFootprint


class Catalogue:
    """Of one site; `folder`: what was offered. Thread-safe. Everything raises TransientError where
    the disk does not do its part."""

    def __init__(
        self, shelf: Shelf, site: str, declaration: Declaration, pact: Pact, folder: Path
    ) -> None:
        self._shelf, self._site, self._folder = shelf, site, folder
        self._declaration, self._pact = declaration, pact
        self._lock = threading.Lock()
        self._known: list[Footprint] = []
        self._made: dict[str, Offer | None] = {}

    def count(self) -> int:
        """How many footprints there are, offered or not."""
        with self._lock:
            return len(self._read())

    def offers(self, upto: int, since: int = 0) -> list[Offer]:
        """Of the footprints `since` to `upto`, as they stood when there were `upto`."""
        with self._lock:
            there = self._read()[:upto]
            gone = {before for footprint in there for before in footprint.supersedes}
            made = [self._offer(footprint) for footprint in there[since:]]
        return [_standing(offer, gone) for offer in made if offer is not None]

    def find(self, id_: str) -> Offer | None:
        """As it stands now."""
        wanted = id_.lower()
        found = (offer for offer in self.offers(self.count()) if offer.document.id == wanted)
        return next(found, None)

    def _read(self) -> list[Footprint]:
        if self._shelf.count(self._site) != len(self._known):
            self._known = self._shelf.all(self._site)
        return self._known

    def _offer(self, footprint: Footprint) -> Offer | None:
        if footprint.draft and not self._pact.drafts:
            return None
        if footprint.id not in self._made:
            try:
                self._made[footprint.id] = Offer(footprint.product, self._document(footprint))
            except BadData as exc:
                log.error("pact: not offered: %s", exc)
                self._made[footprint.id] = None
        return self._made[footprint.id]

    def _document(self, footprint: Footprint) -> ProductFootprint:
        """Raises BadData."""
        path = self._folder / f"{footprint.id}.json"
        try:
            if path.exists():
                return msgspec.json.decode(path.read_bytes(), type=ProductFootprint)
            made = of_footprint(footprint, self._declaration, self._pact.base)
            signing.keep(path, msgspec.json.encode(made), 0o644)
        except OSError as exc:
            raise TransientError(f"{path}: {exc.strerror}") from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BadData(f"{path}: is no document of ours: {exc}") from exc
        return made


def _standing(offer: Offer, gone: set[str]) -> Offer:
    if offer.document.id not in gone:
        return offer
    return Offer(offer.product, msgspec.structs.replace(offer.document, status="Deprecated"))
