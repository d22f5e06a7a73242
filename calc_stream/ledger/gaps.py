"""How much of each account lies in long reading gaps: measured at both ends, not in between."""

from collections.abc import Iterable, Mapping

import numpy as np

from calc_stream.core import Postings


class Gaps:
    """Gapped quanta by account over the posted pages; only pages posted anew are counted anew."""

    def __init__(self) -> None:
        self._pages: dict[int, dict[str, int]] = {}
        self._sums: dict[str, int] = {}

    def follow(self, pages: Mapping[int, Postings], turned: Iterable[int]) -> set[str]:
        """Bring the sums up to these pages, of which some `turned`: they are others now, or gone. The
        accounts whose sum may have changed."""
        changed: set[str] = set()
        for page in turned:
            changed |= self._add(self._pages.pop(page, {}), -1)
            if page in pages and (found := _gapped(pages[page])):
                self._pages[page] = found
                changed |= self._add(found, 1)
        return changed

    def pages(self) -> list[int]:
        """Those that have any."""
        return [*self._pages]

    def of(self, account: str) -> int:
        """Quanta, all sources together."""
        return self._sums.get(account, 0)

    def _add(self, found: Mapping[str, int], sign: int) -> set[str]:
        for account, quanta in found.items():
            self._sums[account] = self._sums.get(account, 0) + sign * quanta
        return set(found)


def _gapped(postings: Postings) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in np.flatnonzero(postings.gapped).tolist():
        account = postings.accounts[postings.account[at]].name
        found[account] = found.get(account, 0) + int(postings.quanta[at])
    return found
