"""Pure: contracts for electricity, and which part of a source's energy each of them covers.

An instrument covers what the source gave in each of its windows (hours, or its whole validity) up to
its volume; instruments take in the order in which they are declared, a residual mix what is left.
Two contracts never cover the same energy, and nothing is covered beyond what was used.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from calc_stream.factors.parts import number
from calc_stream.factors.row import HOUR_MS
from wire.errors import BadData
from wire.units import UNITS, convert


class Instrument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A power purchase agreement, certificates, or the residual mix for what neither covers.

    `factor` names the rows that hold for what it covers. `volumes` in `unit`: of each hour from
    `valid_from_ms` (one number: of every hour), or with `match` period one for the whole time; a
    residual mix has none. `certificates` were cancelled for it, each of `certificate_volume`.
    """

    id: str
    type: Literal["ppa", "certificates", "residual_mix"]
    source: str
    factor: str
    valid_from_ms: int
    valid_to_ms: int
    publisher: str
    document: str
    dated: str
    url: str
    hash: str
    unit: str = "kWh"
    match: Literal["hour", "period"] = "hour"
    volumes: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    certificate_volume: str = ""

    def window(self, t_ms: int) -> tuple[int, Fraction | None] | None:
        """(which window holds at `t_ms`, its volume; None has no limit); None outside of all."""
        if not self.valid_from_ms <= t_ms < self.valid_to_ms:
            return None
        if self.type == "residual_mix":
            return 0, None
        at = 0 if self.match == "period" else (t_ms - self.valid_from_ms) // HOUR_MS
        return at, number(self.volumes[at if len(self.volumes) > 1 else 0])

    def span(self, t_ms: int) -> tuple[int, int] | None:
        """From when to when the window is that holds at `t_ms`."""
        window = self.window(t_ms)
        if window is None or self.match == "period" or self.type == "residual_mix":
            return None if window is None else (self.valid_from_ms, self.valid_to_ms)
        begin = self.valid_from_ms + window[0] * HOUR_MS
        return begin, min(begin + HOUR_MS, self.valid_to_ms)

    def volume(self) -> Fraction:
        """All of it, in its unit."""
        whole = sum(map(number, self.volumes), Fraction(0))
        return whole * self._hours() if self.match == "hour" and len(self.volumes) == 1 else whole

    def check(self) -> None:
        """Raises BadData naming id and key."""
        if self.valid_to_ms <= self.valid_from_ms:
            raise self._refuse("valid_to", "is not after valid_from")
        if self.unit not in UNITS:
            raise self._refuse("unit", f"{self.unit!a} is not one of {', '.join(sorted(UNITS))}")
        for text in (*self.volumes, self.certificate_volume or "0"):
            try:
                number(text)
            except BadData as exc:
                raise self._refuse("volumes", str(exc)) from exc
        expected = {1} if self.match == "period" else {1, self._hours()}
        if self.type == "residual_mix":
            expected = {0}
        if len(self.volumes) not in expected:
            wanted = " or ".join(map(str, sorted(expected)))
            raise self._refuse("volumes", f"are {len(self.volumes)}; {wanted} are needed")
        if self.type == "certificates" and not (self.certificates and self.certificate_volume):
            raise self._refuse("certificates", "are missing, or their certificate_volume is")
        cancelled = len(self.certificates) * number(self.certificate_volume or "0")
        if self.certificates and self.volume() > cancelled:
            problem = f"of {float(cancelled):g} {self.unit} cannot cover {float(self.volume()):g}"
            raise self._refuse("certificates", f"{problem}: cancel more, or lower the volumes")

    def _hours(self) -> int:
        return -((self.valid_from_ms - self.valid_to_ms) // HOUR_MS)

    def _refuse(self, key: str, problem: str) -> BadData:
        return BadData(f"{self.id}: {key}: {problem}")


def check_instruments(instruments: Sequence[Instrument], names: frozenset[str]) -> None:
    """Each for itself, and that nothing is claimed twice. Raises BadData."""
    ids: set[str] = set()
    spent: dict[str, str] = {}
    residual: list[Instrument] = []
    for one in instruments:
        if one.id in ids:
            raise BadData(f"{one.id}: id: is the id of another instrument, too")
        ids.add(one.id)
        one.check()
        if one.factor not in names:
            raise BadData(f"{one.id}: factor: there is no factor, series or entry {one.factor!a}")
        for certificate in one.certificates:
            if certificate in spent:
                by = "twice here" if spent[certificate] == one.id else f"by {spent[certificate]}"
                raise BadData(f"{one.id}: certificates: {certificate!a} is used {by}, too")
            spent[certificate] = one.id
        if one.type == "residual_mix":
            for other in residual:
                if other.source == one.source and _overlap(one, other):
                    raise BadData(f"{one.id}: valid_from: overlaps residual mix {other.id}")
            residual.append(one)


def covered(
    instruments: Iterable[Instrument], unit: str, given: Mapping[int, Fraction]
) -> dict[int, list[tuple[Instrument, Fraction]]]:
    """Which part of a source's energy each instrument covers, by period.

    `instruments`: of this source; `given`: what the source gave, in `unit`, by the begin of periods
    that no window ends in. The parts of a period add up to 1 at most.
    """
    left = {t_ms: amount for t_ms, amount in given.items() if amount > 0}
    found: dict[int, list[tuple[Instrument, Fraction]]] = {t_ms: [] for t_ms in given}
    for one in sorted(instruments, key=lambda one: one.type == "residual_mix"):
        windows: dict[int, list[int]] = {}
        for t_ms in left:
            window = one.window(t_ms)
            if window is not None:
                windows.setdefault(window[0], []).append(t_ms)
        for inside in windows.values():
            _, volume = one.window(inside[0]) or (0, None)
            there = sum((left[t_ms] for t_ms in inside), Fraction(0))
            part = Fraction(1)
            if volume is not None and there:
                part = min(part, volume * convert(one.unit, unit) / there)
            for t_ms in inside:
                taken, left[t_ms] = left[t_ms] * part, left[t_ms] * (1 - part)
                if taken:
                    found[t_ms].append((one, taken / given[t_ms]))
    return found


def _overlap(one: Instrument, other: Instrument) -> bool:
    return one.valid_from_ms < other.valid_to_ms and other.valid_from_ms < one.valid_to_ms
