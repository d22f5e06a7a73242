import asyncio
import random
import sqlite3
import threading

import pytest

from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.store import MOST_BYTES, Disk, open_store
from wire.errors import TransientError
from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, body, open_segment, read_header
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
T0 = NOT_BEFORE_MS + 1_000_000


def at(ms, boot="boot-a", mono=None):
    return Instant(ms, mono if mono is not None else ms - NOT_BEFORE_MS, boot)


def sample(t_ms, value=1):
    return Sample("m", t_ms, {"active_energy_import": (value, -3)})


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "store.db", "cq", "gw", KEY, at(T0))
    yield store
    store.close()


def opened(store, seq):
    sealed = store.segment(store.current().stream, seq)
    return open_segment(sealed.data)


def samples_of(segment):
    return [sample for table in segment.tables for sample in table.samples()]


def test_segments_are_numbered_chained_and_signed(store):
    for n in range(3):
        store.commit([sample(T0 + n)], [], at(T0 + n), {})
        assert store.seal(at(T0 + n), "assumed") == n + 1
    segments = [opened(store, n) for n in (1, 2, 3)]
    assert [s.header.prev for s in segments] == [GENESIS, segments[0].hash, segments[1].hash]
    for segment in segments:
        segment.verify(KEY.public)
    assert store.current().last_hash == segments[2].hash


def test_nothing_pending_seals_nothing(store):
    assert store.seal(at(T0), "assumed") is None


def test_sealing_takes_all_pending_cycles_once(store):
    for n in range(5):
        store.commit([sample(T0 + n, n)], [MeterEvent("m", T0, "back")], at(T0 + n), {})
    store.seal(at(T0 + 9), "assumed")
    assert [s.t_ms for s in samples_of(opened(store, 1))] == [T0 + n for n in range(5)]
    assert len(opened(store, 1).events) == 5
    assert store.waiting() == (0, 1)


def test_a_receipt_is_what_lets_a_segment_go(store, tmp_path):
    stream = store.current().stream
    for n in range(4):
        store.commit([sample(T0 + n)], [], at(T0 + n), {})
        store.seal(at(T0 + n), "assumed")
    assert store.prune(T0 + 10**12) == 0
    store.receipted(stream, 3, [(2, "bad time")], at(T0 + 10))
    assert [s.seq for s in store.unreceipted(stream, 0, 10)] == [4]
    assert store.prune(T0 + 11) == 1
    assert store.segment(stream, 1) is None
    assert store.segment(stream, 2) is not None, "a refused segment stays"
    assert store.hash_of(stream, 3), "the newest receipted one stays: receipts name its hash"


def test_a_later_receipt_lets_what_was_signed_for_earlier_stay_no_longer(store):
    stream, day_ms = store.current().stream, 86_400_000
    for n in range(3):
        store.commit([sample(T0 + n)], [], at(T0 + n), {})
        store.seal(at(T0 + n), "assumed")
    store.receipted(stream, 1, [], at(T0 + day_ms))
    store.receipted(stream, 3, [], at(T0 + 9 * day_ms))
    assert store.prune(T0 + 5 * day_ms) == 1


def test_an_old_receipt_moves_nothing_backwards(store):
    stream = store.current().stream
    for n in range(3):
        store.commit([sample(T0 + n)], [], at(T0 + n), {})
        store.seal(at(T0 + n), "assumed")
    store.receipted(stream, 3, [], at(T0))
    store.receipted(stream, 1, [], at(T0))
    assert store.current().receipted == 3


def test_before_the_clock_is_set_readings_are_kept_and_later_dated(store):
    store.commit([sample(5_000)], [], at(5_100, mono=9_000), {})
    assert store.seal(at(6_000, mono=9_900), "unset") is None
    assert store.waiting() == (1, 0)
    # At 10,000 monotonic the clock is set to T0: the reading was taken 1,100 ms before.
    store.seal(at(T0, mono=10_000), "synchronized")
    assert [s.t_ms for s in samples_of(opened(store, 1))] == [T0 - 1_100]


def test_a_fork_begins_a_new_stream_and_keeps_the_old_one(store):
    store.commit([sample(T0)], [], at(T0), {})
    store.seal(at(T0), "assumed")
    old = store.current().stream
    new = store.begin_stream(at(T0))
    store.commit([sample(T0 + 1)], [], at(T0 + 1), {})
    assert store.seal(at(T0 + 1), "assumed") == 1
    assert store.current().stream == new != old
    assert [s.seq for s in store.unreceipted(old, 0, 10)] == [1]


def test_memories_are_committed_with_their_cycle(store):
    store.commit([sample(T0)], [], at(T0), {"m": b"one"})
    store.commit([sample(T0)], [], at(T0), {"m": b"two"})
    assert store.memories() == {"m": b"two"}


def test_it_opens_again_where_it_was(store, tmp_path):
    store.commit([sample(T0)], [], at(T0), {})
    store.seal(at(T0), "assumed")
    before = store.current()
    store.close()
    again = open_store(tmp_path / "store.db", "cq", "gw", KEY, at(T0))
    assert again.current() == before
    again.close()


YEAR_MS = 365 * 86_400_000


@pytest.mark.parametrize(
    ("left", "then_ms"),
    [
        ([(T0 + 100, "active_power"), (T0 + 50, "active_energy_import")], T0 + 80),
        ([(T0 + YEAR_MS, "active_power"), (T0 + 10, "active_power")], T0 + 5),
    ],
    ids=["another quantity later", "a clock a year ahead"],
)
def test_what_left_last_is_known_after_a_restart(store, tmp_path, left, then_ms):
    for n, (t_ms, quantity) in enumerate(left):
        now = at(t_ms, mono=YEAR_MS + n)
        store.commit([Sample("m", t_ms, {quantity: (1, 0)})], [], now, {})
        store.seal(now, "synchronized")
    store.close()
    now = at(then_ms, "boot-b", 900_000)
    again = open_store(tmp_path / "store.db", "cq", "gw", KEY, now)
    again.commit([Sample("m", then_ms, {"active_power": (1, 0)})], [], now, {})
    (sample,) = samples_of(opened(again, again.seal(now, "synchronized")))
    again.close()
    assert sample.quality == "suspect"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_set_back_by_days_is_behind_what_the_cloud_has_taken(store, tmp_path, restarted):
    """Readings of the future are in nobody's way; but these were taken, so it was that late."""
    late = at(T0 + 3 * 86_400_000)
    store.commit([sample(late.wall_ms)], [], late, {})
    store.seal(late, "synchronized")
    store.receipted(store.current().stream, 1, [], late)
    now = at(T0, mono=late.mono_ms + 1_000)
    if restarted:
        store.close()
    agent = open_store(tmp_path / "store.db", "cq", "gw", KEY, now) if restarted else store
    agent.commit([sample(T0)], [], now, {})
    (after,) = samples_of(opened(agent, agent.seal(now, "synchronized")))
    agent.close()
    assert after.quality == "suspect"


def test_a_full_disk_is_transient_and_nothing_is_half_done(store):
    store.commit([sample(T0)], [], at(T0), {})
    pages = store._file._db.execute("PRAGMA page_count").fetchone()[0]
    store._file._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(TransientError, match="disk is full"):
        store.commit([sample(T0 + n) for n in range(5000)], [], at(T0), {})
    store._file._db.execute("PRAGMA max_page_count = 1000000")
    assert store.seal(at(T0), "assumed") == 1
    assert len(samples_of(opened(store, 1))) == 1


def waiting(store, count):
    """So many cycles, a minute apart."""
    for n in range(count):
        store.commit([sample(T0 + 60_000 * n)], [], at(T0 + 60_000 * n), {})
    return at(T0 + 60_000 * count)


@pytest.mark.parametrize(
    ("limit", "most", "numbered"), [("MOST_BEHIND", 2, 2), ("MOST_BEHIND_BYTES", 1, 1)]
)
def test_of_the_backlog_only_so_much_has_numbers_at_a_time(
    store, monkeypatch, limit, most, numbered
):
    monkeypatch.setattr(f"edge_agent.store.{limit}", most)
    now = waiting(store, 4)
    while store.seal(now, "assumed", 1, live=False) is not None:
        pass
    while store.number_next(now) is not None:
        pass
    assert (store.standing().numbered, store.standing().behind) == (numbered, 4 - numbered)
    assert store.standing().oldest_ms == T0
    store.receipted(store.current().stream, numbered, [], now)
    assert store.number_next(now) == numbered + 1


def test_every_header_says_from_when_on_older_readings_wait(store):
    now = waiting(store, 3)
    while store.seal(now, "assumed", 1, live=False) is not None:
        pass
    store.commit([sample(now.wall_ms)], [], now, {})
    store.seal(now, "assumed", live=True)  # the newest leaves first
    while store.number_next(now) is not None:
        pass
    headers = [read_header(s.data)[0] for s in store.unreceipted(store.current().stream, 0, 9)]
    assert [(h.t_first_ms, h.waits_from_ms, h.v) for h in headers] == [
        (now.wall_ms, T0, 2),
        (T0, T0 + 60_000, 2),
        (T0 + 60_000, T0 + 120_000, 2),
        (T0 + 120_000, None, 1),
    ]


def test_what_is_sealed_while_many_wait_for_a_receipt_gets_its_number_later(store, monkeypatch):
    monkeypatch.setattr("edge_agent.store.MOST_NUMBERED", 2)
    now = waiting(store, 3)
    assert [store.seal(now, "assumed", 1) for _ in range(4)] == [1, 2, 0, None]
    assert store.standing().oldest_ms == T0, "of those with a number, too"


def test_what_an_ended_stream_keeps_without_a_receipt_holds_up_no_new_one(store, monkeypatch):
    """After a fork, or where its last segments rotted, no receipt fits it any more."""
    monkeypatch.setattr("edge_agent.store.MOST_NUMBERED", 2)
    monkeypatch.setattr("edge_agent.store.MOST_BEHIND", 2)
    now = waiting(store, 6)
    assert [store.seal(now, "assumed", 1) for _ in range(3)] == [1, 2, 0]
    store.begin_stream(now)
    assert store.number_next(now) == 1
    assert [store.seal(now, "assumed", 1) for _ in range(3)] == [2, 0, 0]
    assert store.numbered()[0] == 2
    assert (store.standing().numbered, store.standing().behind) == (4, 2), "both are shown"


def test_the_oldest_that_waits_may_have_no_number_yet(store):
    now = waiting(store, 2)
    assert [store.seal(now, "assumed", 1, live=live) for live in (False, True)] == [0, 1]
    assert store.standing().oldest_ms == T0


def test_sealing_takes_no_more_cycles_at_once_than_fit_its_share_of_memory(store, monkeypatch):
    monkeypatch.setattr("edge_agent.store.MOST_CYCLE_BYTES", 1)
    now = waiting(store, 2)
    assert [store.seal(now, "assumed") for _ in range(3)] == [1, 2, None]
    assert store.pending_bytes == 0


def test_every_commit_is_on_disk_before_it_returns(store):
    assert store._file._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    assert store._file._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_too_much_for_one_message_becomes_several(store):
    rng = random.Random(1)
    written = []
    for cycle in range(40):
        samples = [
            Sample(f"m{m}", T0 + cycle, {"active_power": (rng.getrandbits(60), 0)})
            for m in range(2000)
        ]
        written += samples
        store.commit(samples, [], at(T0 + cycle), {})
    sealed = []
    while seq := store.seal(at(T0 + 99), "assumed"):
        sealed.append(seq)
    stream = store.current().stream
    assert len(sealed) > 1
    assert all(len(store.segment(stream, seq).data) <= MOST_BYTES for seq in sealed)
    found = [sample for seq in sealed for sample in samples_of(opened(store, seq))]
    assert sorted(found, key=key) == sorted(written, key=key)


def test_more_numbers_than_a_segment_holds_become_several(store, monkeypatch):
    """They would compress into few bytes: a hundred idle meters, read for hours without a link."""
    monkeypatch.setattr(body, "MOST_NUMBERS", 1000)
    for cycle in range(40):
        samples = [Sample(f"m{m}", T0 + cycle, {"active_power": (0, 0)}) for m in range(100)]
        store.commit(samples, [], at(T0 + cycle), {})
    sealed = []
    while seq := store.seal(at(T0 + 99), "assumed"):
        sealed.append(seq)
    assert len(sealed) > 1
    assert sum(len(samples_of(opened(store, seq))) for seq in sealed) == 4000


def key(sample):
    return sample.meter, sample.t_ms


def test_a_segment_is_sealed_whole_or_not_at_all(store):
    store.commit([sample(T0)], [], at(T0), {})
    store._file._db.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON stream BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    with pytest.raises(sqlite3.IntegrityError):
        store.seal(at(T0), "assumed")
    store._file._db.execute("DROP TRIGGER full")
    assert store.waiting() == (1, 0), "the cycle is still pending and nothing was sealed"
    assert store.seal(at(T0), "assumed") == 1


async def test_work_on_the_disk_is_finished_even_when_its_waiter_is_cancelled(store):
    disk = Disk()
    begun, go_on = threading.Event(), threading.Event()

    def slow_commit():
        begun.set()
        go_on.wait(5)
        store.commit([sample(T0)], [], at(T0), {})

    waiter = asyncio.create_task(disk(slow_commit))
    await asyncio.to_thread(begun.wait, 5)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    go_on.set()
    assert await disk(store.waiting) == (1, 0)
    disk.close()
