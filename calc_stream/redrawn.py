"""A published footprint drawn up again, from its batches' rows and what the journal says. Pure.

What people declare of purchased inputs is in no journal: it is taken from the footprint.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from calc_stream.core import Batch, Event, Periods, Readings, Versions
from calc_stream.core.edges import span_of
from calc_stream.core.receivers import Nodes
from calc_stream.core.series import Span
from calc_stream.factors import Method
from calc_stream.footprints.bought import told
from calc_stream.footprints.doubt import joint_budget
from calc_stream.footprints.factor import Basis, Occasion, draw_up
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.identity import content_id
from calc_stream.footprints.period import named_period
from calc_stream.ledger.rows import BatchRow
from calc_stream.restated import Ground
from wire.errors import BadData

_MOST_NAMES = 5
_DIFFERENT = ("id", "evidence", "upto")


def check_footprint(
    footprint: Footprint, rows: Sequence[BatchRow], its: Ground, method: Method
) -> None:
    """Raises BadData naming the first field that does not follow from the rows, in the footprint's order
    of batches, and their records."""
    if footprint.id != content_id(footprint):
        raise BadData("id: is not the id of what it says")
    for used, row in zip(footprint.batches, rows, strict=True):
        hash_ = hashlib.sha256(msgspec.json.encode(row)).hexdigest()
        if (used.batch, used.revision, used.row) != (row.batch, row.revision, hash_):
            raise BadData(f"batches: {used.batch}: is another revision than the one it stands on")
        _check_belongs(footprint, row)
    found = _redrawn(footprint, rows, its, method)
    for field in footprint.__struct_fields__:
        stated, now = getattr(footprint, field), getattr(found, field)
        if field not in _DIFFERENT and stated != now:
            raise BadData(f"{field} is stated as {stated!r}; its batches give {now!r}")
    over = named_period(footprint.period, footprint.timezone).end_ms
    if footprint.end_ms not in (over, max(row.ended_ms or 0 for row in rows) + 1):
        raise BadData("end_ms: is neither the end of the period nor that of its last batch")
    ours = footprint.evidence
    if (found.evidence.offset, found.evidence.basis) != (ours.offset, ours.basis):
        raise BadData("evidence: is not that of its batches")


def _check_belongs(footprint: Footprint, row: BatchRow) -> None:
    """Raises BadData for a batch of another product, unit, method or time."""
    its = (row.site, row.product, row.method)
    if its != (footprint.site, footprint.product, footprint.method):
        raise BadData(f"batches: {row.batch}: is of another site, product or method")
    if row.unit not in (None, footprint.unit):
        raise BadData(f"batches: {row.batch}: is counted in {row.unit}")
    if row.ended_ms is None or not footprint.start_ms <= row.ended_ms < footprint.end_ms:
        raise BadData(f"batches: {row.batch}: did not end in {footprint.period}")


def others(footprint: Footprint, its: Ground) -> Iterator[str]:
    """What else of the product was made in its time. Raises BadData when the period is over, for then
    all of it is in the figure."""
    names = {used.batch for used in footprint.batches}
    left_out = sorted(
        batch.id
        for batch in its.made.batches.values()
        if batch.product == footprint.product
        and batch.id not in names
        and batch.last_stop_ms is not None
        and footprint.start_ms <= batch.last_stop_ms < footprint.end_ms
        and batch.unit in (None, footprint.unit)
    )
    if not left_out:
        return
    more = f" and {len(left_out) - _MOST_NAMES} more" if len(left_out) > _MOST_NAMES else ""
    which = ", ".join(left_out[:_MOST_NAMES]) + more
    said = f"of {footprint.product} were made in its time, too: {which}"
    if footprint.end_ms == named_period(footprint.period, footprint.timezone).end_ms:
        raise BadData(f"batches: {said}")
    yield f"{said}; they were not settled, or the figure is not of them"


@dataclass(frozen=True)
class _Known:
    """The ground as the footprint's budget wants it."""

    versions: Versions
    periods: Periods
    events: dict[str, Event]
    readings: Readings
    batches: dict[str, Batch]
    nodes: Nodes
    posted: Span | None


def _redrawn(
    footprint: Footprint, rows: Sequence[BatchRow], its: Ground, method: Method
) -> Footprint:
    versions, made = its.basis.versions, its.made
    if its.basis.factors is None or its.basis.rates is None:
        raise BadData("factors: none are among the records")
    posted = span_of(versions, its.told.readings)
    known = _Known(
        *(versions, its.periods, its.told.events, its.told.readings),
        *(dict(made.batches), made.nodes, posted),
    )
    budget = joint_budget(known, rows, its.basis.rates)
    bought = told(footprint.upstream, footprint.boundary == "cradle_to_gate")
    basis = Basis(
        *(footprint.site, method, versions, its.basis.factors, its.basis.rates, made.lots),
        told=bought,
    )
    occasion = Occasion(
        named_period(footprint.period, versions.reigns[-1].model.timezone),
        footprint.end_ms,
        footprint.cause,
        footprint.published_ms,
        footprint.valid_until_ms - footprint.valid_from_ms,
        footprint.supersedes,
    )
    hashes = {used.batch: used.row for used in footprint.batches}
    return draw_up(rows, hashes, basis, budget, occasion)
