"""Which times readings leave with, through a real store: boots, clocks set, clocks behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.store import Store, open_store
from wire.messages import MeterEvent, Sample
from wire.segment import open_segment
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
KWH = "active_energy_import"
S, HOUR, DAY = 1_000, 3_600_000, 86_400_000
T0 = NOT_BEFORE_MS + 100 * DAY


class Gateway:
    """One machine with its disk. `now_ms` is what its wall clock shows, right or wrong."""

    def __init__(self, path: Path, now_ms: int) -> None:
        self.path, self.now_ms = path, now_ms
        self.boot, self.mono_ms, self.count = "boot-1", HOUR, 0
        self.store = self.opened()

    def opened(self) -> Store:
        return open_store(self.path, "cq", "gw", KEY, self.now)

    @property
    def now(self) -> Instant:
        return Instant(self.now_ms, self.mono_ms, self.boot)

    def wait(self, ms: int) -> None:
        self.now_ms, self.mono_ms = self.now_ms + ms, self.mono_ms + ms

    def read(self, *events: MeterEvent, meters: tuple[str, ...] = ("m",)) -> None:
        """A second passes and every meter is read."""
        self.wait(S)
        self.count += 1
        samples = [Sample(meter, self.now_ms, {KWH: (self.count, 0)}) for meter in meters]
        self.store.commit(samples, list(events), self.now, {})

    def reboot(self, now_ms: int, mono_ms: int = 20 * S) -> None:
        self.store.close()
        self.now_ms, self.mono_ms, self.boot = now_ms, mono_ms, f"boot-{int(self.boot[5:]) + 1}"
        self.store = self.opened()

    def seal(self, state: str = "synchronized") -> bool:
        return self.store.seal(self.now, state) is not None

    def left(self) -> tuple[list[tuple[int, int, str]], list[MeterEvent]]:
        """(value, time, quality) of all readings that left, and the events."""
        stream, samples, events = self.store.current(), [], []
        for seq in range(1, stream.last_seq + 1):
            sealed = self.store.segment(stream.stream, seq)
            assert sealed is not None
            segment = open_segment(sealed.data)
            samples += [sample for table in segment.tables for sample in table.samples()]
            events += segment.events
        rows = [(s.values[KWH][0], s.t_ms, s.quality) for s in samples if s.meter == "m"]
        return sorted(rows), events


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    made = Gateway(tmp_path / "store.db", T0)
    yield made
    made.store.close()


def test_boot_in_1970_then_set(gateway: Gateway) -> None:
    gateway.reboot(5 * S)
    gateway.read()
    gateway.read()
    assert not gateway.seal("unset")
    gateway.now_ms = T0
    gateway.read()
    assert gateway.seal()
    rows, events = gateway.left()
    assert rows == [(1, T0 - S, "good"), (2, T0, "good"), (3, T0 + S, "good")]
    assert events == []


def test_a_clock_that_was_months_behind_is_made_good_for_what_has_not_left(
    gateway: Gateway,
) -> None:
    gateway.now_ms -= 60 * DAY
    gateway.read()
    gateway.now_ms += 60 * DAY
    gateway.read()
    gateway.seal()
    assert gateway.left()[0] == [(1, T0 + S, "good"), (2, T0 + 2 * S, "good")]


def test_set_back_before_it_was_sealed_nothing_is_double_and_nothing_doubtful(
    gateway: Gateway,
) -> None:
    gateway.read()
    gateway.now_ms -= HOUR
    gateway.read()
    gateway.now_ms += HOUR  # and forth
    gateway.now_ms -= HOUR
    gateway.seal()
    start = T0 - HOUR
    assert gateway.left()[0] == [(1, start + S, "good"), (2, start + 2 * S, "good")]


def test_set_back_after_it_left_a_second_hour_of_the_same_times_is_kept_and_not_booked(
    gateway: Gateway,
) -> None:
    gateway.read()
    gateway.seal()
    gateway.now_ms -= 3 * S
    for _ in range(4):
        gateway.read()
        gateway.seal()
    rows, events = gateway.left()
    assert rows == [
        (1, T0 + S, "good"),
        (2, T0 - S, "suspect"),
        (3, T0, "suspect"),
        (4, T0 + S, "suspect"),
        (5, T0 + 2 * S, "good"),
    ]
    (behind,) = events
    assert (behind.meter, behind.event, behind.t_ms) == ("gw", "clock_behind", T0 - S)
    assert behind.detail == {"until": "2026-04-11T00:00:01Z"}


def test_another_time_behind_is_told_again_and_also_over_a_restart(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.read()
        gateway.seal()
        gateway.now_ms -= 2 * S
        gateway.store.close()
        gateway.store = gateway.opened()
        for _ in range(3):
            gateway.read()
            gateway.seal()
    rows, events = gateway.left()
    good = [t_ms for _, t_ms, quality in rows if quality == "good"]
    assert good == sorted(set(good)), "later and later"
    assert [event.event for event in events] == ["clock_behind"] * 2


def test_one_meter_behind_leaves_the_others_alone(gateway: Gateway) -> None:
    gateway.read(meters=("fast",))
    gateway.seal()
    gateway.now_ms -= HOUR
    gateway.read(meters=("m",))
    gateway.seal()
    assert gateway.left()[0] == [(2, T0 + 2 * S - HOUR, "good")]


def test_a_register_that_ends_in_the_time_that_comes_twice_ends_after_it(
    gateway: Gateway,
) -> None:
    gateway.read()
    gateway.seal()
    gateway.now_ms -= HOUR
    detail = {"quantity": KWH, "closing": "9", "opening": "0"}
    first = MeterEvent("m", gateway.now_ms + S, "swap", detail)
    second = MeterEvent("m", gateway.now_ms + S, "reset", detail)
    plain = MeterEvent("m", gateway.now_ms + S, "silent", {"reason": "dead"})
    gateway.read(first, second, plain)
    gateway.seal()
    _, events = gateway.left()
    after = T0 + S
    assert [(e.event, e.t_ms) for e in events if e.meter == "m"] == [
        ("swap", after + 1),
        ("reset", after + 2),
        ("silent", T0 + 2 * S - HOUR),
    ]


def test_a_clock_that_was_a_year_ahead_keeps_nobody_waiting_for_a_year(gateway: Gateway) -> None:
    gateway.now_ms += 365 * DAY
    gateway.read()
    gateway.seal()  # the cloud refuses this one
    gateway.now_ms -= 365 * DAY
    for _ in range(2):
        gateway.read()
        gateway.seal()
    gateway.reboot(gateway.now_ms, HOUR)
    gateway.read()
    gateway.seal()
    rows, events = gateway.left()
    assert [quality for _, _, quality in rows] == ["good"] * 4
    assert events == []


def test_a_clock_months_behind_what_the_cloud_has_taken_is_behind(gateway: Gateway) -> None:
    gateway.read()
    gateway.seal()
    stream = gateway.store.current().stream
    gateway.store.receipted(stream, 1, [], gateway.now)
    gateway.reboot(T0 - 60 * DAY, HOUR)
    gateway.read()
    gateway.seal()
    gateway.now_ms += 60 * DAY + 10 * S
    gateway.read()
    gateway.seal()
    assert [quality for _, _, quality in gateway.left()[0]] == ["good", "suspect", "good"]


def test_a_boot_that_never_knew_the_time_is_put_before_the_next_and_booked_by_nobody(
    gateway: Gateway,
) -> None:
    gateway.read()
    gateway.seal()
    gateway.reboot(5 * S)
    for _ in range(3):
        gateway.read()
    gateway.reboot(T0 + HOUR)
    gateway.read()
    while gateway.store.waiting()[0]:
        assert gateway.store.seal(gateway.now, "synchronized", most_cycles=2)
    rows, events = gateway.left()
    began = T0 + HOUR - 20 * S
    assert rows == [
        (1, T0 + S, "good"),
        (2, began - 2 * S, "estimated"),
        (3, began - S, "estimated"),
        (4, began, "estimated"),
        (5, T0 + HOUR + S, "good"),
    ]
    (undated,) = events
    assert (undated.meter, undated.event) == ("gw", "undated")
    assert undated.detail == {"after": "2026-04-11T00:00:01Z", "before": "2026-04-11T00:59:40Z"}


def test_two_boots_without_time_stand_one_before_the_other(gateway: Gateway) -> None:
    for _ in range(2):
        gateway.reboot(5 * S)
        gateway.read()
    gateway.reboot(T0)
    gateway.seal()
    rows, events = gateway.left()
    began = T0 - 20 * S
    assert [(t_ms, quality) for _, t_ms, quality in rows] == [
        (began - 21 * S, "estimated"),
        (began, "estimated"),
    ]
    assert [event.event for event in events] == ["undated"] * 2


def test_a_boot_without_time_ended_before_the_next_that_had_one_not_before_this(
    gateway: Gateway,
) -> None:
    gateway.reboot(5 * S)
    gateway.read()
    gateway.reboot(T0 + HOUR)
    gateway.read()
    gateway.reboot(T0 + 2 * HOUR)
    gateway.seal()
    rows = gateway.left()[0]
    assert rows == [(1, T0 + HOUR - 20 * S, "estimated"), (2, T0 + HOUR + S, "good")]


def test_a_doubtful_value_stays_doubtful_also_where_its_time_is_not_known(gateway: Gateway) -> None:
    gateway.reboot(5 * S)
    gateway.store.commit([Sample("m", 5 * S, {KWH: (1, 0)}, "suspect")], [], gateway.now, {})
    gateway.reboot(T0)
    gateway.seal()
    assert [quality for _, _, quality in gateway.left()[0]] == ["suspect"]


def test_a_boot_that_learned_the_time_is_dated_by_it_also_after_the_next(gateway: Gateway) -> None:
    gateway.reboot(5 * S)
    gateway.read()
    gateway.now_ms = T0
    gateway.read()
    gateway.reboot(T0 + HOUR)
    gateway.seal()
    assert gateway.left()[0] == [(1, T0, "good"), (2, T0 + S, "good")]


def test_what_an_undated_boot_said_of_its_registers_still_ends_them(gateway: Gateway) -> None:
    gateway.reboot(5 * S)
    detail = {"quantity": KWH, "closing": "9", "opening": "0"}
    gateway.read(MeterEvent("m", gateway.now_ms + S, "swap", detail))
    gateway.reboot(T0)
    gateway.seal()
    rows, events = gateway.left()
    assert [(e.event, e.t_ms) for e in events] == [
        ("swap", rows[0][1]),
        ("undated", rows[0][1] - 1),
    ]


def test_a_machine_just_up_waits_for_its_clock_to_be_set(gateway: Gateway) -> None:
    gateway.reboot(T0)
    gateway.read()
    assert not gateway.seal("assumed")
    assert gateway.seal("synchronized")
    gateway.read()
    gateway.wait(100 * S)
    assert gateway.seal("assumed"), "not for ever"


def test_a_machine_up_with_an_old_time_waits_longer_and_then_says_it_is_behind(
    gateway: Gateway,
) -> None:
    gateway.read()
    gateway.seal()
    gateway.reboot(T0 - DAY)
    gateway.read()
    gateway.wait(200 * S)
    assert not gateway.seal("assumed")
    gateway.wait(400 * S)
    assert gateway.seal("assumed")
    rows, events = gateway.left()
    assert [quality for _, _, quality in rows] == ["good", "suspect"]
    assert [event.event for event in events] == ["clock_behind"]


def test_the_readings_of_an_old_store_have_no_last_times_and_are_taken_as_they_are(
    gateway: Gateway,
) -> None:
    gateway.read()
    gateway.store._file._db.executescript("DROP TABLE last; PRAGMA user_version = 1")
    gateway.reboot(T0 + HOUR)
    assert gateway.seal()
    assert gateway.left()[0] == [(1, T0 + S, "good")]
