"""The definition of the calculation: everything told, in; the ledger, out.

Whatever else computes (live, incremental, distributed) must equal this, bit for bit.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from calc_stream.core.batches import batches_of
from calc_stream.core.course import timelines
from calc_stream.core.edges import edges_within, extra_cuts, incomplete_meters, span_of
from calc_stream.core.events import Event, Problem, in_force, misplaced, swaps_told
from calc_stream.core.genealogy import rings
from calc_stream.core.ledger import Ledger, joined
from calc_stream.core.periods import Marks, Periods
from calc_stream.core.plant import SiteModel
from calc_stream.core.postings import Postings, network_of, post
from calc_stream.core.series import Readings, Span
from calc_stream.core.stores import Stocks
from calc_stream.core.versions import Versions
from calc_stream.core.whole import Rows

CELLS_AT_ONCE = 1 << 17  # meters times slots of a block: its matrices stay near the processor
SLOTS_AT_ONCE = 64, 4096  # at least and at most
_NO_MARKS = Marks()


def recompute(
    site: SiteModel | Versions,
    events: Iterable[Event],
    readings: Readings,
    from_ms: int | None = None,
    to_ms: int | None = None,
    marks: Marks = _NO_MARKS,
) -> Ledger:
    """The ledger of the whole span, or of its intervals between `from_ms` and `to_ms`.

    Contradictions among events are followed as far as they make sense and listed in `problems`.
    """
    versions = Versions.of(site)
    standing, problems = in_force(events)
    readings = readings.with_words(swaps_told(standing))
    batches, wrong = batches_of(standing)
    nodes, more = timelines(versions, standing, batches)
    periods = Periods(versions, marks)
    span = span_of(versions, readings)
    parts: list[Postings] = []
    ends: list[int] = []
    stocks: Stocks = {}
    for reign, part in versions.within(span):
        network = network_of(reign.model)
        cuts = extra_cuts(reign, readings, standing, periods, part)
        for edges in blocks(part, reign.model, cuts):
            before, wanted = _between(edges, from_ms, to_ms)
            if before.size > 1 and versions.stores:
                stocks = post(network, nodes, readings, before, stocks).ended
            if wanted.size > 1:
                parts.append(post(network, nodes, readings, wanted, stocks))
                stocks = parts[-1].ended
                ends += [int(wanted[0]), int(wanted[-1])]
    posted = (ends[0], ends[-1]) if ends else None
    strange = misplaced(standing, versions.meters, readings.standing)
    told = [*problems, *wrong, *rings(batches, batches), *more, *strange]
    return ledger_of(periods, readings, parts, told, span, posted)


def ledger_of(
    periods: Periods,
    readings: Readings,
    parts: Iterable[Postings],
    problems: Iterable[Problem],
    span: Span | None,
    posted: Span | None,
) -> Ledger:
    """Parts that follow each other, with what must be said beside them. `span`: of the readings;
    `posted`: of the parts."""
    versions = periods.versions
    postings = joined(parts, versions.sources)
    return Ledger(
        versions.site,
        postings,
        periods,
        posted,
        incomplete_meters(versions, readings, span),
        tuple(sorted(postings.untraced)),
        len(readings.left_out),
        tuple(sorted(problems, key=lambda problem: problem.order)),
    )


def blocks(span: Span, model: SiteModel, cuts: Rows) -> Iterator[Rows]:
    """The edges of the span in runs of many slots; neighbours share an edge."""
    least, most = SLOTS_AT_ONCE
    slots = min(max(CELLS_AT_ONCE // max(len(model.meters), 1), least), most)
    start, end = span
    while start < end:
        stop = min((start // model.slot_ms + slots) * model.slot_ms, end)
        yield edges_within((start, stop), model.slot_ms, cuts)
        start = stop


def _between(edges: Rows, from_ms: int | None, to_ms: int | None) -> tuple[Rows, Rows]:
    """The edges up to `from_ms`, and those from there to `to_ms`."""
    lo = 0 if from_ms is None else int(np.searchsorted(edges, from_ms, "left"))
    hi = edges.size if to_ms is None else int(np.searchsorted(edges, to_ms, "right"))
    return edges[: lo + 1], edges[lo:hi]
