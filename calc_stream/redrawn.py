"""A published footprint drawn up again, from its batches' rows and what the journal says. Pure.

What people declare of purchased inputs is in no journal: it is taken from the footprint.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from calc_stream.core import Batch
from calc_stream.core.decimals import parse_fraction
from calc_stream.core.edges import span_of
from calc_stream.factors import Method
from calc_stream.footprints.bought import told
from calc_stream.footprints.doubt import Again, joint_budget
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


def others(footprint: Footprint, its: Ground, is_whole: bool) -> Iterator[str]:
    """What else was made in its time, as far as shown; `is_whole`: the journal from its first record on.

    Raises BadData when the period is over, for then all of the product is in the figure, and for a
    batch whose beginning, where its product is told, is kept out.
    """
    names = {used.batch for used in footprint.batches}
    ended = [batch for batch in its.made.batches.values() if _is_in_its_time(footprint, batch)]
    ours = [batch for batch in ended if batch.product == footprint.product]
    unit = _unit_of_uncounted(ours)
    left_out = [
        batch.id
        for batch in ours
        if batch.id not in names and (batch.unit or unit) in (None, footprint.unit)
    ]
    if left_out:
        said = f"of {footprint.product} were made in its time, too: {_listed(left_out)}"
        if footprint.end_ms == named_period(footprint.period, footprint.timezone).end_ms:
            raise BadData(f"batches: {said}")
        yield f"{said}; they were not settled, or the figure is not of them"
    otherwise = [batch.id for batch in ours if (batch.unit or unit) not in (None, footprint.unit)]
    if otherwise:
        said = _listed(otherwise)
        yield f"of {footprint.product} are counted in another unit, so not in this figure: {said}"
    unnamed = [batch for batch in ended if batch.product is None and batch.id not in names]
    if is_whole or not unnamed:
        return
    said = _listed([batch.id for batch in unnamed])
    if any(batch.first_start_ms is None for batch in unnamed):
        raise BadData(f"batches: ended in its time, and how they began is not shown: {said}")
    yield f"ended in its time, and of which product they are is not shown: {said}"


def _is_in_its_time(footprint: Footprint, batch: Batch) -> bool:
    stop_ms = batch.last_stop_ms
    return stop_ms is not None and footprint.start_ms <= stop_ms < footprint.end_ms


def _unit_of_uncounted(batches: Sequence[Batch]) -> str | None:
    """Batches nobody counted go with the unit most others are counted in."""
    units = Counter(batch.unit for batch in batches if batch.unit is not None)
    return max(sorted(units), key=units.__getitem__, default=None)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(sorted(names)[:_MOST_NAMES]) + more


def _check_upstream(footprint: Footprint) -> None:
    """Raises BadData for what nobody can declare: kg below nothing would hide own ones."""
    for number, each in enumerate(footprint.upstream):
        told = (("kg_co2e", each.kg_co2e, None), ("primary_share", each.primary_share or "0", 1))
        for key, text, most in told:
            try:
                value = parse_fraction(text)
            except ValueError as exc:
                raise BadData(f"upstream[{number}]: {key}: {exc}") from exc
            if value < 0 or (most is not None and value > most):
                raise BadData(f"upstream[{number}]: {key}: {text} cannot be")


def _redrawn(
    footprint: Footprint, rows: Sequence[BatchRow], its: Ground, method: Method
) -> Footprint:
    versions, made = its.basis.versions, its.made
    _check_upstream(footprint)
    if its.basis.factors is None or its.basis.rates is None:
        raise BadData("factors: none are among the records")
    posted = span_of(versions, its.told.readings)
    known = Again(
        *(its.periods, its.told.events, its.told.readings, made.batches, made.nodes, posted),
        lambda: its.posted().sums,
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
