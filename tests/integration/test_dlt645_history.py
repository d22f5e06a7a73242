"""What our driver takes from a DL/T 645 meter's own memory, on a pseudo terminal."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.counters import Register
from edge_agent.device import Device
from edge_agent.drivers import NoAnswer, Remembers, Wanted
from edge_agent.drivers.dlt645 import Address, Settings, connect
from edge_agent.drivers.dlt645.meter import Dlt645Meter
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols import dlt645 as codec
from edge_agent.protocols.dlt645 import Request
from tests.integration.pty_meters import MeterLine

PROFILE = profiles.load_as(Profile, "dlt645_2007_single_phase")
NOW = datetime(2026, 11, 20, 2, 41, 7, tzinfo=UTC)
NOW_MS = round(NOW.timestamp() * 1000)
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
ADDRESS = "000000000161"


class Freezing:
    """A meter whose clock is `ahead` of UTC and that froze at each whole hour and day of it.

    It counts 1 kWh an hour since its clock showed 2026-01-01. `hours`, `days`: how many it keeps;
    -1: it knows no such thing.
    """

    def __init__(self, ahead: timedelta, hours: int = 254, days: int = 62) -> None:
        self.shows = NOW + ahead
        self.kept = {"04": hours, "06": days}
        self.asked: list[str] = []

    def moment(self, kind: str, n: int) -> datetime:
        step = timedelta(hours=1) if kind == "04" else timedelta(days=1)
        hour = 0 if kind == "06" else self.shows.hour
        newest = self.shows.replace(hour=hour, minute=0, second=0, microsecond=0)
        return newest - (n - 1) * step

    def energy(self, moment: datetime) -> bytes:
        hours = (moment - datetime(2026, 1, 1, tzinfo=UTC)) // timedelta(hours=1)
        return bcd.write_number("XXXXXX.XX", 100 * hours)

    def data(self, di: str) -> bytes | None:
        if di == "04000101":
            return bcd.write_moment("YYMMDDWW", self.shows)
        if di == "04000102":
            return bcd.write_moment("hhmmss", self.shows)
        if di == "00010000":
            return self.energy(self.shows)
        kind, what, n = di[2:4], di[4:6], int(di[6:], 16)
        if not di.startswith("05") or n > max(self.kept[kind], 1) or self.kept[kind] < 0:
            return None
        if self.kept[kind] == 0:
            return bytes(5)  # never
        moment = self.moment(kind, n)
        if what == "00":
            return bcd.write_moment("YYMMDDhhmm", moment)
        tariffs = bytes(16) if kind == "06" else b""
        return self.energy(moment) + tariffs if what == "01" else None

    def __call__(self, request: Request, line: MeterLine[Request]) -> None:
        self.asked.append(request.di)
        data = self.data(request.di)
        said = codec.Answer(ADDRESS, error=2) if data is None else codec.Answer(ADDRESS, data)
        line.say(codec.answer_frame(request, said, preamble=0))


History = list[tuple[int, dict[str, tuple[int, int] | None]]]


async def recalled(
    meter: Callable[[Request, MeterLine[Request]], None],
    after_ms: int,
    times: int = 1,
    timeout_ms: int = 20_000,
) -> list[History]:
    """The history after `after_ms`, asked for so many times."""
    wanted = Wanted(
        "m", PROFILE, Address(ADDRESS), ("active_energy_import", "active_energy_export")
    )
    with MeterLine(codec.find_request, meter) as line:
        settings = Settings(device=line.path, baud=19200, timeout_ms=timeout_ms)
        async with connect(settings, Random(1), lambda: NOW_MS) as bus:
            ours = bus.meter(wanted)
            assert isinstance(ours, Remembers)
            return [
                [(a.t_ms, dict(a.values)) async for a in ours.history(after_ms)]
                for _ in range(times)
            ]


def hours_of(history: History) -> list[float]:
    return [(t_ms - NOW_MS) / HOUR_MS for t_ms, _ in history]


BEIJING = timedelta(hours=8)


async def test_the_hours_of_an_outage_come_back_in_order_and_dated_in_utc() -> None:
    meter = Freezing(BEIJING)
    (history,) = await recalled(meter, NOW_MS - 3 * HOUR_MS)
    # 10:41:07 on its face; 8:00, 9:00 and 10:00 lie in the gap
    at = [datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (0, 1, 2)]
    assert [t_ms for t_ms, _ in history] == [round(t.timestamp() * 1000) for t in at]
    energies = [values["active_energy_import"] for _, values in history]
    assert energies == [(100 * (24 * 323 + hour), -2) for hour in (8, 9, 10)]
    assert not any("active_energy_export" in values for _, values in history)  # refused once
    assert meter.asked.count("05040201") == 1


@pytest.mark.parametrize("drift_s", [-90, 0, 37, 300])
async def test_a_clock_that_drifted_is_put_right(drift_s: int) -> None:
    (history,) = await recalled(Freezing(BEIJING + timedelta(seconds=drift_s)), NOW_MS - HOUR_MS)
    (only,) = history
    # its 10:00 came that much before ours if its clock is fast
    at = datetime(2026, 11, 20, 2, tzinfo=UTC) - timedelta(seconds=drift_s)
    assert only[0] == round(at.timestamp() * 1000)


@pytest.mark.parametrize(
    "zone", [timedelta(hours=-8), timedelta(0), timedelta(hours=5, minutes=45)]
)
async def test_no_time_zone_has_to_be_told(zone: timedelta) -> None:
    (history,) = await recalled(Freezing(zone), NOW_MS - 2 * HOUR_MS)
    assert len(history) == 2
    for t_ms, _ in history:
        shown = datetime.fromtimestamp(t_ms / 1000, UTC) + zone
        assert (shown.minute, shown.second) == (0, 0)


async def test_beyond_the_hours_it_keeps_days_take_over() -> None:
    (history,) = await recalled(Freezing(BEIJING, hours=5), NOW_MS - 3 * DAY_MS)
    hours, days = history[-5:], history[:-5]
    assert [round(b - a, 6) for a, b in pairwise(hours_of(hours))] == [1] * 4
    assert [round(b - a, 6) for a, b in pairwise(hours_of(days))] == [24] * 2
    values = [values["active_energy_import"] for _, values in history]
    assert all(value is not None for value in values)
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("hours", "days", "expected"),
    [(-1, 62, [-26.685, -2.685]), (0, 62, [-26.685, -2.685]), (3, -1, [-2.685, -1.685, -0.685])],
    ids=["no hours", "hours never frozen", "no days"],
)
async def test_what_it_does_not_keep_is_asked_for_once(
    hours: int, days: int, expected: list[float]
) -> None:
    meter = Freezing(timedelta(0), hours, days)
    first, second = await recalled(meter, NOW_MS - 2 * DAY_MS, times=2)
    assert first == second
    assert [round(h, 3) for h in hours_of(first)] == expected
    kind = "0504" if hours < 0 else "0506"
    refused = [di for di in meter.asked if di.startswith(kind) and (hours < 0 or days < 0)]
    assert len(refused) <= 1


async def test_a_meter_without_any_memory_is_asked_for_its_clock_once() -> None:
    meter = Freezing(BEIJING, -1, -1)
    assert await recalled(meter, NOW_MS - DAY_MS, times=3) == [[], [], []]
    assert meter.asked == ["04000101", "04000102", "05040001", "05060001"]


async def test_a_clock_out_by_more_than_any_zone_dates_nothing() -> None:
    (history,) = await recalled(Freezing(timedelta(days=-9000)), NOW_MS - DAY_MS)
    assert history == []


async def test_midnight_between_its_date_and_its_time_puts_nothing_a_day_off() -> None:
    class Midnight(Freezing):
        """Its date is asked for in the last second of a day, its time in the first of the next."""

        def data(self, di: str) -> bytes | None:
            if di == "04000101" and self.asked == [di]:
                return bcd.write_moment("YYMMDDWW", self.shows - timedelta(days=1))
            return super().data(di)

    zone = timedelta(hours=21, minutes=19) - timedelta(days=1)  # it shows 00:00:07
    (history,) = await recalled(Midnight(zone), NOW_MS - 2 * HOUR_MS)
    assert len(history) == 2


async def test_stamps_from_before_a_clock_was_set_are_left_out() -> None:
    class SetBack(Freezing):
        """Its clock was set back two hours after the freeze before last."""

        def moment(self, kind: str, n: int) -> datetime:
            return super().moment(kind, n) + timedelta(hours=2) * (n > 2)

    (history,) = await recalled(SetBack(BEIJING, days=-1), NOW_MS - 9 * HOUR_MS)
    assert len(history) == 2


async def test_numbers_that_move_on_while_they_are_read_are_read_again() -> None:
    class Passing(Freezing):
        """The next hour comes while the values of the last are read."""

        def __call__(self, request: Request, line: MeterLine[Request]) -> None:
            if request.di == "05040102" and self.asked.count("05040102") == 0:
                self.shows += timedelta(hours=1)
            super().__call__(request, line)

    meter = Passing(BEIJING, days=-1)
    (history,) = await recalled(meter, NOW_MS - 3 * HOUR_MS)
    assert [values["active_energy_import"] for _, values in history] == [
        (100 * (24 * 323 + hour), -2) for hour in (8, 9, 10)
    ]
    assert meter.asked.count("05040102") == 2


async def test_a_meter_that_falls_silent_half_way_raises() -> None:
    def silent(request: Request, line: MeterLine[Request]) -> None:
        if request.di != "05040102":
            Freezing(BEIJING)(request, line)

    with pytest.raises(NoAnswer):
        await recalled(silent, NOW_MS - 5 * HOUR_MS, timeout_ms=1000)


async def test_a_device_heals_its_gap_from_the_meters_memory() -> None:
    """The whole way: what was missed is backfilled, and the counter goes on without a jump."""
    now_ms = NOW_MS - 5 * HOUR_MS
    meter = Freezing(BEIJING)
    meter.shows -= timedelta(hours=5)
    wanted = Wanted("m", PROFILE, Address(ADDRESS), ("active_energy_import",))
    with MeterLine(codec.find_request, meter) as line:
        settings = Settings(device=line.path, baud=19200, timeout_ms=20_000)
        async with connect(settings, Random(1), lambda: now_ms) as bus:
            ours: Dlt645Meter = bus.meter(wanted)
            bounds = {"active_energy_import": Register()}
            device = Device("m", ours, lambda: now_ms, bounds)
            (before,) = (await device.poll()).samples
            now_ms, meter.shows = NOW_MS, NOW + BEIJING
            after = (await device.poll()).samples
    assert before.quality == "good"
    assert [sample.quality for sample in after] == ["backfilled"] * 5 + ["good"]
    energies = [sample.values["active_energy_import"][0] for sample in (before, *after)]
    assert [b - a for a, b in pairwise(energies)] == [100, 100, 100, 100, 100, 0]
    assert [sample.t_ms for sample in after] == sorted(sample.t_ms for sample in after)
