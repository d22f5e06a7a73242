"""Method profiles: which factors may enter, how gases and contracts count, what the policy must be.

Data, one TOML each in methods/. The postings of a site do not depend on the method, unless the method
demands another policy than the model's: `policy_for` says which.
"""

from dataclasses import replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from calc_stream.core.plant import Accepted as CoreAccepted
from calc_stream.core.plant import Policy, SiteModel
from calc_stream.factors.gwp import GwpSet, load_gwp
from calc_stream.factors.parts import Metric
from calc_stream.factors.row import KINDS, InventoryFactor, Kind, ProductFactor
from wire import config
from wire.config import refuse
from wire.errors import ConfigError

_FOLDER = Path(__file__).parent / "methods"


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The policies a method takes, the one it prefers first; none stated: the model's own."""

    setup: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    spread: tuple[str, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """What a method changes in a model's policy."""

    key: str
    model: str
    method: str


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """`gwp` and `c_to_co2`: how gases and carbon count · `electricity`: whether contracts do.

    `digits`: decimals of kg in results, rounded half-even, once. `declared_units`: the method's words
    for the units it takes; empty takes any.
    """

    id: str
    title: str
    standard: str
    gwp: str
    c_to_co2: Literal["44/12", "3.664"]
    factor_kind: Kind
    electricity: Literal["location", "market"]
    digits: int
    policy: Accepted
    declared_units: dict[str, str] = {}

    @property
    def kind(self) -> type[ProductFactor] | type[InventoryFactor]:
        """The one type of factor that may enter."""
        return KINDS[self.factor_kind]

    @cached_property
    def gwp_set(self) -> GwpSet:
        return load_gwp(self.gwp)

    @cached_property
    def metric(self) -> Metric:
        return Metric(Fraction(44, 12) if self.c_to_co2 == "44/12" else Fraction(self.c_to_co2),
                      self.gwp_set.numbers())  # fmt: skip

    def policy_for(self, policy: Policy) -> tuple[Policy, tuple[Difference, ...]]:
        """The policy the method computes with, and where it is not the model's."""
        differences = tuple(
            Difference(key, own, ways[0])
            for key, ways in self._stated.items()
            if (own := getattr(policy, key)) not in ways
        )
        return policy.among(self._stated), differences

    @cached_property
    def accepted(self) -> CoreAccepted:
        """The policies that count by this method, by key; of pools see `check`."""
        return {key: ways for key, ways in self._stated.items() if key != "spread"}

    @cached_property
    def _stated(self) -> CoreAccepted:
        return {key: ways for key, ways in msgspec.structs.asdict(self.policy).items() if ways}

    def adapted(self, model: SiteModel) -> SiteModel:
        """The model under the policy the method computes with."""
        return replace(model, policy=model.policy.among(self.accepted))

    def check(self, model: SiteModel) -> None:
        """Raises ConfigError for a model whose pools are not spread, where the method's are: by what
        and over which window only the site can say."""
        for difference in self.policy_for(model.policy)[1]:
            if difference.key == "spread":
                ways = " or ".join(self.policy.spread)
                said = f'is "{difference.model}"; method {self.id} spreads pools: by {ways}'
                raise refuse(model.file, "policy.spread", f"{said}; say which, and the window")

    def takes(self, unit: str | None) -> bool:
        """Whether kg for one of this unit may be stated; a batch nobody counted has none."""
        return unit is None or not self.declared_units or unit in self.declared_units

    def rounded(self, kg: Fraction) -> str:
        """A mass as text with the method's decimals."""
        scaled = round(kg * 10**self.digits)
        sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).rjust(self.digits + 1, "0")
        if not self.digits:
            return sign + digits
        return f"{sign}{digits[: -self.digits]}.{digits[-self.digits :]}"


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A method whose rules were not at hand."""

    id: str
    title: str
    standard: str
    missing: tuple[str, ...]


def known_methods() -> list[Method | Slot]:
    """Every profile and every slot, by id. Raises ConfigError."""
    return [_read(path) for path in sorted(_FOLDER.glob("*.toml"))]


def load_method(name: str) -> Method:
    """The profile of this id. Raises ConfigError naming those there are, or what a slot lacks."""
    known = {found.id: found for found in known_methods()}
    if name not in known:
        usable = ", ".join(i for i, found in known.items() if isinstance(found, Method))
        raise ConfigError(f"method: {name!r} is not a method profile; known: {usable}")
    found = known[name]
    if isinstance(found, Slot):
        lacks = ", ".join(found.missing)
        raise ConfigError(f"method: {name} cannot be used: missing are {lacks} ({found.standard})")
    return found


def _read(path: Path) -> Method | Slot:
    table = config.load(path, dict)
    name = str(path)
    found = (
        config.convert(table, Slot, name)
        if "missing" in table
        else config.convert(table, Method, name)
    )
    if found.id != path.stem:
        raise refuse(path, "id", f"must be the file's name, {path.stem}")
    if isinstance(found, Method):
        if not 0 <= found.digits <= 12:
            raise refuse(path, "digits", "must be from 0 to 12")
        load_gwp(found.gwp)
    return found
