"""True footprints: every millijoule in one account, mixed as the boards mix."""

from fractions import Fraction

from simulators.curve import MJ_PER_KWH
from simulators.truth import accounts_kwh, finished


def test_the_accounts_of_a_source_sum_to_what_its_meter_truly_saw(demo, scenario):
    begin, end = scenario.t0_ms + 1_234, scenario.t0_ms + 61_357
    accounts = accounts_kwh(scenario, begin, end)
    for meter in demo.meters[:2]:
        flow = scenario.energy_mj(meter, end) - scenario.energy_mj(meter, begin)
        total = sum(contents[meter.frm] for contents in accounts.values())
        assert total == Fraction(flow, MJ_PER_KWH)


def test_cutting_time_in_two_changes_no_account(scenario):
    t0 = scenario.t0_ms
    whole = accounts_kwh(scenario, t0, t0 + 30_000)
    first, second = (
        accounts_kwh(scenario, t0, t0 + 11_111),
        accounts_kwh(scenario, t0 + 11_111, t0 + 30_000),
    )
    for account, contents in whole.items():
        for source, kwh in contents.items():
            parts = [half.get(account, {}).get(source, 0) for half in (first, second)]
            assert sum(parts) == kwh


def test_a_finished_batch_holds_what_its_machines_took_for_it(scenario):
    begin, end = scenario.t0_ms, scenario.t0_ms + 120_000
    accounts, made = accounts_kwh(scenario, begin, end), finished(scenario, begin, end)
    assert len(made) > 10
    for batch in made:
        assert sum(accounts[f"batch:{batch.batch}"].values()) == batch.true_kwh


def test_batches_of_the_demo_take_15_to_40_seconds(scenario):
    made = finished(scenario, scenario.t0_ms, scenario.t0_ms + 600_000)
    lengths = [batch.visits[-1].stop_ms - batch.visits[0].begin_ms for batch in made]
    assert len(lengths) > 80
    assert min(lengths) >= 15_000
    assert max(lengths) <= 40_000


def test_lighting_is_the_residual_of_its_board_and_idling_the_machines_pool(demo, scenario):
    t0 = scenario.t0_ms
    accounts = accounts_kwh(scenario, t0, t0 + 60_000)
    lighting = Fraction(scenario.loads["lighting"].energy_mj(60_000), MJ_PER_KWH)
    assert sum(accounts["residual:main"].values()) == lighting
    assert "residual:hall-2" not in accounts
    assert {f"pool:{node}" for node in demo.nodes} <= set(accounts)
