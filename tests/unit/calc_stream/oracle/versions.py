"""Site models as parsed TOML, one after the other in force."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

EVER = 1 << 62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_WH = {"Wh": 1, "kWh": 1000, "MWh": 10**6, "kJ": Fraction(10, 36), "MJ": Fraction(10**4, 36)}
_ENERGY = {**_PER_WH, "GJ": Fraction(10**7, 36)}
_VOLUME = {"L": 1, "m3": 1000}
_MASS = {"g": 1, "kg": 1000, "t": 10**6}
UNITS = {**_ENERGY, **_VOLUME, **_MASS, "Nm3": 1}


def convert(unit: str, to: str) -> Fraction:
    """How many `to` one `unit` is; both are of one kind."""
    return Fraction(UNITS[unit]) / Fraction(UNITS[to])


class Version:
    """One version: in force from `since` up to `until`."""

    def __init__(self, model: dict[str, Any], since: int, until: int) -> None:
        self.since, self.until = since, until
        self.zone = model.get("timezone", "UTC")
        self.slot_ms = model["slot_s"] * 1000
        self.policy: dict[str, Any] = model.get("policy", {})
        self.carriers: dict[str, Any] = model.get("carriers", {})
        self.sources: dict[str, Any] = model.get("sources", {})
        self.buses: dict[str, Any] = model.get("buses", {})
        self.utilities: dict[str, Any] = model.get("utilities", {})
        self.stores: dict[str, Any] = model.get("stores", {})
        self.nodes: dict[str, Any] = model.get("nodes", {})
        self.exports: dict[str, Any] = model.get("exports", {})
        self.meters: list[dict[str, Any]] = model.get("meters", [])
        self.links: list[dict[str, Any]] = model.get("links", [])

    @property
    def spreads(self) -> bool:
        return bool(self.policy.get("spread", "none") != "none")

    def carrier(self, meter: dict[str, Any]) -> dict[str, Any]:
        """The carrier that flows through a meter."""
        places = {**self.sources, **self.buses, **self.stores}
        along = [places[end]["carrier"] for end in (meter["from"], meter["to"]) if end in places]
        found: dict[str, Any] = self.carriers[along[0] if along else meter["carrier"]]
        return found

    def kwh_per_quantum(self, carrier: dict[str, Any]) -> Fraction:
        if carrier["unit"] in _ENERGY:
            return convert(carrier["unit"], "kWh") / carrier["quanta_per_unit"]
        return Fraction(carrier.get("kwh_per_unit", "0")) / carrier["quanta_per_unit"]

    def efficiency(self, store: str) -> Fraction:
        return Fraction(self.stores[store].get("efficiency", "1"))


def versions_of(models: list[dict[str, Any]]) -> list[Version]:
    """In the order in which they come into force."""
    begins = {}
    for model in models:
        at = model.get("valid_from")
        begins[-EVER if at is None else (at - _EPOCH) // timedelta(milliseconds=1)] = model
    order = sorted(begins)
    ends = [*order[1:], EVER]
    return [Version(begins[t], t, end) for t, end in zip(order, ends, strict=True)]


def at(versions: list[Version], t_ms: int) -> Version:
    """The one in force just after `t_ms`; before the first, the first."""
    return [v for v in versions if v.since <= t_ms or v is versions[0]][-1]
