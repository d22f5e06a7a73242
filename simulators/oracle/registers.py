"""Pure: readings to one ever-growing total per meter (rule 2 of the records)."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

from wire.errors import BadData
from wire.units import convert

_BOOKED = ("good", "interpolated", "backfilled")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> int:
    """ISO 8601 with a zone, at most ms, to UTC ms. Raises BadData."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise BadData(f"{text!r} is not a time") from exc
    if moment.tzinfo is None or moment.microsecond % 1000:
        raise BadData(f"{text!r} needs a zone and at most milliseconds")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class MeterTotal:
    """The cumulative total of one meter at its readings, and the quanta between them."""

    def __init__(self, points: dict[int, Fraction], quanta_per_unit: Fraction) -> None:
        self._times = sorted(points)
        self._totals = [points[t] for t in self._times]
        self._scale = quanta_per_unit
        self.first_ms, self.last_ms = self._times[0], self._times[-1]
        self.swaps_ms: list[int] = []

    def quanta(self, t_ms: int) -> int:
        """The total at an edge, in whole quanta: linear between readings, floored once."""
        i = bisect_left(self._times, t_ms)
        total = self._totals[i]
        if self._times[i] != t_ms:
            before, after = self._times[i - 1], self._times[i]
            rise = self._totals[i] - self._totals[i - 1]
            total = self._totals[i - 1] + rise * Fraction(t_ms - before, after - before)
        return math.floor(total * self._scale)

    def gap_ms(self, t_ms: int) -> int:
        """Time from the last reading before `t_ms` to the first after it."""
        i = bisect_left(self._times, t_ms)
        after = i + 1 if i < len(self._times) and self._times[i] == t_ms else i
        return self._times[min(after, len(self._times) - 1)] - self._times[max(i - 1, 0)]

    def around(self, from_ms: int, to_ms: int) -> tuple[int, int, int]:
        """(last reading until `from_ms`, first one from `to_ms` on, shortest gap between them)."""
        first = max(bisect_right(self._times, from_ms) - 1, 0)
        last = min(bisect_left(self._times, to_ms), len(self._times) - 1)
        times = self._times[first : last + 1]
        shortest = min((after - before for before, after in pairwise(times)), default=1)
        return times[0], times[-1], shortest


def read_registers(
    model: Mapping[str, Any], readings: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, MeterTotal], int]:
    """(total by meter, readings left out for their quality)."""
    known = {meter["id"]: meter for meter in model.get("meters", [])}
    registers: dict[str, dict[int, set[Fraction]]] = {}
    swaps: dict[str, dict[int, tuple[Fraction, Fraction]]] = {}
    left_out = set()
    for row in readings:
        meter, t_ms = row["meter"], parse_time(row["t"])
        if meter not in known:
            raise BadData(f"meter {meter!r} is not in the model")
        if row.get("event") == "swap":
            pair = (Fraction(row["closing"]), Fraction(row["opening"]))
            if swaps.setdefault(meter, {}).setdefault(t_ms, pair) != pair:
                raise BadData(f"two different swaps of {meter} at {row['t']}")
        elif (quality := row.get("quality", "good")) in _BOOKED:
            at = registers.setdefault(meter, {}).setdefault(t_ms, set())
            at.add(Fraction(row["register"]))
        else:
            left_out.add((meter, t_ms, Fraction(row["register"]), quality))
    meters = {}
    for meter in sorted({*registers, *swaps}):
        points = _totals(meter, registers.get(meter, {}), swaps.get(meter, {}))
        meters[meter] = MeterTotal(points, _quanta_per_unit(model, known[meter]))
        meters[meter].swaps_ms = sorted(swaps.get(meter, {}))
    return meters, len(left_out)


def _totals(
    meter: str,
    registers: Mapping[int, set[Fraction]],
    swaps: Mapping[int, tuple[Fraction, Fraction]],
) -> dict[int, Fraction]:
    points: dict[int, Fraction] = {}
    offset = Fraction(0)
    last: Fraction | None = None
    for t_ms in sorted({*registers, *swaps}):
        shown = registers.get(t_ms, set())
        if t_ms in swaps:
            closing, opening = swaps[t_ms]
            if not shown <= {closing, opening}:
                raise BadData(f"{meter} at {t_ms}: a register that the swap there does not know")
            register = closing
        else:
            if len(shown) > 1:
                raise BadData(f"{meter} at {t_ms}: two different registers")
            (register,) = shown
        total = register + offset
        if last is not None and total < last:
            raise BadData(f"{meter} at {t_ms}: lower than before, without a swap")
        points[t_ms] = last = total
        if t_ms in swaps:
            offset += closing - opening
    return points


def _quanta_per_unit(model: Mapping[str, Any], meter: Mapping[str, Any]) -> Fraction:
    carrier = model["carriers"][carrier_of(model, meter)]
    multiplier = Fraction(meter.get("multiplier", "1"))
    return multiplier * convert(meter["unit"], carrier["unit"]) * int(carrier["quanta_per_unit"])


def carrier_of(model: Mapping[str, Any], meter: Mapping[str, Any]) -> str:
    """A meter's carrier: told, or that of the source or bus at one of its ends."""
    if "carrier" in meter:
        return str(meter["carrier"])
    for end in (meter["from"], meter["to"]):
        for table in ("sources", "buses"):
            if end in model.get(table, {}):
                return str(model[table][end]["carrier"])
    raise BadData(f"meter {meter['id']}: no end of it has a carrier")
