"""Readings to totals, and totals to quanta (rule 2)."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

from .versions import Version, convert

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def instant(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)


class Registers:
    """The running total of every meter at its readings; swaps count as readings."""

    def __init__(self) -> None:
        self.totals: dict[str, dict[int, Fraction]] = defaultdict(dict)
        self.swapped: dict[str, set[int]] = defaultdict(set)

    def times(self, meter: str) -> list[int]:
        return sorted(self.totals[meter])

    def swaps(self, meter: str) -> set[int]:
        return self.swapped[meter]

    def told(self, meter: str, first: int, last: int) -> bool:
        """Whether it was read over the whole of a time."""
        times = self.times(meter)
        return bool(times) and times[0] <= first and times[-1] >= last

    def quanta(self, version: Version, meter: dict[str, Any], begin: int, end: int) -> int:
        """Nothing outside its readings."""
        if not self.told(meter["id"], begin, end):
            return 0
        carrier = version.carrier(meter)
        scale = Fraction(meter.get("multiplier", "1")) * carrier["quanta_per_unit"]
        scale *= convert(meter["unit"], carrier["unit"])
        return floor(self._at(meter["id"], end) * scale) - floor(
            self._at(meter["id"], begin) * scale
        )

    def _at(self, meter: str, t_ms: int) -> Fraction:
        totals = self.totals[meter]
        before = max(t for t in totals if t <= t_ms)
        after = min(t for t in totals if t >= t_ms)
        if before == after:
            return totals[before]
        rise = totals[after] - totals[before]
        return totals[before] + rise * Fraction(t_ms - before, after - before)


def read(versions: list[Version], readings: list[dict[str, Any]]) -> Registers:
    """`readings` as the lines of the file."""
    told: dict[str, dict[int, list[Fraction]]] = defaultdict(dict)
    for row in readings:
        if row.get("event") == "swap":
            pair = [Fraction(row["closing"]), Fraction(row["opening"])]
            told[row["meter"]][instant(row["t"])] = pair
    for row in readings:
        if "event" not in row and row.get("quality", "good") in ("good", "backfilled"):
            told[row["meter"]].setdefault(instant(row["t"]), [Fraction(row["register"])])
    registers = Registers()
    for meter, points in told.items():
        counted_before = Fraction(0)
        for t_ms in sorted(points):
            registers.totals[meter][t_ms] = points[t_ms][0] + counted_before
            if len(points[t_ms]) == 2:
                registers.swapped[meter].add(t_ms)
                counted_before += points[t_ms][0] - points[t_ms][1]
    return registers
