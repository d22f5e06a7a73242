"""Whether what a meter shows can be believed: each value, and the values with each other. Pure.

Nothing here is a proof. A finding says where a person should look: profile, word order, wiring,
transformers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from edge_agent.config import Metered
from edge_agent.drivers import Wanted
from edge_agent.field.words import Language, Text, say
from edge_agent.plausible import is_plausible, range_of
from wire.quantities import QUANTITIES

Values = Mapping[str, Fraction | None]
Level = Literal["ok", "look"]

_PHASES = (1, 2, 3)
_LITTLE = Fraction(1, 20)  # values of one round are read one after another, while the load changes
_MUCH = Fraction(1, 5)
_LEAST_W = 20  # below it, a meter's own error is larger than what is compared


class Check(NamedTuple):
    """One comparison of values with each other."""

    name: str
    level: Level
    text: Text

    def as_json(self, language: Language = "en") -> dict[str, object]:
        """For programs."""
        says = self.text.told(language)
        return {"check": self.name, "ok": self.level == "ok", "says": says}


@dataclass(frozen=True)
class Site:
    """What the site says of a meter: its transformers and the most its load draws."""

    ct: Fraction = Fraction(1)
    pt: Fraction = Fraction(1)
    secondary: frozenset[str] = frozenset()
    rated_w: Fraction | None = None

    @property
    def transformed(self) -> bool:
        """Whether ct and pt change anything."""
        return bool(self.secondary)


def site_of(metered: Metered) -> Site:
    """The site's word on a meter of the configuration."""
    bound = [
        1000 * register.per_hour
        for quantity, register in metered.bounds.items()
        if register.per_hour is not None and QUANTITIES[quantity].unit == "kWh"
    ]
    return site(metered.wanted, bound[0] if bound else None)


def site(wanted: Wanted, rated_w: Fraction | None = None) -> Site:
    """The same, with what the load draws told apart."""
    meanings = wanted.profile.meanings
    secondary = frozenset(quantity for quantity, meaning in meanings.items() if meaning.secondary)
    return Site(wanted.ct, wanted.pt, secondary, rated_w)


def judge(quantity: str, number: Fraction | None, site: Site) -> Text:
    """What a person should know about one value: ok, not measured, or implausible and why."""
    if number is None:
        return say("the meter does not measure it")
    unit = QUANTITIES[quantity].unit
    if not is_plausible(quantity, number, site.pt):
        if QUANTITIES[quantity].cumulative:
            return say(
                "implausible: a counter below zero" if number < 0 else "implausible: word order?"
            )
        low, high = range_of(quantity, site.pt) or (0, 0)
        if unit == "V" and number == 0:
            return say("nothing there: is the phase connected, the fuse in?")
        return say(
            "implausible: expected {low} to {high}; profile, word order or wiring?",
            low=f"{float(low):g}",
            high=f"{float(high):g}",
        )
    if unit == "W" and site.rated_w is not None and abs(number) > site.rated_w:
        share = f"{float(100 * abs(number) / site.rated_w):.0f}"
        return say("above rated_power_w ({share} %): its rating, or ct and pt?", share=share)
    if quantity in site.secondary and unit in ("W", "A", "VA", "var"):
        return (
            say("ok, times {factor}", factor=_factor(unit, site)) if site.ct * site.pt != 1 else _OK
        )
    return _OK


def checks(values: Values, site: Site) -> list[Check]:
    """The values of one round against each other; nothing about what was not read."""
    return [
        *_transformers(site),
        *_sum(values),
        *_products(values),
        *_signs(values),
        *_balance(values),
    ]


def ratios(own: Mapping[str, Fraction], site: Site) -> Iterator[Check]:
    """The meter's own transformer ratios against the configuration's."""
    for key, ratio in own.items():
        ours = site.ct if key == "ct" else site.pt
        same = ratio == ours
        if site.transformed or ours != 1:
            text = say(
                "the meter is set to {key} {own}, the configuration says {ours}"
                if not same
                else "the meter and the configuration say {key} {own}",
                key=key,
                own=shown(ratio),
                ours=shown(ours),
            )
            yield Check(f"ratio_{key}", "ok" if same else "look", text)
        else:
            text = say(
                "the meter is set to {key} {own}: compare with the transformer's plate",
                key=key,
                own=shown(ratio),
            )
            yield Check(f"ratio_{key}", "ok", text)


def shown(number: Fraction) -> str:
    """A number for a person: at most six digits."""
    return f"{float(number):.6g}"


_OK = say("ok")


def _factor(unit: str, site: Site) -> str:
    return f"ct {shown(site.ct)}" if unit == "A" else f"ct·pt {shown(site.ct * site.pt)}"


def _transformers(site: Site) -> Iterator[Check]:
    ratios = site.ct * site.pt
    if site.transformed and ratios == 1:
        text = say("ct and pt are 1: right only where the meter is connected without transformers")
        yield Check("transformers", "ok", text)
    if not site.transformed and (site.ct != 1 or site.pt != 1):
        text = say("ct and pt have no effect: this model shows values of the primary side itself")
        yield Check("transformers", "look", text)


def _three(values: Values, name: str) -> list[Fraction] | None:
    """The three phases of a quantity, where all were read."""
    found = [values.get(f"{name}_l{phase}") for phase in _PHASES]
    return [number for number in found if number is not None] if None not in found else None


def _sum(values: Values) -> Iterator[Check]:
    total, phases = values.get("active_power"), _three(values, "active_power")
    if total is None or phases is None:
        return
    added = sum(phases, Fraction(0))
    size = max(sum(map(abs, phases), Fraction(0)), Fraction(_LEAST_W))
    told = {"total": shown(total), "sum": shown(added)}
    if abs(total - added) <= _LITTLE * size + 1:
        text = say("the phases add up to the total: {sum} of {total} W", **told)
        yield Check("sum", "ok", text)
    else:
        text = say(
            "the phases add up to {sum} W, the total says {total} W: profile, or a current"
            " transformer?",
            **told,
        )
        yield Check("sum", "look", text)


def _products(values: Values) -> Iterator[Check]:
    """P = U * I * power factor, phase by phase; a meter of one phase has a total only."""
    alone = not any(f"{name}_l2" in values for name in ("voltage", "current"))
    for phase in ("_l1",) if alone else ("_l1", "_l2", "_l3"):
        power, volts, amperes, cosine = (
            values.get(f"{name}{phase}")
            for name in ("active_power", "voltage", "current", "power_factor")
        )
        if alone:
            power, cosine = values.get("active_power"), values.get("power_factor")
        if power is None or volts is None or amperes is None:
            continue
        apparent = abs(volts * amperes)
        expected = apparent * abs(cosine) if cosine is not None else apparent
        line = phase[1:].upper()
        told = {"line": line, "power": shown(power), "expected": shown(expected)}
        low = expected * (1 - _MUCH) - _LEAST_W if cosine is not None else Fraction(0)
        if low <= abs(power) <= expected * (1 + _MUCH) + _LEAST_W:
            if apparent >= _LEAST_W:
                text = say("{line}: {power} W agrees with U·I·cosφ, {expected} W", **told)
                yield Check(f"product{phase}", "ok", text)
            continue
        ratio = abs(power) / expected if expected else Fraction(0)
        text = say(
            "{line}: {power} W, but U·I·cosφ is {expected} W ({ratio} times):"
            " a transformer ratio, or the wrong register?",
            **told,
            ratio=f"{float(ratio):.3g}",
        )
        yield Check(f"product{phase}", "look", text)


def _signs(values: Values) -> Iterator[Check]:
    phases = _three(values, "active_power")
    total = values.get("active_power")
    if phases is not None and max(map(abs, phases)) >= _LEAST_W:
        negative = [f"L{n}" for n, power in enumerate(phases, 1) if power < -_LEAST_W]
        if negative and any(power > _LEAST_W for power in phases):
            text = say(
                "{lines} negative while others are positive: is a current transformer turned round,"
                " or on another phase?",
                lines=", ".join(negative),
            )
            yield Check("sign", "look", text)
            return
    if total is not None and total < -_LEAST_W:
        text = say(
            "power flows back ({total} W): right for a feed-in, else current transformers are"
            " turned round",
            total=shown(total),
        )
        yield Check("sign", "look", text)
    elif total is not None and total > _LEAST_W:
        yield Check("sign", "ok", say("power flows to the load"))


def _balance(values: Values) -> Iterator[Check]:
    volts = _three(values, "voltage")
    if volts is None or max(volts) <= 0 or min(volts) == 0:
        return
    spread = (max(volts) - min(volts)) / max(volts)
    told = {"low": shown(min(volts)), "high": shown(max(volts))}
    if spread <= _LITTLE * 2:
        text = say("the phase voltages are alike: {low} to {high} V", **told)
        yield Check("balance", "ok", text)
    else:
        text = say("the phase voltages differ: {low} to {high} V: a loose neutral or fuse?", **told)
        yield Check("balance", "look", text)


def worst(checks: Sequence[Check]) -> Level:
    """`look` if one says so."""
    return "look" if any(check.level == "look" for check in checks) else "ok"
