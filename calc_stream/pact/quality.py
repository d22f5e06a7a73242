"""Data quality ratings of PACT v3, 1 (best) to 5, by a rule of our own that needs no judgement.

Every factor, and what was bought, is rated three times and weighted by its kg:

technology    1 a factor of this plant or its supplier · 2 a footprint of a supplier · 3 an average ·
              5 what was bought and is only declared
geography     1 the same subdivision · 2 the same country, or a footprint of a supplier · 4 a region
              of several, the world · 5 elsewhere, or only declared
time          years between the factor's data and the period: 1 up to one · 2 up to three · 3 up to
              six · 4 up to ten · 5 more, or only declared; 2 for a footprint of a supplier
"""

from datetime import UTC, datetime
from fractions import Fraction

from calc_stream.core.decimals import parse_fraction, significant
from calc_stream.footprints.declaration import Company
from calc_stream.footprints.footprint import FactorUsed, Footprint, Upstream
from calc_stream.pact.model import DataQuality

_YEARS = ((1, 1), (3, 2), (6, 3), (10, 4))
_SUPPLIER = (2, 2, 2)
_DECLARED = (5, 5, 5)


def rated(footprint: Footprint, company: Company) -> DataQuality | None:
    """None where nothing was emitted: there is nothing to weigh by."""
    year = datetime.fromtimestamp(footprint.start_ms / 1000, UTC).year
    good = parse_fraction(footprint.good)
    weights = [
        (abs(parse_fraction(each.kg)) / good, _of_factor(each, company, year))
        for each in footprint.factors
    ]
    if footprint.boundary == "cradle_to_gate":
        weights += [(parse_fraction(u.kg_co2e), _of_bought(u)) for u in footprint.upstream]
    total = sum((weight for weight, _ in weights), Fraction(0))
    if not total:
        return None
    means = (sum((w * r[at] for w, r in weights), Fraction(0)) / total for at in range(3))
    return DataQuality(*(significant(mean, 3) for mean in means))


def _of_factor(factor: FactorUsed, company: Company, year: int) -> tuple[int, int, int]:
    if factor.region in (company.subdivision, company.country):
        place = 1 if factor.region == company.subdivision else 2
    else:
        shared = factor.region == "world" or factor.region.startswith(f"{company.country}-")
        place = 4 if shared else 5
    apart = abs(year - factor.data_year)
    time = next((rating for years, rating in _YEARS if apart <= years), 5)
    return 1 if factor.primary else 3, place, time


def _of_bought(bought: Upstream) -> tuple[int, int, int]:
    return _SUPPLIER if bought.pcf else _DECLARED
