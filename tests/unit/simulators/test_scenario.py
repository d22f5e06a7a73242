"""The plant's truth: a function of seed and time, conserving every carrier exactly."""

import itertools
import re

import msgspec
import pytest

from simulators.dice import Dice
from simulators.lane import Orders
from simulators.oracle.registers import parse_time
from simulators.plant import Meter, Plant
from simulators.scenario import Scenario

MINUTE = 60_000


def meter(plant: Plant, to: str, frm: str = "") -> Meter:
    return next(m for m in plant.meters if m.to == to and m.frm.startswith(frm))


def test_a_plant_started_again_goes_on_as_if_nothing_had_happened(demo, scenario):
    ran = [
        scenario.amount(m, scenario.t0_ms + t) for m in demo.meters for t in range(0, 90_000, 777)
    ]
    reported = list(scenario.events(1, scenario.due(scenario.t0_ms + 5 * MINUTE)))
    again = Scenario(demo, 7, scenario.t0_ms)
    late = again.amount(demo.meters[4], scenario.t0_ms + 50 * MINUTE)
    assert late == scenario.amount(demo.meters[4], scenario.t0_ms + 50 * MINUTE)
    assert [
        again.amount(m, again.t0_ms + t) for m in demo.meters for t in range(0, 90_000, 777)
    ] == ran
    assert list(again.events(41, len(reported))) == reported[40:]


def test_another_seed_is_another_day(demo, scenario):
    other = Scenario(demo, 8, scenario.t0_ms)
    at = scenario.t0_ms + 10 * MINUTE
    assert all(other.amount(m, at) != scenario.amount(m, at) for m in demo.meters)


@pytest.mark.parametrize("after_ms", [1, 999, 12_345, 60_000, 3_600_001])
def test_what_flows_into_a_bus_flows_out_of_it(demo, scenario, after_ms):
    amount = {(m.frm, m.to): scenario.amount(m, scenario.t0_ms + after_ms) for m in demo.meters}
    for bus in demo.buses:
        given = sum(flowed for (_, to), flowed in amount.items() if to == bus)
        taken = sum(flowed for (frm, _), flowed in amount.items() if frm == bus)
        lost = [n for n, load in demo.unmetered.items() if load.bus == bus]
        taken += sum(scenario.loads[bus, name].amount(after_ms) for name in lost)
        if demo.is_linked(bus):
            assert (given, taken > 0) == (0, True)
        else:
            assert given == taken > 0


def test_a_utility_takes_more_for_more_and_less_for_each_at_high_load(demo, scenario):
    power, air = meter(demo, "compressor", "plant-room"), meter(demo, "air")
    seen = [
        (scenario.rate(air, scenario.t0_ms + t), scenario.rate(power, scenario.t0_ms + t))
        for t in range(0, 300_000, 500)
    ]
    (least, at_least), (most, at_most) = min(seen), max(seen)
    assert most > 2 * least
    assert at_most > at_least
    assert 105 < 1000 * at_most / most < 1000 * at_least / least < 200  # Wh for a Nm3
    for litres, watts in seen:
        assert 7_000 <= watts - litres * 105 // 1000 <= 8_000


def test_energy_is_the_integral_of_power_to_the_millisecond(demo, scenario):
    press = meter(demo, "press-1", "main")
    for t in range(scenario.t0_ms + 6_900, scenario.t0_ms + 7_900):
        step = scenario.amount(press, t + 1) - scenario.amount(press, t)
        assert step == scenario.rate(press, t)


def test_no_edge_ever_runs_backwards_or_above_its_rating(demo, scenario):
    for m in demo.meters:
        for t in range(0, 200_000, 500):
            assert 0 < scenario.rate(m, scenario.t0_ms + t) <= demo.rated(m)


def test_events_are_numbered_without_a_hole_in_order_of_time(scenario):
    last = scenario.due(scenario.t0_ms + 10 * MINUTE)
    events = list(scenario.events(1, last))
    assert [event["n"] for event in events] == list(range(1, last + 1))
    assert [event["t"] for event in events] == sorted(event["t"] for event in events)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", e["t"]) for e in events)
    assert len({event["id"] for event in events}) == last


def test_an_event_is_due_from_its_own_millisecond_on(scenario):
    for event in scenario.events(1, scenario.due(scenario.t0_ms + 2 * MINUTE)):
        t_ms = parse_time(event["t"])
        assert scenario.due(t_ms - 1) < event["n"] <= scenario.due(t_ms)
    assert event["n"] > 100
    assert scenario.due(scenario.t0_ms - 5) == 0


def test_ten_minutes_hold_setups_changeovers_pauses_faults_and_all_products(scenario):
    events = list(scenario.events(1, scenario.due(scenario.t0_ms + 10 * MINUTE)))
    assert {e["type"] for e in events} == {"start", "stop", "state", "quantity"}
    assert {e["product"] for e in events if e["type"] == "start"} == {
        "wheel-18",
        "housing-3",
        "bracket-7",
    }
    assert {e["state"] for e in events if e["type"] == "state"} == {"setup", "fault", "producing"}
    assert sum(int(e["scrap"]) for e in events if e["type"] == "quantity") > 0
    orders = {e["batch"] for e in events if e["type"] == "start" and e["batch"].startswith("A-")}
    slots = 10 * MINUTE // scenario.lanes[0].takt_ms
    assert slots * 3 // 4 < len(orders) < slots * 15 // 16  # now and then an order is left out


def test_batches_are_numbered_as_they_are_made_without_a_hole(scenario):
    events = list(scenario.events(1, scenario.due(scenario.t0_ms + 20 * MINUTE)))
    for lane in scenario.lanes:
        first = lane.lane.stations[0]
        begun = [e["batch"] for e in events if e["type"] == "start" and e["node"] == first]
        assert begun == [f"{lane.name}-{n:05d}" for n in range(1, len(begun) + 1)]
        assert len(begun) > 50


def test_a_lane_makes_run_orders_of_a_product_whatever_is_left_out(scenario):
    for lane in scenario.lanes:
        every = lane.lane.pause_one_in
        made = [order for order in range(30 * every) if lane.visits(order)]
        assert len(made) == 30 * (every - 1)
        products = [lane.product(order) for order in made]
        groups = [len(list(group)) for _, group in itertools.groupby(products)]
        assert set(groups[:-1]) == {lane.lane.run}
        setups = [lane.visits(o)[0].begin_ms < lane.visits(o)[0].start_ms for o in made]
        assert setups == [n % lane.lane.run == 0 for n in range(len(made))]


def test_a_lane_without_pauses_makes_every_order(demo):
    lane = msgspec.structs.replace(demo.lanes["A"], pause_one_in=0)
    orders = Orders("A", lane, demo, Dice(7))
    assert [orders.visits(k)[0].batch for k in range(9)] == [f"A-{k:05d}" for k in range(1, 10)]


def test_before_its_first_millisecond_there_is_no_plant(demo, scenario):
    with pytest.raises(ValueError, match="before the plant's first millisecond"):
        scenario.amount(demo.meters[0], scenario.t0_ms - 1)
