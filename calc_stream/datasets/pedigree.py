"""Pure: the five scores of the pedigree matrix, 1 (best) to 5, derived by rule and never by opinion.

Reliability: of the site's own data 1 when all of it was read from meters with valid certificates,
2 when at least nine tenths were read from meters, else 3; of a factor 1 when it is primary, 2 when its
document was read, 3 when it is a transcription.
Completeness: 1 for the site's own data, which are all settled batches of the period, and for primary
factors; 2 for published averages; 3 for a batch of which a meter has no readings for part of the time,
and for a footprint with such a batch.
Temporal: by years between the period and the factor's data: under 3, 6, 10 and 15 give 1 to 4, else 5.
Geographical: 1 for own data and primary factors, and for factors of the site's own country
subdivision; 2 for its country; else 5.
Technological: 1 for own data and primary factors, 2 for published averages of the same carrier.
What a supplier states of a purchased input has no scores: nothing here was seen of it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from calc_stream.footprints.footprint import FactorUsed

INDICATORS = (
    "Reliability",
    "Completeness",
    "Temporal correlation",
    "Geographical correlation",
    "Further technological correlation",
)
RULE = " ".join(__doc__.split("\n\n", 1)[1].split())


class Pedigree(NamedTuple):
    """In the order of `INDICATORS`."""

    reliability: int
    completeness: int = 1
    temporal: int = 1
    geographical: int = 1
    technological: int = 1

    def __str__(self) -> str:
        return f"({';'.join(map(str, self))})"


def of_site(
    measured_share: str, traceable_share: str | None, *, incomplete: bool = False
) -> Pedigree:
    """What was metered here, in the period itself."""
    measured = Decimal(measured_share)
    traceable = traceable_share is not None and Decimal(traceable_share) == 1
    reliability = 1 if measured == 1 and traceable else 2 if measured >= Decimal("0.9") else 3
    return Pedigree(reliability, 3 if incomplete else 1)


def of_factors(factors: Sequence[FactorUsed], year: int, place: Sequence[str]) -> Pedigree | None:
    """The worst of several. `place`: the site's country and subdivision, as far as they are known."""
    each = [_of_factor(factor, year, place) for factor in factors]
    return Pedigree(*map(max, zip(*each))) if each else None


def _of_factor(factor: FactorUsed, year: int, place: Sequence[str]) -> Pedigree:
    temporal = 1 + sum(abs(year - factor.data_year) >= limit for limit in (3, 6, 10, 15))
    if factor.primary:
        return Pedigree(1, temporal=temporal)
    country, *subdivision = [name for name in place if name] or [""]
    geographical = 1 if factor.region in subdivision else 2 if factor.region == country else 5
    reliability = 2 if factor.status == "verified" else 3
    return Pedigree(reliability, 2, temporal, geographical, 2)
