"""The definition of the calculation: everything told, in; the ledger, out.

Whatever else computes (live, incremental, distributed) must equal this, bit for bit.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from calc_stream.core.edges import edges_within, extra_cuts, incomplete_meters, span_of
from calc_stream.core.events import Event, Problem, in_force, misplaced, swaps_told
from calc_stream.core.ledger import Ledger, joined
from calc_stream.core.plant import SiteModel
from calc_stream.core.postings import Postings, network_of, post
from calc_stream.core.series import Readings, Span
from calc_stream.core.timeline import timelines
from calc_stream.core.whole import Rows

SLOTS_AT_ONCE = 1024  # keeps a block's columns in the processor's cache


def recompute(
    model: SiteModel,
    events: Iterable[Event],
    readings: Readings,
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> Ledger:
    """The ledger of the whole span, or of its intervals between `from_ms` and `to_ms`.

    Contradictions among events are followed as far as they make sense and listed in `problems`.
    """
    standing, problems = in_force(events)
    readings = readings.with_words(swaps_told(standing))
    nodes, more = timelines(model, standing)
    network = network_of(model)
    span = span_of(model, readings)
    cuts = extra_cuts(model, readings, standing)
    parts = [
        post(network, nodes, readings, edges)
        for whole in blocks(span, model.slot_ms, cuts)
        if (edges := _between(whole, from_ms, to_ms)).size > 1
    ]
    strange = misplaced(standing, {meter.id for meter in model.meters}, readings.standing)
    return ledger_of(model, readings, parts, [*problems, *more, *strange], span)


def ledger_of(
    model: SiteModel,
    readings: Readings,
    parts: Iterable[Postings],
    problems: Iterable[Problem],
    span: Span | None,
) -> Ledger:
    """Parts that follow each other, with what must be said beside them."""
    postings = joined(parts, tuple(model.sources))
    return Ledger(
        model.site,
        postings,
        incomplete_meters(model, readings, span),
        tuple(sorted(postings.untraced)),
        len(readings.left_out),
        tuple(sorted(problems, key=lambda problem: problem.order)),
    )


def blocks(span: Span | None, slot_ms: int, cuts: Rows) -> Iterator[Rows]:
    """The edges of the span in runs of SLOTS_AT_ONCE slots; neighbours share an edge."""
    if span is None:
        return
    start, end = span
    while start < end:
        stop = min((start // slot_ms + SLOTS_AT_ONCE) * slot_ms, end)
        yield edges_within((start, stop), slot_ms, cuts)
        start = stop


def _between(edges: Rows, from_ms: int | None, to_ms: int | None) -> Rows:
    lo = 0 if from_ms is None else int(np.searchsorted(edges, from_ms, "left"))
    hi = edges.size if to_ms is None else int(np.searchsorted(edges, to_ms, "right"))
    return edges[lo:hi]
