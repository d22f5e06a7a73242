"""Links whose flow is known without a meter, because what is lost on the way was declared.

A utility that passes one carrier on delivers what flowed in less its loss (a transformer); what a
bus with residual = "links" has left over flows on through its links. Exact, over one denominator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from calc_stream.core.plant import Link, Meter, SiteModel
from calc_stream.core.whole import Whole, add, mul, total, whole

Edge = Meter | Link


@dataclass(frozen=True, slots=True)
class Known:
    """A flow: numbers / over quanta, row by row."""

    numbers: Whole
    over: int

    def times(self, part: Fraction) -> "Known":
        """A constant part of it."""
        return Known(mul(self.numbers, whole(part.numerator)), self.over * part.denominator)


def known_links(model: SiteModel) -> tuple[Link, ...]:
    """The links whose flow is known, each behind those it follows from."""
    found: list[Link] = []

    def visit(link: Link) -> None:
        if link in found or not _declared(model, link):
            return
        for edge in _inflows(model, link.start):
            if isinstance(edge, Link):
                visit(edge)
        found.append(link)

    for link in model.links:
        visit(link)
    return tuple(found)


def unknown_link(model: SiteModel, link: Link, seen: tuple[str, ...] = ()) -> str:
    """Why the flow of a link cannot be known; empty when it can."""
    if not _declared(model, link):
        return f"{link.start} declares no loss"
    if link.start in seen:
        return f"it depends on itself ({link.start})"
    carriers = set()
    for edge in _inflows(model, link.start):
        if isinstance(edge, Meter):
            carriers.add(edge.carrier)
        elif why := unknown_link(model, edge, (*seen, link.start)):
            return why
    ends = {model.buses[link.end].carrier} if link.end in model.buses else set()
    if len(carriers | ends) > 1:
        return f"{' and '.join(sorted(carriers | ends))} are not one carrier"
    return ""


def flows_of_links(
    model: SiteModel, links: tuple[Link, ...], flows: Mapping[str, Whole], rows: int
) -> dict[Link, Known]:
    """`links`: as `known_links` gives them; `flows`: quanta by meter."""
    found: dict[Link, Known] = {}
    for link in links:
        start = link.start
        arrived = added(_inflows(model, start), flows, found, rows)
        if start in model.buses:
            metered = [flows[m.id] for m in model.meters if m.start == start]
            drawn = mul(total(metered, np.zeros(rows, dtype=np.int64)), whole(arrived.over))
            left = Known(add(arrived.numbers, -drawn), arrived.over)
        else:
            left = arrived.times(1 - (model.utilities[start].loss or Fraction(0)))
        shares = [_share(other) for other in model.links if other.start == start]
        found[link] = left.times(_share(link) / sum(shares) * (1 - (link.loss or Fraction(0))))
    return found


def added(
    edges: tuple[Edge, ...], flows: Mapping[str, Whole], known: Mapping[Link, Known], rows: int
) -> Known:
    """The sum of the flows of edges that are metered or known."""
    metered = total([flows[e.id] for e in edges if isinstance(e, Meter)], np.zeros(rows, np.int64))
    linked = [known[edge] for edge in edges if isinstance(edge, Link)]
    if not linked:
        return Known(metered, 1)
    over = lcm(*(flow.over for flow in linked))
    parts = [mul(flow.numbers, whole(over // flow.over)) for flow in linked]
    return Known(total([mul(metered, whole(over)), *parts], metered), over)


def _declared(model: SiteModel, link: Link) -> bool:
    """Whether anything was said of what is lost on the way into this link, or along it."""
    utility = model.utilities.get(link.start)
    return utility.loss is not None if utility else link.loss is not None


def _inflows(model: SiteModel, place: str) -> tuple[Edge, ...]:
    edges: tuple[Edge, ...] = (*model.meters, *model.links)
    return tuple(edge for edge in edges if edge.end == place)


def _share(link: Link) -> Fraction:
    return Fraction(1) if link.share is None else link.share
