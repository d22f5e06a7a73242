"""True footprints: everything that entered in one account, mixed as boards and utilities mix."""

from fractions import Fraction

import msgspec
import pytest

from simulators.curve import PER_UNIT
from simulators.plant import (
    Bus,
    Intake,
    Load,
    Meter,
    Node,
    Plant,
    Port,
    Product,
    Source,
    Use,
    Utility,
)
from simulators.scenario import Scenario
from simulators.truth import accounts, finished

HOUR_MS = 3_600_000


def test_the_accounts_of_a_source_sum_to_what_its_meter_truly_saw(demo, scenario):
    begin, end = scenario.t0_ms + 1_234, scenario.t0_ms + 41_357
    true = accounts(scenario, begin, end)
    entering = [meter for meter in demo.meters if meter.frm in demo.sources]
    assert len(entering) == 3
    for meter in entering:
        flow = scenario.amount(meter, end) - scenario.amount(meter, begin)
        total = sum(contents.get(meter.frm, 0) for contents in true.values())
        assert total == Fraction(flow, PER_UNIT)


def test_cutting_time_in_two_changes_no_account(scenario):
    t0 = scenario.t0_ms
    whole = accounts(scenario, t0, t0 + 20_000)
    halves = accounts(scenario, t0, t0 + 11_111), accounts(scenario, t0 + 11_111, t0 + 20_000)
    for account, contents in whole.items():
        for source, amount in contents.items():
            parts = [half.get(account, {}).get(source, 0) for half in halves]
            assert sum(parts) == amount


def test_a_finished_batch_holds_what_its_machines_took_for_it(demo, scenario):
    begin, end = scenario.t0_ms, scenario.t0_ms + 60_000
    true, made = accounts(scenario, begin, end), finished(scenario, begin, end)
    assert len(made) >= 8
    for batch in made:
        by_source = true[f"batch:{batch.batch}"]
        assert by_source["grid"] + by_source["pv"] == batch.true["electricity"]
        assert by_source.get("gas", 0) == batch.true.get("natural_gas", 0)
        own = sum(
            scenario.loads[bus, visit.station].amount(visit.stop_ms)
            - scenario.loads[bus, visit.station].amount(visit.begin_ms)
            for visit in batch.visits
            for bus in demo.nodes[visit.station].uses
            if demo.buses[bus].carrier == "electricity"
        )
        through = batch.true["electricity"] / Fraction(own, PER_UNIT) - 1
        assert Fraction(3, 100) < through < Fraction(1, 2), "its air and cold are in it"


def test_batches_of_the_demo_take_25_to_40_seconds(scenario):
    made = [lane.visits(order) for lane in scenario.lanes for order in range(100)]
    lengths = [visits[-1].stop_ms - visits[0].begin_ms for visits in made if visits]
    assert len(lengths) > 200
    assert 25_000 <= min(lengths) <= max(lengths) <= 40_000


def test_what_nobody_meters_is_the_residual_of_its_bus_and_idling_the_machines_pool(demo, scenario):
    t0 = scenario.t0_ms
    true = accounts(scenario, t0, t0 + 30_000)
    lighting = Fraction(scenario.loads["main", "lighting"].amount(30_000), PER_UNIT)
    assert sum(true["residual:main"].values()) == lighting
    assert set(true["residual:air"]) == {"grid", "pv"}
    assert "residual:cold" not in true, "the metered consumers carry what the pipes lose"
    assert {f"pool:{node}" for node in demo.nodes} <= set(true)


@pytest.fixture
def steady() -> Plant:
    """50 kW from the grid: 10 to an office, 30 + 4 to a compressor, 6 to a chiller.

    The compressor gives 300 m3/h: 150 to the office, 120 leak, 30 to the chiller. The chiller gives
    40 kW of cold: 30 to the office and 10 to the compressor; the pipes lose 8 more.
    """

    def use(rate: int) -> Use:
        return Use(rate, (rate, rate))

    return Plant(
        sources={"grid": Source("main")},
        buses={
            "main": Bus(),
            "air": Bus("compressed_air", "compressor"),
            "cold": Bus("chilled_water", "chiller"),
        },
        utilities={
            "compressor": Utility(
                {"main": Intake((4_000, 4_000), 100), "cold": Intake((10_000,) * 2)}
            ),
            "chiller": Utility({"main": Intake((6_000, 6_000)), "air": Intake((30_000, 30_000))}),
        },
        nodes={
            "office": Node(
                {"main": use(10_000), "air": use(150_000), "cold": use(30_000)}, "overhead"
            )
        },
        unmetered={"leaks": Load("air", (120_000,) * 2), "pipes": Load("cold", (8_000,) * 2)},
        products={"p": Product((1, 1))},
        lanes={},
        ports={"tcp": Port("tcp")},
        meters=(Meter("m-air", "compressor", "air", "fox_ft2a", "tcp", 1),),
    )


def test_utilities_that_feed_each_other_pass_all_they_take_on(steady):
    """By hand: a = (34 + 10 c) / 300 and c = (6 + 30 a) / 40, so a = 142/1170 and c = 0.15 + 0.75 a."""
    true = accounts(Scenario(steady, 7, 0), 0, HOUR_MS)
    air = Fraction(142, 1170)
    cold = Fraction(3, 20) + Fraction(3, 4) * air
    assert true == {
        "pool:office": {"grid": 10 + 150 * air + 30 * cold},
        "residual:air": {"grid": 120 * air},
    }
    assert sum(contents["grid"] for contents in true.values()) == 50


def test_losses_behind_a_metered_utility_are_its_bus_own(steady):
    meter = Meter("m-cold", "chiller", "cold", "onicon_system_10", "tcp", 2)
    metered = msgspec.structs.replace(steady, meters=(*steady.meters, meter))
    true = accounts(Scenario(metered, 7, 0), 0, HOUR_MS)
    # Now 48 kW of cold share it: a = (34 + 10 c) / 300 and c = (6 + 30 a) / 48.
    air = (34 + Fraction(60, 48)) / (300 - Fraction(300, 48))
    cold = (6 + 30 * air) / 48
    assert true["residual:cold"] == {"grid": 8 * cold}
    assert sum(contents["grid"] for contents in true.values()) == 50
