"""One round of one meter as a person wants to see it: words, values, and what to think of them."""

from dataclasses import dataclass
from fractions import Fraction

from edge_agent.drivers import Answer, Meter, Wanted
from edge_agent.exact import as_decimal, as_fraction
from edge_agent.field import judgement
from edge_agent.field.judgement import Check, Site
from edge_agent.field.order import exchanged
from edge_agent.field.words import Language, Text, say
from edge_agent.plausible import is_plausible
from wire.quantities import QUANTITIES


@dataclass(frozen=True)
class Row:
    """One quantity. `number`: None where nothing was measured or said, as `judgement` tells."""

    quantity: str
    where: str
    raw: str
    number: Fraction | None
    t_ms: int | None
    judgement: Text
    odd: bool = False

    @property
    def value(self) -> str:
        """The value with its unit, exactly."""
        if self.number is None:
            return ""
        unit = QUANTITIES[self.quantity].unit
        return as_decimal(self.number) + (f" {unit}" if unit != "1" else "")

    def as_json(self, language: Language = "en") -> dict[str, object]:
        """For programs; the value is an exact decimal in quotes."""
        return {
            "quantity": self.quantity,
            "value": None if self.number is None else as_decimal(self.number),
            "unit": QUANTITIES[self.quantity].unit,
            "t_ms": self.t_ms,
            "where": self.where,
            "raw": self.raw,
            "judgement": self.judgement.told(language),
            "ok": not self.odd,
        }


@dataclass(frozen=True)
class Round:
    """What one round brought; `missed`: why requests of it had no answer."""

    rows: tuple[Row, ...]
    checks: tuple[Check, ...]
    missed: tuple[str, ...]

    @property
    def odd(self) -> list[Row]:
        """Values one should look at."""
        return [row for row in self.rows if row.odd]

    def number(self, quantity: str) -> Fraction | None:
        """What was read of it."""
        return next((row.number for row in self.rows if row.quantity == quantity), None)

    def as_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "values": [row.as_json() for row in self.rows],
            "checks": [check.as_json() for check in self.checks],
            "missed": list(self.missed),
        }


async def take(wanted: Wanted, meter: Meter, site: Site) -> Round:
    """Read the meter once. Raises what `Meter.read` raises."""
    rows: list[Row] = []
    async for answer in meter.read():
        rows += _rows(wanted, answer, site)
    seen = {row.quantity for row in rows}
    for quantity in wanted.quantities:
        if quantity not in seen:
            why = say("not on this meter") if quantity in meter.absent else say("no answer")
            odd = quantity not in meter.absent
            rows.append(Row(quantity, "", "", None, None, why, odd))
    found = judgement.checks({row.quantity: row.number for row in rows}, site)
    return Round(tuple(rows), tuple(found), tuple(meter.missed))


def _rows(wanted: Wanted, answer: Answer, site: Site) -> list[Row]:
    shown = answer.shown()
    rows = []
    for quantity, value in answer.values.items():
        where, raw = shown.get(quantity, ("", ""))
        number = None if value is None else as_fraction(value)
        told = judgement.judge(quantity, number, site)
        odd = number is not None and not told.template.startswith("ok")
        if number is not None and not is_plausible(quantity, number, site.pt):
            other = exchanged(wanted, quantity, raw)
            if other and is_plausible(quantity, other, site.pt):
                told = say(
                    "implausible, but {value} with its words the other way round: word order?",
                    value=as_decimal(other),
                )
        rows.append(Row(quantity, where, raw, number, answer.t_ms, told, odd))
    return rows
