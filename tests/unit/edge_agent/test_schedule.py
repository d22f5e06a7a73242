"""Whose turn it is, on a bus whose reads take time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.schedule import Schedule

QUARTER_MS = 900_000
T0 = 1_790_000_400_000  # five minutes after a boundary


def run(schedule: Schedule, until_ms: int, read_ms: int, dead: str = "") -> list[tuple[str, int]]:
    """(name, begin) of every read until then; a read of the dead device takes a timeout of 1 s."""
    now, asked = T0, []
    while True:
        due = schedule.next_due(now)
        now = max(now, due.due_ms)
        if now >= until_ms:
            return asked
        asked.append((due.name, now))
        now += 1000 if due.name == dead else read_ms
        (schedule.failed if due.name == dead else schedule.answered)(due.name, now)


def test_a_device_is_read_at_whole_multiples_of_its_interval() -> None:
    asked = run(Schedule({"a": 5_000}, T0), T0 + 20_001, 30)
    assert [t for _, t in asked] == [T0, T0 + 5_000, T0 + 10_000, T0 + 15_000, T0 + 20_000]


def test_the_earliest_deadline_goes_first() -> None:
    schedule = Schedule({"hourly": 3_600_000, "fast": 1_000, "slow": 60_000}, T0)
    order = []
    for n in range(3):
        due = schedule.next_due(T0 + 40 * n)
        order.append(due.name)
        schedule.answered(due.name, T0 + 40 * (n + 1))
    assert order == ["fast", "slow", "hourly"]


def test_a_boundary_goes_before_an_earlier_deadline() -> None:
    boundary = (T0 // QUARTER_MS + 1) * QUARTER_MS
    schedule = Schedule({"fast": 700, "slow": 3_600_000}, boundary - 300)
    schedule.answered("slow", boundary - 250)
    late = boundary + 10
    assert schedule.next_due(late).name == "slow"
    assert schedule.next_due(late).boundary


def test_everyone_is_read_at_each_quarter_whatever_the_interval() -> None:
    asked = run(Schedule({"odd": 7_001, "rare": 10_000_000}, T0), T0 + 2 * QUARTER_MS, 30)
    for name in ("odd", "rare"):
        times = [t for n, t in asked if n == name]
        for boundary in (T0 // QUARTER_MS + 1, T0 // QUARTER_MS + 2):
            assert any(0 <= t - boundary * QUARTER_MS < 60 for t in times)


def test_a_slot_that_passed_is_left_out() -> None:
    schedule = Schedule({"a": 1_000}, T0)
    schedule.answered("a", T0 + 5_400)
    assert schedule.next_due(T0 + 5_400).due_ms == T0 + 6_000


def test_a_dead_device_is_asked_once_per_step_up_to_five_minutes() -> None:
    asked = run(Schedule({"dead": 1_000}, T0), T0 + 60_000_000, 30, dead="dead")
    times = [t for _, t in asked]
    waits = [b - a - 1000 for a, b in pairwise(times)]
    assert waits[:4] == [2_000, 4_000, 6_000, 8_000]
    assert waits[149:] == [300_000] * len(waits[149:])
    assert len(waits) > 160


def test_a_device_that_comes_back_is_read_at_its_own_pace_again() -> None:
    schedule = Schedule({"a": 1_000}, T0)
    for n in range(10):
        schedule.failed("a", T0 + n)
    schedule.answered("a", T0 + 100_000)
    assert schedule.next_due(T0 + 100_000).due_ms == T0 + 101_000
    schedule.failed("a", T0 + 101_000)
    assert schedule.next_due(T0 + 101_000).due_ms == T0 + 103_000, "and its back-off begins anew"


def test_a_dead_device_does_not_go_first_at_a_boundary() -> None:
    boundary = (T0 // QUARTER_MS + 1) * QUARTER_MS
    schedule = Schedule({"dead": 1_000, "well": 60_000}, T0)
    schedule.failed("dead", boundary - 2_000)
    schedule.answered("well", boundary - 1_000)
    due = schedule.next_due(boundary)
    assert (due.name, due.boundary) == ("well", True)
    schedule.answered("well", boundary)
    assert not schedule.next_due(boundary).boundary


def test_a_dead_device_waits_behind_neighbours_that_became_due_after_it() -> None:
    schedule = Schedule({"dead": 1_000, "well": 1_000}, T0)
    for _ in range(10):
        schedule.failed("dead", T0)  # due in 20 s
    schedule.answered("well", T0 + 20_500)
    assert schedule.next_due(T0 + 21_000).name == "well"


def test_one_dead_of_ten_costs_the_others_less_than_five_percent_of_their_slots() -> None:
    names = [f"m{n}" for n in range(10)]
    span = 900_000
    asked = run(Schedule(dict.fromkeys(names, 1_000), T0), T0 + span, 60, dead="m3")
    for name in set(names) - {"m3"}:
        assert sum(n == name for n, _ in asked) > 0.95 * span / 1_000


def test_a_full_bus_shares_itself_among_equals() -> None:
    names = [f"m{n}" for n in range(10)]
    asked = run(Schedule(dict.fromkeys(names, 1_000), T0), T0 + 300_000, 200)
    counts = [sum(n == name for n, _ in asked) for name in names]
    assert min(counts) >= 0.95 * max(counts)


def test_a_clock_set_back_does_not_stop_the_bus() -> None:
    schedule = Schedule({"a": 1_000, "dead": 1_000}, T0)
    schedule.answered("a", T0)
    schedule.failed("dead", T0)
    schedule.clock_stepped(T0 - 86_400_000)
    assert schedule.next_due(T0 - 86_400_000).due_ms <= T0 - 86_400_000 + 2_000


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(500, 100_000), min_size=1),
    st.integers(1, 400),
)
def test_nobody_starves(intervals: dict[str, int], read_ms: int) -> None:
    span = 10 * max(*intervals.values(), read_ms * len(intervals))
    asked = run(Schedule(intervals, T0), T0 + span, read_ms)
    assert {name for name, _ in asked} == set(intervals)


def test_a_change_leaves_everyone_elses_turn_alone() -> None:
    schedule = Schedule({"kept": 60_000, "gone": 1_000, "dead": 1_000}, T0)
    schedule.answered("kept", T0)
    schedule.failed("dead", T0)
    schedule.change({"kept": 60_000, "dead": 1_000, "new": 1_000}, T0 + 500, QUARTER_MS)
    assert schedule.next_due(T0 + 500).name == "new", "who is new is due at once"
    schedule.answered("new", T0 + 500)
    assert schedule.probe_ms("dead") == T0 + 2_000
    schedule.answered("new", T0 + 3_000)
    assert schedule.next_due(T0 + 3_000).name == "dead"
    schedule.answered("dead", T0 + 3_000)
    assert schedule.probe_ms("dead") is None
    asked = run(schedule, T0 + 60_100, 10)
    assert [t for name, t in asked if name == "kept"] == [T0 + 60_000]


def test_a_shorter_interval_counts_at_once() -> None:
    schedule = Schedule({"a": 3_600_000}, T0)
    schedule.answered("a", T0)
    schedule.change({"a": 10_000}, T0 + 5_000, QUARTER_MS)
    assert schedule.next_due(T0 + 5_000).due_ms == T0 + 10_000
