"""Pure: what a DL/T 645 meter has under an identifier, as digits, in both editions.

A meter lives by its own clock, which is off and drifts. It remembers its counters at every full
hour, every midnight and every settlement day (the first of a month) that its clock has shown since
it was put up; what it was asked for from before is all FF. Tariff 1 has what the others have not, so
every tariff rises and only their sum is the total.
Source: DL/T 645-2007, annex A; DL/T 645-1997, annex A.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from edge_agent.protocols import bcd
from simulators.slaves import Source

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_ENERGY, _SIGNED_ENERGY = "XXXXXX.XX", "-XXXXXX.XX"
_ROUND = 10**8  # an energy register begins again after 999999.99
_DEPTH = {"04": (_HOUR_MS, 254), "06": (_DAY_MS, 62)}
_PHASES = ("", "_l1", "_l2", "_l3")
_MOMENTARY_2007 = {  # DI2 -> picture, quantity, one unit of the picture in that quantity's
    "01": ("XXX.X", "voltage", 1),
    "02": ("-XXX.XXX", "current", 1),
    "03": ("-XX.XXXX", "active_power", 1000),
    "04": ("-XX.XXXX", "reactive_power", 1000),
    "05": ("-XX.XXXX", "apparent_power", 1000),
    "06": ("-X.XXX", "power_factor", 1),
}
_MOMENTARY_1997 = {
    "1": ("XXXX", "voltage", 1),
    "2": ("XX.XX", "current", 1),
    "3": ("XX.XXXX", "active_power", 1000),
    "4": ("XX.XX", "reactive_power", 1000),
    "5": ("X.XXX", "power_factor", 1),
}


@dataclass
class Clock:
    """A meter's own clock: `ahead_ms` at `since_ms`, and `ppm` too fast from there."""

    zone_ms: int = 8 * _HOUR_MS
    ahead_ms: int = 0
    ppm: int = 0
    since_ms: int = 0

    def shows(self, t_ms: int) -> int:
        """What it shows at `t_ms`, in ms of its own calendar."""
        drift_ms = (t_ms - self.since_ms) * self.ppm // 1_000_000
        return t_ms + self.zone_ms + self.ahead_ms + drift_ms

    def reaches(self, shown_ms: int) -> int:
        """When it shows `shown_ms`."""
        gone_ms = shown_ms - self.zone_ms - self.ahead_ms - self.since_ms
        return self.since_ms + gone_ms * 1_000_000 // (1_000_000 + self.ppm)

    def set(self, t_ms: int, shown_ms: int) -> None:
        """At `t_ms` it is set."""
        self.ahead_ms, self.since_ms = shown_ms - self.zone_ms - t_ms, t_ms


class Readings:
    """The digits of one meter. `since_ms`: when it was put up; `frozen`: when it was told to."""

    def __init__(self, address: str, source: Source, clock: Clock, since_ms: int, tariffs: int):
        self.address, self.clock = address, clock
        self.frozen: list[int] = []
        self._source, self._since_ms, self._tariffs = source, since_ms, tariffs

    def energy(self, kind: str, tariff: int, t_ms: int) -> bytes:
        """One energy register: "0" combined, "1" import, "2" export, "3", "4" reactive."""
        total = self._hundredths(kind, t_ms)
        share = total // (self._tariffs + 1)
        rest = total - share * (self._tariffs - 1)
        part = total if tariff == 0 else rest if tariff == 1 else share
        return bcd.write_number(_ENERGY if kind in "12" else _SIGNED_ENERGY, part)

    def energies(self, kind: str, t_ms: int, tariffs: int | None = None) -> bytes:
        """The total and its tariffs."""
        count = self._tariffs if tariffs is None else tariffs
        return b"".join(self.energy(kind, n, t_ms) for n in range(count + 1))

    def tariff(self, digits: str) -> int | None:
        """The tariff of these hex digits; None if the meter has none such."""
        tariff = int(digits, 16)
        return tariff if tariff <= self._tariffs else None

    def momentary(self, picture: str, quantity: str, per: int, t_ms: int) -> bytes:
        """A value of now."""
        return _clamped(picture, self._source.value(quantity, t_ms) / per)

    def mean_power(self, over_ms: int, t_ms: int) -> bytes:
        """The mean power of the last time, in kW."""
        begin = max(self._since_ms, t_ms - over_ms)
        rise = self._source.value("active_energy_import", t_ms)
        rise -= self._source.value("active_energy_import", begin)
        kw = rise * _HOUR_MS / (t_ms - begin) if t_ms > begin else Fraction(0)
        return _clamped("-XX.XXXX", kw)

    def moment(self, picture: str, shown_ms: int) -> bytes:
        """A moment of its clock."""
        return bcd.write_moment(picture, datetime.fromtimestamp(shown_ms // 1000, UTC))

    def settled_ms(self, months: int, t_ms: int) -> int | None:
        """When the last (1), last but one (2) … settlement day began; None: before it was put up."""
        now = datetime.fromtimestamp(self.clock.shows(t_ms) // 1000, UTC)
        month = now.year * 12 + now.month - 1 - (months - 1)
        first = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        return self._known(self.clock.reaches(int(first.timestamp()) * 1000))

    def frozen_ms(self, every_ms: int, times: int, t_ms: int) -> int | None:
        """When its clock last passed a full hour or midnight, `times` - 1 before that; or None."""
        passed = self.clock.shows(t_ms) // every_ms - (times - 1)
        return self._known(self.clock.reaches(passed * every_ms))

    def told_ms(self, times: int) -> int | None:
        """When it was told to freeze, the last but `times` - 1."""
        return self.frozen[-times] if 1 <= times <= len(self.frozen) else None

    def _known(self, t_ms: int) -> int | None:
        return t_ms if t_ms >= self._since_ms else None

    def _hundredths(self, kind: str, t_ms: int) -> int:
        names = {
            "0": ("active_energy_import", "active_energy_export"),
            "1": ("active_energy_import",),
            "2": ("active_energy_export",),
            "3": ("reactive_energy_import",),
            "4": ("reactive_energy_export",),
        }
        total = sum((self._source.value(name, t_ms) for name in names[kind]), Fraction(0))
        most = _ROUND if kind in "12" else 8 * _ROUND // 10
        return int(total * 100) % most


def _clamped(picture: str, value: Fraction) -> bytes:
    """What is too big for its picture stops at the end of it; the rest is cut."""
    digits, decimals = picture.count("X"), len(picture.partition(".")[2])
    is_signed = picture.startswith("-")  # the sign takes the place of the first digit's 8
    most = 8 * 10 ** (digits - 1) - 1 if is_signed else 10**digits - 1
    scaled = int(value * 10**decimals)
    return bcd.write_number(picture, max(-most if is_signed else 0, min(most, scaled)))


def data_2007(own: Readings, di: str, t_ms: int) -> bytes | None:
    """What stands under eight digits; None: no such data."""
    di3, di2, di1, di0 = (di[at : at + 2] for at in (0, 2, 4, 6))
    if di3 == "00" and di2 in ("00", "01", "02", "03", "04"):
        at = t_ms if di0 == "00" else own.settled_ms(int(di0, 16), t_ms)
        return _energy(own, di2[1], di1, at, t_ms) if int(di0, 16) <= 12 else None
    if di3 == "02" and di2 in _MOMENTARY_2007 and di0 == "00":
        picture, quantity, per = _MOMENTARY_2007[di2]
        phases = _PHASES if quantity.endswith(("power", "factor")) else _PHASES[1:]
        wanted = phases if di1 == "FF" else _PHASES[int(di1, 16) :][:1]
        if not wanted or any(phase not in phases for phase in wanted):
            return None
        parts = (own.momentary(picture, quantity + phase, per, t_ms) for phase in wanted)
        return b"".join(parts)
    if di3 == "05":
        return _frozen(own, di2, di1, int(di0, 16), t_ms)
    single: dict[str, Callable[[], bytes]] = {
        "02800001": lambda: own.momentary("-XXX.XXX", "current_n", 1, t_ms),
        "02800002": lambda: own.momentary("XX.XX", "frequency", 1, t_ms),
        "02800003": lambda: own.mean_power(60_000, t_ms),
        "02800004": lambda: own.mean_power(900_000, t_ms),
        "04000101": lambda: own.moment("YYMMDDWW", own.clock.shows(t_ms)),
        "04000102": lambda: own.moment("hhmmss", own.clock.shows(t_ms)),
        "04000401": lambda: bcd.from_text(own.address),
        "04000402": lambda: bcd.from_text(own.address),
    }
    return single[di]() if di in single else None


def data_1997(own: Readings, di: str, t_ms: int) -> bytes | None:
    """What stands under four digits; None: no such data."""
    months = {"90": 0, "91": 1, "92": 2}.get(di[:2])
    if months is not None and di[2] in "12":
        at = t_ms if months == 0 else own.settled_ms(months, t_ms)
        return _energy(own, di[2], "FF" if di[3] == "F" else f"0{di[3]}", at, t_ms)
    if di[:2] == "B6" and di[2] in _MOMENTARY_1997:
        picture, quantity, per = _MOMENTARY_1997[di[2]]
        phases = _PHASES if quantity.endswith(("power", "factor")) else _PHASES[1:]
        wanted = phases if di[3] == "F" else _PHASES[int(di[3], 16) :][:1]
        if not wanted or any(phase not in phases for phase in wanted):
            return None
        parts = (own.momentary(picture, quantity + phase, per, t_ms) for phase in wanted)
        return b"".join(parts)
    single: dict[str, Callable[[], bytes]] = {
        "C010": lambda: own.moment("YYMMDDWW", own.clock.shows(t_ms)),
        "C011": lambda: own.moment("hhmmss", own.clock.shows(t_ms)),
        "C032": lambda: bcd.from_text(own.address),
        "C034": lambda: bcd.from_text(own.address),
    }
    return single[di]() if di in single else None


def _energy(own: Readings, kind: str, tariff: str, at: int | None, t_ms: int) -> bytes | None:
    """One register or the block of all, as it was at `at`; FF where nobody remembers."""
    if tariff != "FF" and own.tariff(tariff) is None:
        return None
    then = t_ms if at is None else at
    data = own.energies(kind, then) if tariff == "FF" else own.energy(kind, int(tariff, 16), then)
    return b"\xff" * len(data) if at is None else data


def _frozen(own: Readings, di2: str, what: str, times: int, t_ms: int) -> bytes | None:
    """The copies of hour ("04"), day ("06") and command ("01"): when, import, export."""
    if di2 == "01":
        at, known = own.told_ms(times), 1 <= times <= 3
    elif di2 in _DEPTH:
        every_ms, depth = _DEPTH[di2]
        at, known = own.frozen_ms(every_ms, times, t_ms), 1 <= times <= depth
    else:
        return None
    tariffs = 0 if di2 == "04" else None
    then = t_ms if at is None else at
    parts = {
        "00": lambda: own.moment("YYMMDDhhmm", own.clock.shows(then)),
        "01": lambda: own.energies("1", then, tariffs),
        "02": lambda: own.energies("2", then, tariffs),
    }
    wanted = ("00", "01", "02") if (di2, what) == ("04", "FF") else (what,)
    if not known or any(part not in parts for part in wanted):
        return None
    data = b"".join(parts[part]() for part in wanted)
    return b"\xff" * len(data) if at is None else data
