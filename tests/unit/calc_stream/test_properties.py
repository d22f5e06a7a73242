"""What every build keeps, on random plants."""

import json

import numpy as np
from hypothesis import strategies as st

from calc_stream.core import (
    Readings,
    canonical,
    compute_result,
    parse_events,
    parse_model,
    parse_readings,
    recompute,
)
from calc_stream.core import whole as whole_module
from calc_stream.core.decimals import instant

from .often import often
from .plants import World, model_text, worlds


def computed(world: World, text: str | None = None):
    return recompute(parse_model(text or world.model, "model"), world.events, world.readings())


@often(8, 25, world=worlds())
def test_every_source_closes_at_zero_in_every_interval(world: World) -> None:
    model = parse_model(world.model, "model")
    ledger = recompute(model, world.events, world.readings())
    assert set(ledger.closure().values()) == {0}
    p = ledger.postings
    posted: dict[tuple[int, int], int] = {}
    for start, source, quanta in zip(p.starts.tolist(), p.source.tolist(), p.quanta.tolist()):
        posted[start, source] = posted.get((start, source), 0) + quanta
    one_by_one: dict[tuple[int, int], int] = {}
    for start, end in sorted(set(zip(p.starts.tolist(), p.ends.tolist()))):
        part = recompute(model, world.events, world.readings(), start, end)
        assert part.intervals == 1
        for at, inflow in enumerate(part.postings.inflow):
            if inflow:
                one_by_one[start, at] = inflow
    assert {key: quanta for key, quanta in posted.items() if quanta} == one_by_one


@often(15, 60, world=worlds())
def test_the_exact_path_and_the_int64_path_are_equal(world: World) -> None:
    fast = computed(world)
    limit = whole_module.LIMIT
    whole_module.LIMIT = 1  # nothing is small enough for int64 now
    try:
        exact = computed(world)
    finally:
        whole_module.LIMIT = limit
    for field in ("starts", "ends", "account", "source", "quanta"):
        assert getattr(fast.postings, field).tolist() == getattr(exact.postings, field).tolist()


@often(10, 40, world=worlds())
def test_refining_the_slot_never_changes_source_totals(world: World) -> None:
    fine = world.model.replace("slot_s = 20", "slot_s = 1").replace("slot_s = 2\n", "slot_s = 1\n")
    assert computed(world).inflow == computed(world, fine).inflow


@often(15, 60, world=worlds())
def test_only_what_a_residual_feeds_may_be_negative(world: World) -> None:
    if 'residual = "links"' in world.model:
        return  # links carry a negative residual onwards
    for account, sums in computed(world).totals().items():
        if not account.startswith("residual:"):
            assert all(quanta >= 0 for quanta in sums.values()), account


def lines(world: World) -> list[str]:
    """The world's readings and swaps as JSON lines."""
    readings = [
        json.dumps({"meter": m, "t": instant(t), "register": f"{r}e-3", "quality": q})
        for m, t, r, q in world.registers
    ]
    readings += [
        json.dumps(
            {
                "meter": meter,
                "t": instant(swap.t_ms),
                "event": "swap",
                "closing": f"{swap.closing[0]}e-3",
                "opening": f"{swap.opening[0]}e-3",
            }
        )
        for meter, swap in world.swaps
    ]
    return readings


@often(15, 60, world=worlds(), data=st.data())
def test_order_repetition_and_blank_lines_change_no_byte(world: World, data: st.DataObject) -> None:
    model = parse_model(world.model, "model.toml")
    meters = {meter.id for meter in model.meters}
    readings = lines(world)
    events = [
        json.dumps({"id": "s", "t": instant(5000), "type": "start", "node": "n1", "batch": "A"}),
        json.dumps({"id": "t", "t": instant(9000), "type": "stop", "node": "n1", "batch": "A"}),
        json.dumps({"id": "u", "t": instant(9000), "type": "start", "node": "n2", "batch": "A"}),
    ]

    def text(own: list[str]) -> str:
        own = data.draw(st.permutations(own)) + data.draw(
            st.lists(st.sampled_from([*own, "", "  "]), max_size=4)
        )
        return "\n".join(own)

    def result(events_text: str, readings_text: str) -> str:
        told = parse_events(events_text, "e")
        ledger = recompute(model, told, parse_readings(readings_text, "r", meters))
        return canonical(compute_result(ledger, model, told))

    assert result("\n".join(events), "\n".join(readings)) == result(text(events), text(readings))


def one_meter(unit: str, registers: list[tuple[int, str]]):
    text = model_text([("m-n1", "grid", "n1", unit, "1")]).split("[[links]]")[0]
    model = parse_model(text, "m")
    rows = "\n".join(
        json.dumps({"meter": "m-n1", "t": instant(t), "register": r}) for t, r in registers
    )
    return recompute(model, (), parse_readings(rows, "r", {"m-n1"}))


def test_another_unit_moves_no_interval_by_more_than_a_quantum() -> None:
    kwh = [(0, "10.0000007"), (33_333, "10.0123457"), (99_999, "11.9999999")]
    wh = [(t, in_wh(register)) for t, register in kwh]
    a, b = one_meter("kWh", kwh).postings, one_meter("Wh", wh).postings
    assert a.starts.tolist() == b.starts.tolist()
    assert np.abs(a.quanta - b.quanta).max() <= 1


def in_wh(kwh: str) -> str:
    whole, _, decimals = kwh.partition(".")
    return f"{whole}{decimals[:3]}.{decimals[3:]}"


def test_registers_beyond_int64_are_exact() -> None:
    big = 10**25
    ledger = one_meter("kWh", [(0, str(big)), (60_000, str(big + 3)), (120_000, str(4 * big))])
    assert ledger.inflow["grid"] == 3 * big * 10**6
    assert ledger.totals()["pool:n1"]["grid"] == 3 * big * 10**6


def test_a_long_gap_between_two_readings_loses_nothing() -> None:
    ledger = one_meter("GJ", [(0, "0"), (40 * 86_400_000, "36000000.000036")])
    assert ledger.inflow["grid"] == 36000000000036 * 10**6 // 3600
    assert ledger.totals()["pool:n1"]["grid"] == ledger.inflow["grid"]


def test_no_readings_give_no_intervals() -> None:
    model = parse_model(model_text(), "m")
    ledger = recompute(model, (), Readings())
    assert (ledger.intervals, ledger.totals(), ledger.incomplete) == (0, {}, ())
    assert set(ledger.inflow.values()) == {0}
