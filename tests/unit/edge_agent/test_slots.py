"""Completeness by quarter of an hour: what was due, what was answered."""

from random import Random

from edge_agent.slots import QUARTER_MS, Quarter, Slots

T0 = 1_800_000_000_000  # a whole quarter
assert T0 % QUARTER_MS == 0


def test_a_meter_read_every_second_is_complete():
    slots = Slots(1000, QUARTER_MS, T0)
    for second in range(901):
        slots.answered_round(T0 + 1000 * second + 3, T0 + 1000 * second + 40)
    first, second = slots.count(T0 + 900_999)
    assert first == Quarter(T0, T0, due=900, answered=900)
    assert second == Quarter(T0 + QUARTER_MS, T0 + QUARTER_MS, due=1, answered=1)
    assert (slots.due, slots.answered) == (901, 901)


def test_a_meter_that_is_dead_for_half_a_quarter_is_half_complete():
    slots = Slots(1000, QUARTER_MS, T0)
    for second in range(450):
        slots.answered_round(T0 + 1000 * second, T0 + 1000 * second + 40)
    (first, *_) = slots.count(T0 + QUARTER_MS)
    assert (first.due, first.answered) == (900, 450)


def test_a_bus_too_slow_for_its_interval_shows_though_everything_asked_was_answered():
    slots = Slots(1000, QUARTER_MS, T0)
    for begun in range(T0, T0 + QUARTER_MS, 5_000):
        slots.answered_round(begun, begun + 4_990)
    (first, *_) = slots.count(T0 + QUARTER_MS)
    assert (first.due, first.answered) == (900, 180)


def test_two_rounds_in_one_slot_fill_it_once():
    slots = Slots(60_000, QUARTER_MS, T0)
    slots.answered_round(T0 + 10, T0 + 20)
    slots.answered_round(T0 + 40_000, T0 + 40_020)  # a probe after a failure
    (only,) = slots.count(T0 + 59_999)
    assert (only.due, only.answered) == (1, 1)


def test_the_first_round_in_the_middle_of_a_slot_fills_none():
    slots = Slots(60_000, QUARTER_MS, T0 + 500)
    slots.answered_round(T0 + 500, T0 + 600)
    assert slots.count(T0 + 59_999) == [Quarter(T0, T0 + 500, due=0, answered=0)]
    slots.answered_round(T0 + 60_000, T0 + 60_100)
    assert slots.count(T0 + 60_200) == [Quarter(T0, T0 + 500, due=1, answered=1)]


def test_a_round_begun_before_the_quarter_ended_counts_there():
    slots = Slots(1000, QUARTER_MS, T0)
    last = T0 + QUARTER_MS - 1000
    slots.answered_round(last + 950, last + 1_200)
    first, second = slots.count(last + 1_200)
    assert (first.answered, second.answered) == (1, 0)


def test_boundaries_off_the_interval_are_slots_too():
    slots = Slots(7_000, QUARTER_MS, T0)
    expected = {*range(-(-T0 // 7_000) * 7_000, T0 + QUARTER_MS, 7_000), T0}
    (first, second) = slots.count(T0 + QUARTER_MS)
    assert first.due == len(expected)
    assert second.due == 1
    slots.answered_round(T0 + QUARTER_MS + 5, T0 + QUARTER_MS + 30)
    assert slots.count(T0 + QUARTER_MS + 30)[-1].answered == 1


def test_counting_often_or_once_is_the_same():
    rng = Random(7)
    often, once = Slots(900, 60_000, T0 + 333), Slots(900, 60_000, T0 + 333)
    now = T0 + 333
    while now < T0 + 3 * QUARTER_MS:
        now += rng.randrange(1, 5_000)
        often.count(now)
    assert often.count(now) == once.count(now)
    assert often.due == once.due == sum(quarter.due for quarter in once.count(now))


def test_another_interval_counts_from_when_it_was_given():
    slots = Slots(1000, QUARTER_MS, T0)
    slots.retime(10_000, QUARTER_MS, T0 + 99_999)
    (only,) = slots.count(T0 + 199_999)
    assert only.due == 100 + 10


def test_a_clock_set_back_counts_the_quarter_anew_and_forgets_what_lies_ahead():
    slots = Slots(1000, QUARTER_MS, T0)
    slots.answered_round(T0 + QUARTER_MS, T0 + QUARTER_MS)
    slots.clock_stepped(T0 + 5_000, -QUARTER_MS + 5_000)
    assert slots.count(T0 + 5_999) == [Quarter(T0, T0 + 5_000, due=1, answered=0)]
    slots.answered_round(T0 + 6_000, T0 + 6_010)
    assert slots.count(T0 + 6_999) == [Quarter(T0, T0 + 5_000, due=2, answered=1)]


def test_a_clock_set_forward_leaves_no_slots_that_never_were():
    slots = Slots(1000, QUARTER_MS, T0)
    slots.count(T0 + QUARTER_MS + 60_000)
    ahead = T0 + 2 * QUARTER_MS + 60_000
    slots.count(ahead)  # before anybody noticed that it was set
    slots.clock_stepped(ahead, QUARTER_MS)
    first, now = slots.count(ahead)
    assert (first.start_ms, first.due) == (T0, 900)
    assert (now.start_ms, now.due) == (T0 + 2 * QUARTER_MS, 1)


def test_the_first_true_time_after_a_start_in_1970_counts_from_there():
    slots = Slots(1000, QUARTER_MS, 5_000)
    assert slots.count(T0) == [Quarter(T0, T0, due=1, answered=0)]
    assert slots.due == 1


def test_only_the_last_quarters_are_kept():
    slots = Slots(1000, QUARTER_MS, T0)
    for n in range(101):
        kept = slots.count(T0 + n * QUARTER_MS)
    assert [quarter.start_ms for quarter in kept] == [
        T0 + n * QUARTER_MS for n in (96, 97, 98, 99, 100)
    ]
