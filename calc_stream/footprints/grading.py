"""Which grade a product's figure earns, by limits that somebody else sets.

~~~toml
source = "the document that sets the limits"
product = "wheel-17"            # optional: refuse any other
unit = "piece"                  # must be the figure's
method = "gbt24067"             # must be the figure's
boundary = "gate_to_gate"       # or cradle_to_gate: with purchased inputs

[[class]]                       # the best one first; up to and including its limit
name = "A"
upto = "6.5"

[[class]]
name = "B"
upto = "8"

[[class]]                       # the last one may be without a limit
name = "C"
~~~

No grade is claimed more surely than the meters allow: where the 95 % interval reaches over a limit,
every class it touches is possible.
"""

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import msgspec

from calc_stream.core.decimals import parse_fraction, shortest
from calc_stream.footprints.footprint import Boundary, Footprint
from wire import config
from wire.config import refuse
from wire.errors import ConfigError


class Class(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`upto` in kg CO2e for a unit; None: whatever is above the class before."""

    name: str
    upto: str | None = None


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    source: str
    unit: str
    method: str
    classes: Annotated[tuple[Class, ...], msgspec.Meta(min_length=1)] = msgspec.field(name="class")
    boundary: Boundary = "gate_to_gate"
    product: str = ""


class Quality(msgspec.Struct, frozen=True):
    """What the figure stands on."""

    factor_status: str
    measured_share: str
    measured_activity_share: str
    primary_data_share: str
    traceable_share: str | None
    batches: int
    incomplete_batches: int
    draft: bool


class Grade(msgspec.Struct, frozen=True):
    """`intensity`: kg CO2e for one unit within the boundary, `u95`: of its own energy.

    `running`: the period was not over, so the figure is not that of the whole of it.
    `grade`: None above the last limit. `possible`: all classes the 95 % interval touches, the best
    first, "" for none of them; only the one itself where `u95` is not known, and then `sure` is None.
    """

    product: str
    footprint: str
    period: str
    running: bool
    unit: str
    method: str
    boundary: Boundary
    intensity: str
    u95: str | None
    grade: str | None
    possible: tuple[str, ...]
    sure: bool | None
    quality: Quality
    source: str


def load_thresholds(path: Path) -> Thresholds:
    """Raises ConfigError naming file, key and the cure."""
    found = config.load(path, Thresholds)
    last = Fraction(-1)
    for number, each in enumerate(found.classes):
        key = f"class[{number}]"
        if [one.name for one in found.classes].count(each.name) > 1 or not each.name:
            raise refuse(path, f"{key}.name", "must be a name of its own")
        if each.upto is None:
            if each is not found.classes[-1]:
                raise refuse(path, f"{key}.upto", "is missing: only the last class may be without")
            continue
        try:
            limit = parse_fraction(each.upto)
        except ValueError as exc:
            raise refuse(path, f"{key}.upto", str(exc)) from exc
        if limit <= last:
            raise refuse(path, f"{key}.upto", "must be above that of the class before, and above 0")
        last = limit
    return found


def grade(footprint: Footprint, thresholds: Thresholds) -> Grade:
    """Raises ConfigError for a figure these limits are not for."""
    _check(footprint, thresholds)
    figure = parse_fraction(footprint.kg_co2e)
    if thresholds.boundary == "cradle_to_gate":
        figure += parse_fraction(footprint.upstream_kg_co2e or "0")
    u95 = footprint.u95.kg_co2e
    own = _class_of(figure, thresholds)
    possible: tuple[str, ...] = (own,)
    if u95 is not None:
        doubt = parse_fraction(u95)
        names = [*(each.name for each in thresholds.classes), ""]
        low, high = (
            _class_of(x, thresholds) for x in (max(figure - doubt, Fraction(0)), figure + doubt)
        )
        possible = tuple(names[names.index(low) : names.index(high) + 1])
    return Grade(
        product=footprint.product,
        footprint=footprint.id,
        period=footprint.period,
        running=footprint.is_running,
        unit=footprint.unit,
        method=footprint.method,
        boundary=thresholds.boundary,
        intensity=shortest(figure),
        u95=u95,
        grade=own or None,
        possible=possible,
        sure=None if u95 is None else len(possible) == 1,
        quality=_quality(footprint),
        source=thresholds.source,
    )


def _check(footprint: Footprint, thresholds: Thresholds) -> None:
    for key in ("unit", "method", "product"):
        wanted, found = getattr(thresholds, key), getattr(footprint, key)
        if wanted and wanted != found:
            raise ConfigError(
                f"grade: {key}: the limits are for {wanted!r}, footprint {footprint.id} has {found!r}"
            )
    if thresholds.boundary == "cradle_to_gate" and footprint.boundary != "cradle_to_gate":
        raise ConfigError(
            f"grade: boundary: the limits are for cradle_to_gate, footprint {footprint.id} is"
            " gate_to_gate: declare all purchased inputs"
        )


def _class_of(figure: Fraction, thresholds: Thresholds) -> str:
    """ "" above the last limit."""
    for each in thresholds.classes:
        if each.upto is None or figure <= parse_fraction(each.upto):
            return each.name
    return ""


def _quality(footprint: Footprint) -> Quality:
    return Quality(
        footprint.factor_status,
        footprint.measured_share,
        footprint.measured_activity_share,
        footprint.primary_data_share,
        footprint.traceable_share,
        len(footprint.batches),
        len(footprint.incomplete),
        footprint.draft,
    )
