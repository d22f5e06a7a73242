"""Pure: from a ledger's postings to kg by account, with the factors that held in each period.

Energy is summed by account, source and period (a time in which no factor changes), inherited energy
goes the same way, and mass follows last.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from calc_stream.core import Batch, Postings, SiteModel
from calc_stream.core.genealogy import inherited
from calc_stream.core.linear import Vector
from calc_stream.factors import FactorSet, Rates, cuts
from calc_stream.factors.method import Method
from wire.errors import ConfigError

Totals = dict[str, dict[str, dict[int, int]]]  # quanta by account, source and begin of a period
Burden = dict[str, dict[int, Fraction]]  # quanta by source and begin of a period


def periods_of(model: SiteModel, factors: FactorSet, postings: Postings) -> list[int]:
    """The begins of the periods the postings lie in. Raises ConfigError where one ends inside an
    interval."""
    if not postings.starts.size:
        return [0]
    first, last = int(postings.starts.min()), int(postings.ends.max())
    found = cuts(model, factors, first, last)
    for t_ms in found:
        across = (postings.starts < t_ms) & (postings.ends > t_ms)
        if across.any():
            raise ConfigError(
                f"factors: another one holds from {t_ms} ms on, which is no edge of the site's time:"
                " slot_s must divide the hour"
            )
    return [first, *found]


def totals_of(postings: Postings, periods: Sequence[int]) -> Totals:
    """Quanta by account, source and period; zeros left out."""
    at = np.searchsorted(np.array(periods, dtype=np.int64), postings.starts, "right") - 1
    found: Totals = {}
    rows = zip(postings.account.tolist(), postings.source.tolist(), at.tolist(), strict=True)
    for (account, source, period), quanta in zip(rows, postings.quanta.tolist(), strict=True):
        by_source = found.setdefault(postings.accounts[account], {})
        by_period = by_source.setdefault(postings.sources[source], {})
        begin = periods[period]
        by_period[begin] = by_period.get(begin, 0) + quanta
    return found


def given_of(totals: Totals) -> dict[str, dict[int, int]]:
    """What each source gave the site by period: the sum over all accounts."""
    found: dict[str, dict[int, int]] = {}
    for sources in totals.values():
        for source, periods in sources.items():
            own = found.setdefault(source, {})
            for begin, quanta in periods.items():
                own[begin] = own.get(begin, 0) + quanta
    return found


def burdens_of(totals: Totals, batches: Mapping[str, Batch]) -> dict[str, Burden]:
    """Own and inherited quanta of every batch by source and period."""
    own = {
        name: {
            f"{source}@{begin}": quanta
            for source, periods in totals.get(f"batch:{name}", {}).items()
            for begin, quanta in periods.items()
        }
        for name in batches
    }
    came, _ = inherited(batches, own)
    return {name: _together(own[name], came[name]) for name in batches}


def rates_for(model: SiteModel, factors: FactorSet, method: Method, totals: Totals) -> Rates:
    """The rates of all periods, contracts included."""
    return Rates(model, factors, method, given_of(totals))


def _together(own: Mapping[str, int], came: Vector) -> Burden:
    found: Burden = {}
    for part in (own, came):
        for key, quanta in part.items():
            source, _, begin = key.rpartition("@")
            periods = found.setdefault(source, {})
            periods[int(begin)] = periods.get(int(begin), Fraction(0)) + quanta
    return found
