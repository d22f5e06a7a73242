"""How much of each account lies in long reading gaps: measured at both ends, not in between."""

from collections.abc import Mapping

import numpy as np

from calc_stream.core import Postings


class Gaps:
    """Gapped quanta by account over the posted pages; only pages posted anew are counted anew."""

    def __init__(self) -> None:
        self._pages: dict[int, tuple[Postings, dict[str, int]]] = {}
        self._sums: dict[str, int] = {}

    def follow(self, pages: Mapping[int, Postings]) -> set[str]:
        """Bring the sums up to these pages; the accounts whose sum may have changed.

        A page that was posted anew is another object, so the rest is known by identity.
        """
        changed: set[str] = set()
        for page in {*self._pages, *pages}:
            known, postings = self._pages.get(page), pages.get(page)
            if known is not None and known[0] is postings:
                continue
            if known is not None:
                changed |= self._add(self._pages.pop(page)[1], -1)
            if postings is not None:
                found = _gapped(postings)
                self._pages[page] = postings, found
                changed |= self._add(found, 1)
        return changed

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
