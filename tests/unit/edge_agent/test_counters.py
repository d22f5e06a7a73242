"""What a register's values mean when they do not simply rise."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.counters import (
    PATIENCE,
    Judged,
    Register,
    State,
    another,
    confirmed,
    judge,
    replaced,
    shifted,
    undated,
)
from edge_agent.exact import as_fraction
from wire.messages import MeterEvent, Sample, Value

KWH = "active_energy_import"
T0 = 1_790_000_000_000
TEN_KW = Register(per_hour=Fraction(10), modulus=Fraction(1_000_000))


def feed(values: list[int], bounds: Register = TEN_KW, every_ms: int = 60_000) -> list[Judged]:
    """The judgements of a register (in Wh, one value each minute)."""
    state: State = {}
    told = []
    for n, value in enumerate(values):
        judged = judge(state, sample(value, T0 + n * every_ms), {KWH: bounds})
        told.append(judged)
        state = judged.state
    return told


def sample(wh: int, t_ms: int) -> Sample:
    return Sample("m", t_ms, {KWH: (wh, -3)})


def qualities(told: list[Judged]) -> list[str]:
    return [judged.samples[0].quality for judged in told]


def events(told: list[Judged]) -> list[MeterEvent]:
    return [event for judged in told for event in judged.events]


def booked(told: list[Judged]) -> Fraction:
    """kWh an account takes from these samples and events."""
    total, last = Fraction(0), None
    for judged in told:
        value = next((s.values[KWH] for s in judged.samples if s.quality == "good"), None)
        if value is None:
            continue
        new = as_fraction(value)
        closing = [Fraction(e.detail["closing"]) for e in judged.events if "closing" in e.detail]
        if last is not None:
            total += (closing[0] if closing else new) - last
        last = new
    return total


def test_a_rise_within_rated_power_is_good() -> None:
    told = feed([1000, 1166, 1332])  # 10 kW is 166 Wh a minute
    assert qualities(told) == ["good"] * 3
    assert events(told) == []


def test_a_rise_beyond_rated_power_is_suspect_and_the_next_sound_value_is_good() -> None:
    told = feed([1000, 9_113_000, 1320])
    assert qualities(told) == ["good", "suspect", "good"]
    assert [(e.event, e.detail) for e in events(told)] == [
        ("jump", {"quantity": KWH, "last": "1", "read": "9113"})
    ]
    assert booked(told) == Fraction(320, 1000)


def test_a_single_zero_is_a_glitch_and_books_nothing() -> None:
    told = feed([53_700_000, 0, 53_700_100])
    assert qualities(told) == ["good", "suspect", "good"]
    assert [e.event for e in events(told)] == ["zero_glitch"]
    assert booked(told) == Fraction(1, 10)


def test_a_step_back_is_suspect_until_the_register_is_past_it_again() -> None:
    told = feed([5_000, 4_900, 5_050])
    assert qualities(told) == ["good", "suspect", "good"]
    assert [e.event for e in events(told)] == ["step_back"]
    assert booked(told) == Fraction(50, 1000)


def test_zeros_without_end_are_no_reset_until_the_register_counts() -> None:
    told = feed([53_700_000, *[0] * 20, 53_700_100])
    assert qualities(told) == ["good", *["suspect"] * 20, "good"]
    assert [e.event for e in events(told)] == ["zero_glitch"]
    assert [e.event for e in told[PATIENCE].events] == ["zero_glitch"], "a doubt that lasts is told"
    assert booked(told) == Fraction(1, 10)


def test_a_glitch_is_told_at_its_own_time() -> None:
    (event,) = feed([53_700_000, 0, 53_700_100])[2].events
    assert event.t_ms == T0 + 60_000


def test_a_register_that_counts_on_from_elsewhere_is_reset_after_patience() -> None:
    told = feed([50_000, 0, 10, 20, 30])
    assert qualities(told) == ["good", *["suspect"] * (PATIENCE - 1), "good", "good"]
    (reset,) = events(told)
    assert reset.t_ms == T0 + 3 * 60_000
    assert reset.event == "reset"
    ends = {"closing": "50.02", "opening": "0.02"}
    assert reset.detail == {"quantity": KWH, **ends, "last": "50", "read": "0"}
    assert booked(told) == Fraction(30, 1000)


def test_suspect_values_that_do_not_agree_never_make_a_reset() -> None:
    told = feed([50_000, 10, 40_000, 5, 30_000, 7, 20_000])
    assert qualities(told)[1:] == ["suspect"] * 6
    assert "reset" not in {e.event for e in events(told)}


def test_a_rollover_at_the_modulus_books_across_it() -> None:
    told = feed([999_999_900, 40, 50, 60])
    assert qualities(told) == ["good", "suspect", "suspect", "good"]
    assert [(e.event, e.detail) for e in events(told)] == [
        ("rollover", {"quantity": KWH, "closing": "1000000.06", "opening": "0.06"})
    ]
    assert booked(told) == Fraction(160, 1000)


def test_a_zero_where_a_rollover_would_fit_is_a_glitch_all_the_same() -> None:
    told = feed([999_999_900, 0, 999_999_950])
    assert qualities(told) == ["good", "suspect", "good"]
    assert [e.event for e in events(told)] == ["zero_glitch"]
    assert booked(told) == Fraction(50, 1000)


def test_a_small_counter_is_followed_turn_after_turn() -> None:
    pulses = Register(per_hour=Fraction(10), modulus=Fraction(1))
    told = feed([(150 * n) % 1000 for n in range(30)], pulses)
    assert {e.event for e in events(told)} == {"rollover"}
    assert booked(told) == Fraction(150 * 29, 1000)


def test_turns_among_the_agreeing_values_are_counted() -> None:
    pulses = Register(per_hour=Fraction(10), modulus=Fraction(1))
    told = feed([900, 733, 566, 399], pulses, every_ms=5 * 60_000)
    assert [(e.event, e.detail["closing"]) for e in events(told)] == [("rollover", "3.399")]


def test_turns_that_nobody_can_have_seen_are_named_and_the_least_is_booked() -> None:
    pulses = Register(per_hour=Fraction(10), modulus=Fraction(1))
    told = feed([100, 300], pulses, every_ms=3_600_000)
    assert [(e.event, e.detail["read"]) for e in events(told)] == [("turns_unknown", "0.3")]
    assert (qualities(told), booked(told)) == (["good"] * 2, Fraction(200, 1000))


def test_a_rollover_that_would_need_more_than_rated_power_is_none() -> None:
    assert [e.event for e in events(feed([900_000_000, 40, 50, 60]))] == ["reset"]


def test_a_total_that_falls_by_more_than_its_modulus_did_not_roll_over() -> None:
    # Of two tariffs with a modulus each: a rollover of one cannot have taken it so far down.
    told = feed([1_500_000_000, 0, 10, 20])
    assert [e.event for e in events(told)] == ["reset"]
    assert booked(told) == Fraction(20, 1000)


def test_time_for_just_a_whole_turn_is_told_though_the_register_stands_where_it_was() -> None:
    bounds = Register(per_hour=Fraction(10), modulus=Fraction(10))
    most_ms = 3_529_411 - 2_000  # in which 10 kW, 2 % too much, make 10 kWh; less the refresh
    assert [e.event for e in events(feed([0, 0], bounds, most_ms))] == ["turns_unknown"]
    assert events(feed([0, 0], bounds, most_ms - 1_000)) == []


def test_without_a_modulus_or_rated_power_nothing_is_a_rollover() -> None:
    values = [999_999_900, 40, 50, 60]
    for bounds in (Register(per_hour=Fraction(10)), Register(modulus=Fraction(1_000_000))):
        assert [e.event for e in events(feed(values, bounds))] == ["reset"]


def test_the_total_of_two_tariffs_rolls_over_when_one_of_them_does() -> None:
    told = feed([1_300_000_000 - 50, 300_000_050, 300_000_060, 300_000_070])
    assert [e.event for e in events(told)] == ["rollover"]
    assert booked(told) == Fraction(120, 1000)


def exchanged(values: list[int], state: State) -> list[Judged]:
    """What is said of the values after the meter said it is another one, one each minute."""
    begun_ms = state[KWH].t_ms
    state, told = replaced(state), []
    for n, value in enumerate(values, 1):
        told.append(judge(state, sample(value, begun_ms + n * 60_000), {KWH: TEN_KW}))
        state = told[-1].state
    return told


def test_after_a_swap_the_new_register_opens_where_it_stands() -> None:
    before = judge({}, sample(77_000, T0), {KWH: TEN_KW})
    told = exchanged([12, 12, 20], before.state)
    assert qualities(told) == ["suspect", "suspect", "good"]
    (event,) = events(told)
    assert (event.event, event.t_ms) == ("swap", T0 + 3 * 60_000)
    assert event.detail == {"quantity": KWH, "closing": "77.008", "opening": "0.02"}
    assert booked([before, *told]) == Fraction(8, 1000), "what the new register counted so far"


def test_a_new_meter_on_an_idle_machine_opens_at_zero() -> None:
    before = judge({}, sample(77_000, T0), {KWH: TEN_KW})
    assert [e.event for e in events(exchanged([0, 0, 0], before.state))] == ["swap"]


def test_a_single_wrong_value_after_an_exchange_opens_nothing() -> None:
    before = judge({}, sample(77_000, T0), {KWH: TEN_KW})
    told = exchanged([0, 4_500_000, 4_500_010, 4_500_020], before.state)
    (event,) = events(told)
    assert (event.event, event.detail["opening"]) == ("swap", "4500.02")
    assert booked([before, *told]) == Fraction(20, 1000)


def test_an_exchange_that_was_seen_as_a_reset_before_is_not_told_twice() -> None:
    told = feed([77_000, 12, 20, 30, 40])
    assert [e.event for e in events(told)] == ["reset"]
    after = judge(replaced(told[-1].state), sample(50, T0 + 5 * 60_000), {KWH: TEN_KW})
    assert (after.events, qualities([after])) == ([], ["good"])
    assert [e.event for e in events(exchanged([60, 61, 62], after.state))] == ["swap"], "another"
    same = confirmed(told[-1].state)
    later = exchanged([60, 61, 62], same)
    assert [e.event for e in events(later)] == ["swap"]


def test_two_exchanges_within_an_hour_are_two_swaps() -> None:
    before = judge({}, sample(77_000, T0), {KWH: TEN_KW})
    told = exchanged([200, 210, 220], before.state)
    again = exchanged([350, 360, 370], told[-1].state)
    assert [e.event for e in events(told)] == [e.event for e in events(again)] == ["swap"]
    assert booked([before, *told, *again]) == Fraction(40, 1000), "and nothing between the two"


def test_a_register_read_in_other_units_is_another() -> None:
    told = feed([77_000, 12, 20, 30, 500_000])  # a reset, then doubt
    state = {KWH: another(told[-1].state[KWH])}
    after = []
    for n, value in enumerate((60, 70, 80), 5):
        after.append(judge(state, sample(value, T0 + n * 60_000), {KWH: TEN_KW}))
        state = after[-1].state
    assert [e.event for e in events(after)] == ["swap"]
    assert qualities(after) == ["suspect", "suspect", "good"]


def test_good_values_of_the_same_answer_stay_good() -> None:
    first = judge({}, sample(50_000, T0), {KWH: TEN_KW})
    mixed = Sample("m", T0 + 60_000, {"active_power": (5, 0), KWH: (0, -3), "voltage_l1": (230, 0)})
    good, suspect = judge(first.state, mixed, {KWH: TEN_KW}).samples
    assert (good.quality, list(good.values)) == ("good", ["active_power", "voltage_l1"])
    assert (suspect.quality, list(suspect.values)) == ("suspect", [KWH])
    assert good.t_ms == suspect.t_ms == T0 + 60_000


def test_a_gateway_that_was_off_believes_what_the_load_can_have_drawn() -> None:
    first = judge({}, sample(1_000, T0), {KWH: TEN_KW})
    later = judge(first.state, sample(201_000, T0 + 24 * 3_600_000), {KWH: TEN_KW})
    assert later.samples[0].quality == "good"


def test_a_register_that_is_refreshed_every_two_seconds_makes_no_jumps() -> None:
    assert qualities(feed([0, 8], every_ms=1_000)) == ["good", "good"]
    assert qualities(feed([0, 12], every_ms=1_000)) == ["good", "suspect"]


def test_the_clock_may_be_set_and_nothing_jumps() -> None:
    for by_ms in (-3_600_000, 86_400_000):
        first = judge({}, sample(1_000, T0), {KWH: TEN_KW})
        state = shifted(first.state, by_ms)
        later = judge(state, sample(1_160, T0 + 60_000 + by_ms), {KWH: TEN_KW})
        assert qualities([later]) == ["good"]


@pytest.mark.parametrize("how", ["undated", "set back unnoticed"])
def test_over_a_time_of_unknown_length_values_that_agree_are_believed(how: str) -> None:
    first = judge({}, sample(1_000, T0), {KWH: TEN_KW})
    state, start = (undated(first.state), T0) if how == "undated" else (first.state, T0 - 10**8)
    told = []
    for n, value in enumerate([900_000, 201_000, 201_010, 201_020], 1):
        told.append(judge(state, sample(value, start + n * 60_000), {KWH: TEN_KW}))
        state = told[-1].state
    assert qualities(told) == ["suspect"] * 3 + ["good"]
    assert [(e.event, e.detail["read"]) for e in events(told)] == [("jump", "900")]
    assert booked([first, *told]) == Fraction(200_020, 1000)


@pytest.mark.parametrize(("days", "said"), [(29, []), (32, ["reset"])])
def test_a_time_of_unknown_length_may_have_been_a_month(days: int, said: list[str]) -> None:
    state = undated(judge({}, sample(1_000, T0), {KWH: TEN_KW}).state)
    drawn = 10_200 * 24 * days  # Wh, of 10 kW at class 2
    told = []
    for n in range(1, PATIENCE + 1):
        told.append(judge(state, sample(1_000 + drawn + n, T0 + n * 60_000), {KWH: TEN_KW}))
        state = told[-1].state
    assert [e.event for e in events(told)] == said


def test_the_same_answer_judged_again_changes_nothing() -> None:
    state: State = {}
    for n, value in enumerate([50_000, 50_010, 0, 10, 20, 30]):
        once = judge(state, sample(value, T0 + n * 60_000), {KWH: TEN_KW})
        again = judge(once.state, sample(value, T0 + n * 60_000), {KWH: TEN_KW})
        assert (again.state, again.events) == (once.state, [])
        assert again.samples == once.samples
        state = once.state


def test_a_meter_of_class_2_at_full_load_for_hours_is_believed() -> None:
    told = feed([0, 40_800, 81_600], every_ms=4 * 3_600_000)
    assert qualities(told) == ["good"] * 3
    assert qualities(feed([0, 41_000], every_ms=4 * 3_600_000)) == ["good", "suspect"]


def test_the_coarse_steps_of_a_32_bit_float_are_no_jumps() -> None:
    # At 8 GWh a float of kWh moves by half a kWh; a 1 kW load waits half an hour and then jumps.
    bounds = Register(per_hour=Fraction(1), float32=True)
    told = feed([8_000_000_000, 8_000_000_500], bounds, every_ms=1_000)
    assert qualities(told) == ["good", "good"]


def test_a_float_jumps_by_its_own_coarse_step_and_no_further() -> None:
    bounds = Register(per_hour=Fraction(1), float32=True)
    told = feed([8_000_000_000, 8_000_002_500], bounds, every_ms=1_000)
    assert qualities(told) == ["good", "suspect"]


def test_a_number_that_loses_its_last_digit_as_it_grows_may_move_by_the_next() -> None:
    """Seven digits written out: 99999.9 is followed by 100001."""
    bounds = {KWH: Register(per_hour=Fraction(1))}
    first = judge({}, Sample("m", T0, {KWH: (999_999, -1)}), bounds)
    later = judge(first.state, Sample("m", T0 + 1_000, {KWH: (100_001, 0)}), bounds)
    assert qualities([later]) == ["good"]


def test_a_register_was_last_read_when_it_was_last_doubted() -> None:
    *_, doubted = feed([50_000, 0])
    assert doubted.state[KWH].last_t_ms == T0 + 60_000


@given(st.lists(st.integers(0, 166), min_size=1, max_size=40), st.integers(0, 10**9 - 1))
def test_an_honest_meter_is_believed_entirely(rises: list[int], start: int) -> None:
    values = [start]
    for rise in rises:
        values.append((values[-1] + rise) % 10**9)
    told = feed(values)
    if all(before <= after for before, after in itertools.pairwise(values)):
        assert set(qualities(told)) == {"good"}
    if qualities(told)[-1] == "good":
        assert booked(told) == Fraction(sum(rises), 1000)
    assert {e.event for e in events(told)} <= {"rollover", "step_back", "zero_glitch"}


@given(st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=40))
def test_no_sequence_of_values_books_more_than_rated_power_allows(values: list[int]) -> None:
    told = feed(values)
    minutes = len(values) - 1
    with_refresh_class_and_steps = Fraction(10 * 62, 3600) * Fraction(102, 100) + Fraction(2, 1000)
    assert 0 <= booked(told) <= with_refresh_class_and_steps * minutes


@given(st.lists(st.integers(0, 10**9 - 1), min_size=1, max_size=40))
def test_every_value_is_kept_once_and_every_break_has_an_event(values: list[int]) -> None:
    told = feed(values)
    kept: list[Value] = [s.values[KWH] for judged in told for s in judged.samples]
    assert kept == [(value, -3) for value in values]
    last = None
    for judged in told:
        if judged.samples[0].quality == "good":
            (mantissa, _) = judged.samples[0].values[KWH]
            assert (
                last is None
                or mantissa >= last
                or any("closing" in e.detail for e in judged.events)
            )
            last = mantissa
