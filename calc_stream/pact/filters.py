"""Which footprints are asked for: values of one name are alternatives, names are all to be met.

The same for a list, whose query says it, and for a request by event, whose data does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from calc_stream.pact.model import ProductFootprint
from wire.errors import BadData

WORDS = ("productId", "companyId", "geography", "classification", "status")
MOMENTS = ("validOn", "validAfter", "validBefore")
_NAMES = {name.lower(): name for name in (*WORDS, *MOMENTS)}


@dataclass(frozen=True)
class Criteria:
    """By name of the criterion; one that is not asked for is not there."""

    words: Mapping[str, frozenset[str]]
    moments: Mapping[str, datetime]

    def take(self, footprint: ProductFootprint) -> bool:
        """Whether it is one of those asked for."""
        return all(
            _named(name, footprint) & wanted for name, wanted in self.words.items()
        ) and self._holds(footprint)

    def _holds(self, footprint: ProductFootprint) -> bool:
        since = datetime.fromisoformat(footprint.validity_period_start)
        until = datetime.fromisoformat(footprint.validity_period_end)
        on, after, before = map(self.moments.get, MOMENTS)
        return (
            (on is None or since <= on <= until)
            and (after is None or since > after)
            and (before is None or until < before)
        )


def asked(pairs: Iterable[tuple[str, str]]) -> Criteria:
    """Raises BadData for a name or an instant nobody knows: what is not understood is not left out."""
    words: dict[str, set[str]] = {}
    moments: dict[str, datetime] = {}
    for told, value in pairs:
        name = _NAMES.get(told.lower())
        if name is None:
            known = ", ".join(_NAMES.values())
            raise BadData(f"{told!a:.60} is no criterion; known: {known}")
        if name in WORDS:
            words.setdefault(name, set()).add(value.casefold())
        elif name in moments:
            raise BadData(f"{name} is asked for twice")
        else:
            moments[name] = _moment(name, value)
    # The empty value of a name asks for nothing in particular.
    wanted = {name: frozenset(values) for name, values in words.items() if values != {""}}
    return Criteria(wanted, moments)


def _named(name: str, footprint: ProductFootprint) -> frozenset[str]:
    """What the footprint has of it. A country holds its subdivisions."""
    if name == "productId":
        own: Iterable[str] = footprint.product_ids
    elif name == "companyId":
        own = footprint.company_ids
    elif name == "classification":
        own = footprint.product_classifications or ()
    elif name == "status":
        own = (footprint.status,)
    else:
        part = footprint.pcf.geography_country_subdivision
        country = footprint.pcf.geography_country or (part or "").partition("-")[0]
        own = filter(None, (part, country))
    return frozenset(each.casefold() for each in own)


def _moment(name: str, value: str) -> datetime:
    try:
        # The plus of an offset that was not encoded arrives as a blank.
        found = datetime.fromisoformat(value.strip().replace(" ", "+"))
    except ValueError as exc:
        raise BadData(f"{name}: {value!a:.60} is no instant, as 2026-11-01T00:00:00Z") from exc
    return found if found.tzinfo else found.replace(tzinfo=UTC)
