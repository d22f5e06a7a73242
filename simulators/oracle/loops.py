"""Pure: places that feed each other (a chiller cools the compressor that moves its valves)."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from graphlib import TopologicalSorter

Content = dict[str, Fraction]
Shares = Mapping[tuple[str, str], Fraction]  # (from, to) -> part of from's content that goes to to


def in_order(feeds: Mapping[str, set[str]]) -> list[list[str]]:
    """All places, each after those that feed it; places that feed each other stand together."""
    reached = {place: _reached(place, feeds) for place in feeds}
    group = {
        place: min(p for p in feeds if p == place or (p in reached[place] and place in reached[p]))
        for place in feeds
    }
    before: dict[str, set[str]] = {name: set() for name in group.values()}
    for place, fed in feeds.items():
        for other in fed:
            before[group[other]] |= {group[place]} - {group[other]}
    order = TopologicalSorter(before).static_order()
    return [[place for place in feeds if group[place] == name] for name in order]


def settled(
    places: Sequence[str], entering: Mapping[str, Content], shares: Shares
) -> dict[str, Content] | None:
    """What every place of a group holds when all has gone round; None where that never ends.

    It ends exactly when one unit put in everywhere makes a positive amount everywhere (Perron: the
    places all reach each other).
    """
    sources = sorted({source for content in entering.values() for source in content})
    rows = [
        [
            *(Fraction(one == place) - shares.get((one, place), Fraction(0)) for one in places),
            Fraction(1),
            *(entering[place].get(source, Fraction(0)) for source in sources),
        ]
        for place in places
    ]
    for at in range(len(rows)):
        pivot = next((row for row in rows[at:] if row[at]), None)
        if pivot is None:
            return None
        rows.remove(pivot)
        pivot = [value / pivot[at] for value in pivot]
        rows = [[v - row[at] * p for v, p in zip(row, pivot, strict=True)] for row in rows]
        rows.insert(at, pivot)
    answers = [row[len(places) :] for row in rows]
    if any(ones <= 0 for ones, *_ in answers):
        return None
    return {
        place: dict(zip(sources, held, strict=True))
        for place, (_, *held) in zip(places, answers, strict=True)
    }


def _reached(place: str, feeds: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [place]
    while waiting:
        for other in feeds[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found
