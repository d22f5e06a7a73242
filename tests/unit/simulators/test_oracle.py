"""The oracle against worked examples, with numbers computed by hand."""

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import pytest

from simulators.oracle import compute
from wire.errors import BadData

KWH = {"electricity": {"unit": "kWh", "quanta_per_unit": 1_000_000}}


def at(second: float) -> str:
    return f"2026-11-21T08:{int(second) // 60:02d}:{second % 60:06.3f}Z"


def reading(meter: str, second: float, register: str, **more: str) -> dict[str, str]:
    return {"meter": meter, "t": at(second), "register": register, **more}


def one_machine(**model: object) -> dict[str, object]:
    meter = {"id": "m", "from": "grid", "to": "machine", "unit": "Wh"}
    return {
        "format": 1,
        "site": "s",
        "slot_s": 60,
        "carriers": KWH,
        "sources": {"grid": {"carrier": "electricity"}},
        "nodes": {"machine": {}},
        "meters": [meter],
        **model,
    }


EXAMPLE_4 = [reading("m", 0, "1000"), reading("m", 60, "1100"), reading("m", 180, "1130")]
BATCHES_4 = [
    {"id": "1", "t": at(30), "type": "start", "node": "machine", "batch": "P", "product": "p"},
    {"id": "2", "t": at(90), "type": "stop", "node": "machine", "batch": "P"},
    {"id": "3", "t": at(90), "type": "start", "node": "machine", "batch": "Q", "product": "p"},
    {"id": "4", "t": at(180), "type": "stop", "node": "machine", "batch": "Q"},
]


def test_worked_example_4_two_batches_between_three_readings():
    result = compute(one_machine(), BATCHES_4, EXAMPLE_4)
    assert result.accounts == {
        "batch:P": {"grid": 57_500},
        "batch:Q": {"grid": 22_500},
        "pool:machine": {"grid": 50_000},
    }
    assert result.intervals == 5  # cut at 0, 30, 60, 90, 120, 180 s


def test_worked_example_4_with_the_late_reading():
    late = [reading("m", 120, "1120"), *EXAMPLE_4]
    accounts = compute(one_machine(), BATCHES_4, late).accounts
    assert accounts["batch:P"]["grid"] == 60_000
    assert accounts["batch:Q"]["grid"] == 20_000
    assert accounts["pool:machine"]["grid"] == 50_000


def test_worked_example_5_grid_and_sun_through_a_board_and_a_compressor():
    model = {
        "format": 1,
        "site": "s",
        "slot_s": 60,
        "carriers": {**KWH, "air": {"unit": "m3", "quanta_per_unit": 1_000_000}},
        "sources": {"grid": {"carrier": "electricity"}, "pv": {"carrier": "electricity"}},
        "buses": {"M": {"carrier": "electricity"}},
        "utilities": {"C": {}},
        "nodes": {"A": {"kind": "overhead"}, "B": {"kind": "overhead"}},
        "meters": [
            {"id": "g", "from": "grid", "to": "M", "unit": "kWh"},
            {"id": "p", "from": "pv", "to": "M", "unit": "kWh"},
            {"id": "a", "from": "M", "to": "A", "unit": "kWh"},
            {"id": "c", "from": "M", "to": "C", "unit": "kWh"},
            {"id": "ca", "from": "C", "to": "A", "unit": "m3", "carrier": "air"},
            {"id": "cb", "from": "C", "to": "B", "unit": "m3", "carrier": "air"},
        ],
    }
    rises = {"g": "80", "p": "20", "a": "60", "c": "30", "ca": "200", "cb": "100"}
    readings = [reading(meter, 0, "0") for meter in rises]
    readings += [reading(meter, 60, rise) for meter, rise in rises.items()]
    accounts = compute(model, [], readings).accounts
    assert accounts == {
        "pool:A": {"grid": 64_000_000, "pv": 16_000_000},
        "pool:B": {"grid": 8_000_000, "pv": 2_000_000},
        "residual:M": {"grid": 8_000_000, "pv": 2_000_000},
    }


def two_boards(**sub: object) -> dict[str, object]:
    return one_machine(
        buses={"M": {"carrier": "electricity"}, "S": {"carrier": "electricity", **sub}},
        nodes={"x": {}, "y": {}},
        meters=[
            {"id": "g", "from": "grid", "to": "M", "unit": "kWh"},
            {"id": "s", "from": "M", "to": "S", "unit": "kWh"},
            {"id": "x", "from": "S", "to": "x", "unit": "kWh"},
        ],
    )


TWO_BOARDS = [
    *(reading(meter, 0, "0") for meter in ("g", "s", "x")),
    *(reading(meter, 60, rise) for meter, rise in (("g", "100"), ("s", "40"), ("x", "30"))),
]


def test_a_board_on_a_board_keeps_its_own_residual():
    accounts = compute(two_boards(), [], TWO_BOARDS).accounts
    assert accounts == {
        "pool:x": {"grid": 30_000_000},
        "residual:M": {"grid": 60_000_000},
        "residual:S": {"grid": 10_000_000},
    }


def test_a_spread_residual_goes_to_the_metered_consumers():
    accounts = compute(two_boards(residual="spread"), [], TWO_BOARDS).accounts
    assert accounts == {"pool:x": {"grid": 40_000_000}, "residual:M": {"grid": 60_000_000}}


def test_a_linked_residual_goes_where_the_links_say():
    model = two_boards(residual="links")
    model["links"] = [
        {"from": "S", "to": "x", "share": "1"},
        {"from": "S", "to": "y", "share": "3"},
    ]
    accounts = compute(model, [], TWO_BOARDS).accounts
    assert accounts["pool:x"] == {"grid": 32_500_000}
    assert accounts["pool:y"] == {"grid": 7_500_000}


def test_a_board_nothing_is_seen_to_enter_keeps_its_content_and_names_its_meters():
    readings = [
        *TWO_BOARDS[:3],
        reading("g", 60, "100"),
        reading("s", 60, "0"),
        reading("x", 60, "30"),
    ]
    result = compute(two_boards(), [], readings)
    assert result.accounts == {"residual:M": {"grid": 100_000_000}}
    assert result.untraced == {"x"}


def test_setup_belongs_to_the_next_batch_and_weights_share_a_machine():
    events = [
        {"id": "0", "t": at(0), "type": "state", "node": "machine", "state": "setup"},
        {
            "id": "1",
            "t": at(30),
            "type": "start",
            "node": "machine",
            "batch": "P",
            "product": "p",
            "weight": "2",
        },
        {"id": "2", "t": at(30), "type": "start", "node": "machine", "batch": "Q", "product": "p"},
    ]
    accounts = compute(
        one_machine(), events, [reading("m", 0, "0"), reading("m", 60, "90")]
    ).accounts
    assert accounts == {"batch:P": {"grid": 60_000}, "batch:Q": {"grid": 30_000}}
    model = one_machine(policy={"setup_max_s": 20})
    idle = [events[0], {**events[1], "t": at(31)}]
    accounts = compute(
        model, idle, [reading("m", 0, "0"), reading("m", 10, "10"), reading("m", 60, "60")]
    ).accounts
    assert accounts == {"batch:P": {"grid": Fraction(60_000)}}


def test_a_swap_goes_on_counting_and_a_suspect_value_is_left_out():
    readings = [
        reading("m", 0, "990"),
        {"meter": "m", "t": at(30), "event": "swap", "closing": "1000", "opening": "5"},
        reading("m", 40, "7000", quality="suspect"),
        reading("m", 60, "25"),
    ]
    result = compute(one_machine(), [], readings)
    assert result.accounts == {"pool:machine": {"grid": 30_000}}
    assert (result.ignored, result.intervals) == (1, 2)


def test_a_voided_event_never_was_and_repeated_lines_change_nothing():
    void = {"id": "v", "t": at(170), "type": "void", "of": "3"}
    result = compute(one_machine(), [*BATCHES_4, void, *BATCHES_4], EXAMPLE_4 * 2)
    assert result.accounts["batch:P"]["grid"] == 57_500
    assert result.accounts["pool:machine"]["grid"] == 72_500


def test_a_span_books_only_itself():
    begin = 1_795_248_000_000  # at(0)
    result = compute(one_machine(), BATCHES_4, EXAMPLE_4, (begin + 30_000, begin + 90_000))
    assert result.accounts == {"batch:P": {"grid": 57_500}}


@pytest.mark.parametrize(
    ("readings", "why"),
    [
        ([reading("m", 0, "5"), reading("m", 1, "4")], "lower than before"),
        ([reading("m", 0, "5"), reading("m", 0, "6")], "two different registers"),
        ([reading("other", 0, "5")], "not in the model"),
    ],
)
def test_what_the_rules_call_an_error_is_one(readings, why):
    with pytest.raises(BadData, match=why):
        compute(one_machine(), [], readings)


def reciprocal() -> dict[str, object]:
    """Two services that use each other, and a node that uses both."""
    edges = [("in-y", "grid", "Y"), ("in-z", "pv", "Z"), ("y-z", "Y", "Z"), ("z-y", "Z", "Y")]
    edges += [("y-a", "Y", "a"), ("z-a", "Z", "a")]
    return one_machine(
        sources={"grid": {"carrier": "electricity"}, "pv": {"carrier": "electricity"}},
        utilities={"Y": {}, "Z": {}},
        nodes={"a": {"kind": "overhead"}},
        meters=[
            {"id": m, "from": frm, "to": to, "unit": "kWh", "carrier": "electricity"}
            for m, frm, to in edges
        ],
    )


def test_services_that_use_each_other_are_solved():
    """Y = 7260 + 0.3 Z, Z = 4000 + 0.2 Y: 9000 and 5800 went through, all of it to `a`."""
    rises = {"in-y": "7260", "in-z": "4000", "y-z": "2", "y-a": "8", "z-y": "3", "z-a": "7"}
    readings = [reading(meter, 0, "0") for meter in rises]
    readings += [reading(meter, 60, rise) for meter, rise in rises.items()]
    result = compute(reciprocal(), [], readings)
    assert result.accounts == {"pool:a": {"grid": 7_260_000_000, "pv": 4_000_000_000}}
    assert result.untraced == set()


def test_a_loop_nothing_leaves_keeps_what_enters_it_where_it_enters():
    rises = {"in-y": "10", "in-z": "4", "y-z": "5", "y-a": "0", "z-y": "5", "z-a": "0"}
    readings = [reading(meter, 0, "0") for meter in rises]
    readings += [reading(meter, 60, rise) for meter, rise in rises.items()]
    result = compute(reciprocal(), [], readings)
    assert result.accounts == {
        "residual:Y": {"grid": 10_000_000},
        "residual:Z": {"pv": 4_000_000},
    }
    assert result.untraced == {"y-z", "z-y"}


GOLDEN = Path(__file__).parents[2] / "golden/compute"


@pytest.mark.parametrize(
    "case",
    [
        "a_day_with_everything",
        "loop_without_an_exit",
        "worked_1_reciprocal_services",
        "worked_5_mixed_bus_and_air",
    ],
)
def test_the_published_examples_come_out_within_a_quantum_an_interval(case):
    def lines(name: str) -> list[dict[str, object]]:
        text = (GOLDEN / case / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines() if line.strip()]

    model = tomllib.loads((GOLDEN / case / "model.toml").read_text(encoding="utf-8"))
    (expected,) = lines("expected.json")
    result = compute(model, lines("events.jsonl"), lines("readings.jsonl"))
    assert sorted(result.untraced) == expected["untraced"]
    assert result.intervals == expected["intervals"] > 0
    for account in {*result.accounts, *expected["accounts"]}:
        ours, theirs = result.accounts.get(account, {}), expected["accounts"].get(account, {})
        for source in {*ours, *theirs}:
            carrier = model["carriers"][model["sources"][source]["carrier"]]
            quanta = Fraction(theirs.get(source, "0")) * carrier["quanta_per_unit"]
            assert abs(ours.get(source, 0) - quanta) <= result.intervals
