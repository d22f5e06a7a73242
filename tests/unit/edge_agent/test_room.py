"""What goes first when there is no more room, and that every reading of it is accounted for."""

import random

import pytest

from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.room import Loss, Thinning, shorten
from edge_agent.store import Store, open_store
from wire.messages import MeterEvent, Sample
from wire.segment import open_segment
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
T0 = NOT_BEFORE_MS + 86_400_000
MB = 1024 * 1024


def at(ms):
    return Instant(ms, ms - NOT_BEFORE_MS, "boot-a")


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "store.db", "cq", "gw", KEY, at(T0))
    store._file._db.execute("PRAGMA synchronous = OFF")  # thousands of commits, and no power cut
    yield store
    store.close()


def filled(store: Store, minutes: int, *, live: bool, begin: int = 0) -> int:
    """Incompressible readings, a segment a minute; when the next may begin."""
    rng = random.Random(begin)
    for minute in range(begin, begin + minutes):
        t_ms = T0 + 60_000 * minute
        samples = [
            Sample(
                f"m{meter}",
                t_ms + 1000 * second,
                {
                    "active_energy_import": (10_000 * minute + second, -3),
                    "active_power": (rng.getrandbits(50), 0),
                    "voltage_l1": (rng.getrandbits(50), -1),
                },
            )
            for second in range(60)
            for meter in range(4)
        ]
        store.commit(samples, [MeterEvent("m0", t_ms, "back")], at(t_ms + 59_999), {})
        assert store.seal(at(t_ms + 59_999), "synchronized", live=live) is not None
    return begin + minutes


def left(store: Store, now: Instant) -> tuple[list[Sample], list[MeterEvent]]:
    """Everything that would still reach the cloud."""
    while store.seal(now, "synchronized", live=False) is not None:
        pass
    samples, events = [], []
    stream = store.current().stream
    while True:
        while store.number_next(now) is not None:
            pass
        sealed = store.unreceipted(stream, store.current().receipted, 1000)
        if not sealed:
            return samples, events
        for each in sealed:
            segment = open_segment(each.data)
            samples += [s for table in segment.tables for s in table.samples()]
            events += segment.events
        store.receipted(stream, sealed[-1].seq, [], now)


def readings(samples):
    return sum(len(sample.values) for sample in samples)


def test_with_room_nothing_happens(store):
    filled(store, 3, live=False)
    store.room.make(at(T0 + 10**7), 100 * MB)
    samples, events = left(store, at(T0 + 10**7))
    assert readings(samples) == 3 * 60 * 4 * 3
    assert [event.event for event in events] == ["back"] * 3


def test_what_the_cloud_has_goes_first_and_oldest_first(store):
    now = at(T0 + 10**9)
    filled(store, 40, live=True)
    stream = store.current().stream
    store.receipted(stream, 40, [], now)
    filled(store, 3, live=False, begin=40)
    store.room.make(now, store._file.used_bytes() * 100 // 90)
    assert store.room.level == 0
    assert store.segment(stream, 1) is None
    assert store.segment(stream, 40) is not None, "receipts name its hash"
    samples, _ = left(store, now)
    assert readings(samples) == 3 * 60 * 4 * 3, "nothing of what nobody has taken"


def test_what_the_cloud_has_goes_first_also_if_it_signed_by_a_clock_that_was_ahead(store):
    filled(store, 40, live=True)
    store.receipted(store.current().stream, 40, [], at(T0 + 10**10))
    filled(store, 3, live=False, begin=40)
    store.room.make(at(T0 + 10**9), store._file.used_bytes() * 100 // 90)
    assert store.room.level == store.room.thinned == 0
    assert store.segment(store.current().stream, 1) is None


def test_then_momentary_values_are_thinned_and_registers_stay(store):
    now = at(T0 + 10**9)
    filled(store, 60, live=False)
    store.room.make(now, store._file.used_bytes() * 100 // 85)
    samples, events = left(store, now)
    registers = [s for s in samples if "active_energy_import" in s.values]
    assert len(registers) == 60 * 60 * 4, "every value of every register"
    thinned = sum(int(e.detail["readings"]) for e in events if e.event == "readings_thinned")
    assert thinned == store.room.thinned > 0
    assert readings(samples) + thinned == 60 * 60 * 4 * 3, "each one is counted"
    assert store.room.lost == 0
    oldest = [s for s in samples if s.t_ms < T0 + 60_000 and "active_power" in s.values]
    assert len(oldest) == 4, "one of each meter and quarter of an hour stays"


def test_a_thinned_bundle_says_how_many_readings_it_holds_now(store):
    filled(store, 60, live=False)
    store.room.make(at(T0 + 10**9), store._file.used_bytes() * 100 // 85)
    assert store.room.thinned > 0
    held = store._file._db.execute("SELECT sum(readings) FROM bundle").fetchone()[0]
    assert held == 60 * 60 * 4 * 3 - store.room.thinned


def test_in_the_last_need_the_oldest_go_and_each_is_counted_and_told(store):
    now = at(T0 + 10**9)
    filled(store, 60, live=False)
    limit = store._file.used_bytes() // 2
    store.room.make(now, limit)
    assert store._file.used_bytes() < limit
    assert store.room.level == 1
    samples, events = left(store, now)
    told = [e for e in events if e.event in ("readings_lost", "readings_thinned")]
    gone = sum(int(event.detail["readings"]) for event in told)
    assert readings(samples) + gone == 60 * 60 * 4 * 3
    lost = [event for event in told if event.event == "readings_lost"]
    assert sum(int(event.detail["readings"]) for event in lost) == store.room.lost > 0
    assert lost[0].detail["meters"] == "m0 m1 m2 m3"
    assert int(lost[0].detail["from_ms"]) == T0
    assert int(lost[-1].detail["to_ms"]) < min(s.t_ms for s in samples if len(s.values) > 0)
    assert sum(event.event == "back" for event in events) == 60, "events cost little and stay"
    assert [e.detail["level"] for e in events if e.event == "store_full"] == ["nearly full"]


def test_a_store_that_has_room_again_thins_nothing_more(store):
    now = at(T0 + 10**9)
    filled(store, 20, live=False)
    size = store._file.used_bytes()
    store.room.make(now, size * 100 // 85)
    store.room.make(now, size // 2)
    store.room.make(now, 10 * size)
    assert store.room.level == 0
    _, events = left(store, now)
    assert [e.detail["level"] for e in events if e.event == "store_full"][-1] == "ok"


def test_a_meter_that_lost_nothing_is_not_named_among_those_that_did():
    thinning = Thinning()
    for n in range(2):
        thinning.of(Sample("counts", T0 + n, {"active_energy_import": (n, 0)}))
        thinning.of(Sample("draws", T0 + n, {"active_power": (n, 0)}))
    assert (thinning.loss.readings, thinning.loss.meters) == (1, {"draws"})


def test_numbers_go_on_without_a_hole_after_a_loss(store):
    now = at(T0 + 10**9)
    filled(store, 5, live=True)
    filled(store, 60, live=False, begin=5)
    store.room.make(now, store._file.used_bytes() // 2)
    stream, before = store.current().stream, ""
    while store.number_next(now) is not None:
        pass
    sealed = store.unreceipted(stream, 0, 1000)
    assert [s.seq for s in sealed] == list(range(1, len(sealed) + 1))
    for segment in (open_segment(s.data) for s in sealed):
        assert not before or segment.header.prev == before
        segment.verify(KEY.public)
        before = segment.hash


def test_readings_nobody_could_date_are_counted_too(store):
    """A gateway whose clock is never set seals nothing; its disk fills all the same."""
    now = Instant(1_000, 1_000, "boot-a")
    for n in range(2000):
        values = {"active_energy_import": (n, -3), "active_power": (n, 0)}
        store.commit([Sample(f"m{m}", n, values) for m in range(20)], [], now, {})
    store.room.make(now, store._file.used_bytes() // 4)
    kept, _ = store.waiting()
    assert 1 < kept < 2000
    lost = store.room.lost
    words = 1 + lost // 1000  # one of a thousand lost readings, and that it is nearly full
    assert kept == 2000 - lost // 40 + words


def test_what_happened_stays_where_the_readings_beside_it_go_unsealed(store):
    now = at(T0 + 10**6)
    for n in range(300):
        samples = [Sample(f"m{m}", T0 + n, {"active_power": (n, 0)}) for m in range(50)]
        store.commit(samples, [MeterEvent("m0", T0 + n, "back")], at(T0 + n), {})
    store.room.make(now, store._file.used_bytes() // 2)
    assert store.room.lost > 0
    _, events = left(store, now)
    assert sum(event.event == "back" for event in events) == 300


def test_a_loss_reaches_from_its_first_reading_to_its_last_in_any_order():
    loss = Loss()
    loss.add(("a",), 1, 50, 60)
    loss.add(("b",), 2, 10, 20)
    assert (loss.readings, loss.first_ms, loss.last_ms) == (3, 10, 60)


def test_the_memory_too_gives_momentary_values_first():
    samples = [
        Sample("m", t, {"active_energy_import": (t, 0), "active_power": (t, 0)}) for t in range(100)
    ]
    loss = Loss()
    kept = shorten(samples, 150, loss)
    assert readings(kept) == 150
    assert [s.t_ms for s in kept if "active_power" in s.values] == list(range(50, 100))
    assert (loss.readings, loss.first_ms, loss.last_ms) == (50, 0, 49)
    assert shorten(kept, 150, loss) == kept
    assert [s.t_ms for s in shorten(kept, 30, loss)] == list(range(70, 100))
    assert loss.readings == 50 + 120


def test_of_the_memory_no_empty_samples_stay():
    kept = shorten([Sample("m", t, {"active_power": (t, 0)}) for t in range(4)], 2, Loss())
    assert [s.t_ms for s in kept] == [2, 3]
