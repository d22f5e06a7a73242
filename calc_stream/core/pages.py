"""Pages: a version's time in runs of PAGE_SLOTS slots, each posted as one. Told by their start."""

from collections.abc import Iterator

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
