"""Control charts of a site's products, made anew only after a revision."""

from calc_stream.ledger.limits import beyond
from calc_stream.site import Site


class Charts:
    """Remembers which batches are beyond the limits of their product."""

    def __init__(self) -> None:
        self._known: tuple[int, int] = (0, 0)
        self._over: frozenset[str] = frozenset()

    def over(self, site: Site) -> frozenset[str]:
        """By the newest revision of each batch. The site may not change meanwhile."""
        latest = site.book.latest
        known = len(latest), max((row.offset for row in latest.values()), default=0)
        if known != self._known:
            self._known, self._over = known, frozenset(beyond(latest.values()))
        return self._over
