"""Recorded readings, from a file somebody already has.

Two forms, told apart by the file's name. `.jsonl` is the readings of docs/records.md: `register` is
the cumulative register of `quantity` (a register named `NAME.export` is the other direction of the
meter NAME). `.csv` has a header with the columns time, meter, quantity and value in any order, and
perhaps profile; a time is ISO 8601 with a zone, or UTC milliseconds.

What no meter ever said (interpolated and estimated readings) is left out and counted.
"""

import csv
import io
import json
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from wire.config import refuse
from wire.errors import ConfigError
from wire.quantities import QUANTITIES

_SAID = ("good", "backfilled", "suspect")
_COLUMNS = {"time", "meter", "quantity", "value"}
_MOST_DIGITS = 18
Exact = tuple[int, int]  # a whole number, and how many of its digits are behind the point


class Series:
    """One quantity of one meter: whole numbers of 10**-`decimals`, in order of time. A value stands
    until the next one. Raises OverflowError if 64 bits do not hold them all."""

    def __init__(self, rows: Sequence[tuple[int, Exact]]) -> None:
        self.decimals = max(decimals for _, (_, decimals) in rows)
        self.times_ms = array("q", (t for t, _ in rows))
        self._numbers = array("q", (n * 10 ** (self.decimals - d) for _, (n, d) in rows))
        self._per = 10**self.decimals

    def at(self, t_ms: int) -> Fraction:
        """The reading in force at `t_ms`; before the first one, the first."""
        row = max(0, bisect_right(self.times_ms, t_ms) - 1)
        return Fraction(self._numbers[row], self._per)

    @property
    def rise(self) -> Fraction | None:
        """From the first to the last reading; None if it ever fell."""
        numbers = self._numbers
        if any(b < a for a, b in pairwise(numbers)):
            return None
        return Fraction(numbers[-1] - numbers[0], self._per)

    def steps(self) -> Iterator[tuple[int, Fraction]]:
        """(ms since the reading before, difference) of every reading but the first."""
        for row in range(1, len(self._numbers)):
            step = self._numbers[row] - self._numbers[row - 1]
            yield self.times_ms[row] - self.times_ms[row - 1], Fraction(step, self._per)


class Recorded(NamedTuple):
    """What is known of one meter. `swaps_ms`: when it was exchanged."""

    series: dict[str, Series]
    swaps_ms: list[int]
    profile: str


class Recording(NamedTuple):
    """A file's meters by name, the first and the last reading's time, and what was left out."""

    meters: dict[str, Recorded]
    first_ms: int
    last_ms: int
    left_out: Counter[str]


class _Row(NamedTuple):
    where: str  # file and line
    meter: str
    t_ms: int
    quantity: str = ""
    value: Exact = (0, 0)
    quality: str = "good"
    profile: str = ""


def load(path: Path, quantity: str = "active_energy_import") -> Recording:
    """The recording in `path`; `quantity` is what a `.jsonl` file's registers count.

    Raises ConfigError naming file, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {exc.start})") from exc
    if path.suffix == ".jsonl":
        return _gathered(path, _json_rows(path, text, quantity))
    if path.suffix == ".csv":
        return _gathered(path, _csv_rows(path, text))
    raise ConfigError(f"{path}: is neither .jsonl (see docs/records.md) nor .csv")


def _json_rows(path: Path, text: str, quantity: str) -> Iterator[_Row]:
    for n, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}: line {n}"
        try:
            record = json.loads(line, parse_float=Decimal)
        except ValueError as exc:
            raise ConfigError(f"{where}: is no JSON: {exc}") from exc
        if not isinstance(record, dict) or not {"meter", "t"} <= record.keys():
            raise ConfigError(f'{where}: is no reading: {{"meter": …, "t": …, "register": …}}')
        meter, export = str(record["meter"]), quantity
        if meter.endswith(".export"):
            meter, export = meter.removesuffix(".export"), "active_energy_export"
        row = _Row(where, meter, _time(where, "t", record["t"]))
        if "event" in record:
            yield row
        else:
            value = _number(where, "register", record.get("register"))
            quality = str(record.get("quality", "good"))
            yield row._replace(quantity=export, value=value, quality=quality)


def _csv_rows(path: Path, text: str) -> Iterator[_Row]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    missing = _COLUMNS - set(reader.fieldnames or ())
    if missing:
        raise refuse(f"{path}: line 1", ", ".join(sorted(missing)), "no such column in the header")
    for record in reader:
        where = f"{path}: line {reader.line_num}"
        yield _Row(
            where,
            record["meter"],
            _time(where, "time", record["time"]),
            record["quantity"],
            _number(where, "value", record["value"]),
            profile=record.get("profile") or "",
        )


def _gathered(path: Path, rows: Iterator[_Row]) -> Recording:
    values: dict[str, dict[str, dict[int, Exact]]] = {}
    swaps: dict[str, set[int]] = {}
    profiles: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    for row in rows:
        if not row.quantity:
            swaps.setdefault(row.meter, set()).add(row.t_ms)
        elif row.quality not in _SAID:
            left_out[row.quality] += 1
        elif row.quantity not in QUANTITIES:
            raise refuse(row.where, "quantity", f"{row.quantity!r} is no quantity")
        elif not row.meter:
            raise refuse(row.where, "meter", "is empty")
        else:
            known = values.setdefault(row.meter, {}).setdefault(row.quantity, {})
            if known.setdefault(row.t_ms, row.value) != row.value:
                raise refuse(row.where, row.meter, "has another value at this time in a line above")
            if profiles.setdefault(row.meter, row.profile) != row.profile:
                raise refuse(row.where, "profile", f"{row.meter} has another one in a line above")
    if not values:
        raise ConfigError(f"{path}: holds no reading")
    meters = {
        meter: Recorded(
            {name: _series(path, meter, name, of[name]) for name in sorted(of)},
            sorted(swaps.get(meter, ())),
            profiles[meter],
        )
        for meter, of in values.items()
    }
    times = [s.times_ms for recorded in meters.values() for s in recorded.series.values()]
    return Recording(meters, min(t[0] for t in times), max(t[-1] for t in times), left_out)


def _time(where: str, key: str, text: object) -> int:
    """UTC ms."""
    if str(text).isdecimal():
        return int(str(text))
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as exc:
        raise refuse(where, key, f"{text!r} is no time: 2026-11-21T08:00:00Z") from exc
    if moment.tzinfo is None:
        raise refuse(where, key, f"{text!r} has no zone; add Z or +08:00")
    return round(moment.timestamp() * 1000)


def _series(path: Path, meter: str, quantity: str, rows: dict[int, Exact]) -> Series:
    try:
        return Series(sorted(rows.items()))
    except OverflowError as exc:
        problem = f"{quantity} has values too big and too fine for one register"
        raise refuse(path, meter, problem) from exc


def _number(where: str, key: str, text: object) -> Exact:
    """The exact number, without zeros at its end."""
    try:
        _, digits, exponent = Decimal(str(text)).as_tuple()
    except InvalidOperation as exc:
        raise refuse(where, key, f"{text!r} is no decimal number") from exc
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    if not isinstance(exponent, int) or len(shown) > _MOST_DIGITS:
        raise refuse(where, key, f"{text!r} has no end, or more than {_MOST_DIGITS} digits")
    exponent += len(digits) - len(shown) if shown != "0" else -exponent
    if not -_MOST_DIGITS <= exponent <= _MOST_DIGITS - len(shown):
        raise refuse(where, key, f"{text!r} is too big or too fine for a register")
    sign = -1 if str(text).lstrip().startswith("-") else 1
    return sign * int(shown) * 10 ** max(0, exponent), max(0, -exponent)
