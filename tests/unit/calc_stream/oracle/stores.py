"""What is in a store (rule 4)."""

from fractions import Fraction
from math import floor

from .versions import Version


class Store:
    """`level`: what can be taken out; `content`: whole quanta by source."""

    def __init__(self, version: Version, name: str) -> None:
        table = version.stores[name]
        per_unit = version.carriers[table["carrier"]]["quanta_per_unit"]
        self.level = Fraction(table.get("level", "0")) * per_unit
        self.content = {
            source: int(
                Fraction(amount)
                * version.carriers[version.sources[source]["carrier"]]["quanta_per_unit"]
            )
            for source, amount in table.get("content", {}).items()
        }
        self.shortage = Fraction(0)

    def give(self, out: int) -> dict[str, int]:
        """What leaves with `out` quanta of the carrier; taken off by `take`."""
        self._out = out
        if out == 0 or (out < 0 and self.level == 0):
            self._given: dict[str, int] = {}
        elif out < self.level:
            self._given = {s: floor(q * out / self.level) for s, q in self.content.items()}
        else:
            self._given = dict(self.content)
        return self._given

    def take(self, put: dict[str, int], into: int, efficiency: Fraction) -> None:
        """The end of the interval."""
        self.shortage += max(self._out - self.level, Fraction(0))
        self.level = max(self.level - self._out, Fraction(0)) + efficiency * into
        for source in {*put, *self._given}:
            change = put.get(source, 0) - self._given.get(source, 0)
            self.content[source] = self.content.get(source, 0) + change
