"""Pure: when what a source's energy weighs may change, from what the models and contracts name."""

from collections.abc import Iterator

from calc_stream.core import Marks, Versions
from calc_stream.factors.factor_set import FactorSet
from calc_stream.factors.row import HOUR_MS


def marks_of(versions: Versions, factors: FactorSet | None) -> Marks:
    """Every instant at which a row begins or ends that a version or a contract names for a source,
    and every end of a contract. A source with hourly rows or contracts goes by the hour."""
    at: dict[str, tuple[int, ...]] = {}
    hourly: set[str] = set()
    if factors is None:
        return Marks()
    for source in versions.sources:
        instants: set[int] = set()
        for first, last, by_hour in _stretches(versions, source, factors):
            instants |= {first} if last is None else {first, last}
            if by_hour and first % HOUR_MS == 0:
                hourly.add(source)
            elif by_hour and last is not None:
                instants |= set(range(first, last, HOUR_MS))
        if instants:
            at[source] = tuple(sorted(instants))
    return Marks(at, frozenset(hourly))


def _stretches(
    versions: Versions, source: str, factors: FactorSet
) -> Iterator[tuple[int, int | None, bool]]:
    """From when to when (None: open) something holds for a source, and whether hour by hour."""
    models = [r.model for r in versions.reigns if source in r.model.sources]
    contracts = [one for one in factors.instruments if one.source == source]
    names = {model.sources[source].factor for model in models} | {c.factor for c in contracts}
    for name in names:
        for row in factors.named(name) if name is not None else ():
            yield row.valid_from_ms, row.valid_to_ms, bool(row.hours)
    for one in contracts:
        by_hour = one.type != "residual_mix" and one.match == "hour"
        yield one.valid_from_ms, one.valid_to_ms, by_hour
