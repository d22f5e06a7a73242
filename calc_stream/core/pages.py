"""Pages: a version's time in runs of PAGE_SLOTS slots, each posted as one. Told by their start."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping

from calc_stream.core.ledger import joined
from calc_stream.core.postings import Postings
from calc_stream.core.stores import Stocks
from calc_stream.core.versions import Reign, Span, Versions

PAGE_SLOTS = 32


def page_at(versions: Versions, t_ms: int) -> tuple[Reign, Span]:
    """The page that holds `t_ms`, from when up to when; pages end where a version does."""
    reign = versions.reign_at(t_ms)
    length = reign.model.slot_ms * PAGE_SLOTS
    first = max(t_ms, reign.from_ms) // length * length
    return reign, (max(first, reign.from_ms), min(first + length, reign.to_ms))


def pages_within(versions: Versions, first_ms: int, last_ms: int) -> Iterator[int]:
    """The starts of the pages from the one that holds `first_ms` to the one that holds `last_ms`."""
    while first_ms <= last_ms:
        _, (start, end) = page_at(versions, first_ms)
        yield start
        first_ms = end


class Pages(Mapping[int, Postings]):
    """What is posted, by page. Live a page grows interval by interval, and its last one is posted again
    and again; so it is kept in parts, which are joined when somebody looks at it."""

    def __init__(self) -> None:
        self._order: list[int] = []
        self._parts: dict[int, list[tuple[int, Postings]]] = {}  # with their begins
        self._turned: set[int] = set()
        self._joined: dict[int, Postings] = {}

    def __getitem__(self, page: int) -> Postings:
        if page not in self._joined:
            parts = [part for _, part in self._parts[page]]
            self._joined[page] = joined(parts, parts[-1].sources)
        return self._joined[page]

    def __contains__(self, page: object) -> bool:
        return page in self._parts

    def __iter__(self) -> Iterator[int]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._parts)

    def cut(self, page: int, t_ms: int, intervals: int) -> list[Postings]:
        """Takes out what begins at an edge or later, so many intervals being before it."""
        gone = []
        at = bisect_left(self._order, page)
        kept = self._parts.pop(page, [])
        self._turn(page)
        while kept and kept[-1][0] >= t_ms:
            gone.append(kept.pop()[1])
        inside = intervals - sum(part.intervals for _, part in kept)
        if inside < 0:
            begin, part = kept.pop()
            before, after = part.split(t_ms, inside + part.intervals)
            kept.append((begin, before))
            gone.append(after)
        if kept:
            self._parts[page] = kept
        elif page in self._order[at : at + 1]:
            del self._order[at]
        return gone

    def put(self, page: int, t_ms: int, part: Postings) -> None:
        """Behind what the page has."""
        if page not in self._parts:
            insort(self._order, page)
        self._parts.setdefault(page, []).append((t_ms, part))
        self._turn(page)

    def turned(self) -> frozenset[int]:
        """The pages that are others or gone since this was asked last."""
        turned, self._turned = self._turned, set()
        return frozenset(turned)

    def within(self, first_ms: int, last_ms: int) -> list[int]:
        """From the one that holds the first instant, or is the last before it, to the last one's."""
        lo = max(bisect_right(self._order, first_ms) - 1, 0)
        return self._order[lo : bisect_right(self._order, last_ms)]

    def after(self, page: int) -> int | None:
        """The first page that begins later."""
        at = bisect_right(self._order, page)
        return self._order[at] if at < len(self._order) else None

    def begun(self, page: int) -> Stocks:
        """What is in the stores where a page begins: what the page before ended with."""
        at = bisect_left(self._order, page)
        return self._parts[self._order[at - 1]][-1][1].ended if at else {}

    def settled(self, page: int) -> bool:
        """Whether it is there, and its stores began as they do now."""
        return page in self._parts and self._parts[page][0][1].begun == self.begun(page)

    def untraced(self, page: int) -> bool:
        """Whether it has flows nothing explains."""
        return any(part.untraced for _, part in self._parts.get(page, ()))

    def _turn(self, page: int) -> None:
        self._joined.pop(page, None)
        self._turned.add(page)
