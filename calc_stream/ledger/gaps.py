"""How much of each account lies in long reading gaps: measured at both ends, not in between."""

from collections.abc import Iterable, Mapping

import numpy as np

from calc_stream.core import Postings

Quanta = dict[str, dict[str, int]]  # by account and source


class Gaps:
    """Gapped quanta over the posted pages; only pages posted anew are counted anew."""

    def __init__(self) -> None:
        self._pages: dict[int, Quanta] = {}
        self._sums: Quanta = {}

    def follow(self, pages: Mapping[int, Postings], turned: Iterable[int]) -> set[str]:
        """Bring the sums up to these pages, of which some `turned`: they are others now, or gone. The
        accounts whose sum may have changed."""
        changed: set[str] = set()
        for page in turned:
            changed |= self._add(self._pages.pop(page, {}), -1)
            if page in pages and (found := gapped(pages[page])):
                self._pages[page] = found
                changed |= self._add(found, 1)
        return changed

    def pages(self) -> list[int]:
        """Those that have any."""
        return [*self._pages]

    def of(self, account: str) -> Mapping[str, int]:
        """Quanta by source."""
        return self._sums.get(account, {})

    def _add(self, found: Quanta, sign: int) -> set[str]:
        add_up(self._sums, found, sign)
        return set(found)


def add_up(sums: Quanta, found: Quanta, sign: int = 1) -> None:
    """Takes what was found into sums."""
    for account, own in found.items():
        mine = sums.setdefault(account, {})
        for source, quanta in own.items():
            mine[source] = mine.get(source, 0) + sign * quanta


def gapped(postings: Postings) -> Quanta:
    """What of postings lies in long gaps."""
    found: Quanta = {}
    for at in np.flatnonzero(postings.gapped).tolist():
        own = found.setdefault(postings.accounts[postings.account[at]].name, {})
        source = postings.sources[postings.source[at]]
        own[source] = own.get(source, 0) + int(postings.quanta[at])
    return found
