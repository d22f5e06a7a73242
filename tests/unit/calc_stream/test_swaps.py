"""What a person says of a register that ended, in place of what the gateway saw."""

import json

import pytest

from calc_stream.core import (
    Readings,
    Swap,
    compute_result,
    parse_events,
    parse_model,
    parse_readings,
    recompute,
)
from wire.errors import BadData

MODEL = """
format = 1
site = "one"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
[nodes.n1]
[[meters]]
id = "m"
from = "grid"
to = "n1"
unit = "kWh"
"""
# Read at 00 s and 10 s; reset between 10 s and 20 s; seen by the gateway at 40 s.
READINGS = [
    {"meter": "m", "t": "2026-11-21T08:00:00Z", "register": "100"},
    {"meter": "m", "t": "2026-11-21T08:00:10Z", "register": "101"},
    {"meter": "m", "t": "2026-11-21T08:00:20Z", "register": "0.1", "quality": "suspect"},
    {
        "meter": "m",
        "t": "2026-11-21T08:00:40Z",
        "event": "swap",
        "closing": "101.2",
        "opening": "0.3",
    },
    {"meter": "m", "t": "2026-11-21T08:00:50Z", "register": "0.4"},
]
SEEN = "1.300000"  # 101.2 - 100 + 0.4 - 0.3: what the gateway knows


def told(
    *words: tuple[str, str, str], meter: str = "m", readings: list[dict[str, str]] = READINGS
) -> tuple[str, list[str]]:
    """Posted kWh, and the problems, when this was said: (second, closing, opening)."""
    events = parse_events(
        "\n".join(
            json.dumps(
                {
                    "id": f"w{number}",
                    "type": "swap",
                    "t": f"2026-11-21T08:{t}Z",
                    "meter": meter,
                    "closing": closing,
                    "opening": opening,
                }
            )
            for number, (t, closing, opening) in enumerate(words)
        ),
        "events.jsonl",
    )
    model = parse_model(MODEL, "model")
    lines = "\n".join(map(json.dumps, readings))
    ledger = recompute(model, events, parse_readings(lines, "readings.jsonl", {"m"}))
    problems = [f"{p.event.id} {p.key}: {p.text}" for p in ledger.problems]
    return compute_result(ledger, model, events)["sources"]["grid"], problems


def test_without_a_word_what_the_gateway_knows_counts() -> None:
    assert told() == (SEEN, [])


def test_the_true_ends_take_the_place_of_what_was_seen() -> None:
    # 101.6 - 100 up to the exchange, 0.4 - 0.05 after it
    assert told(("00:15", "101.6", "0.05")) == ("1.950000", [])


@pytest.mark.parametrize("second", ["00:10", "00:12.500", "00:40", "00:50"])
def test_it_is_known_by_no_reading_lying_between(second: str) -> None:
    assert told((second, "101.6", "0.05")) == ("1.950000", [])


def test_a_register_that_only_seemed_to_jump_is_said_by_like_ends() -> None:
    # The load was above the rated power: nothing was reset, all of it was used.
    jumped = [
        *READINGS[:2],
        {**READINGS[3], "closing": "101.2", "opening": "150.3"},
        {**READINGS[4], "register": "150.4"},
    ]
    assert told(readings=jumped)[0] == "1.300000"
    assert told(("00:40", "150.3", "150.3"), readings=jumped) == ("50.400000", [])


@pytest.mark.parametrize("second", ["00:09", "00:51", "59:00"])
def test_a_word_with_a_reading_in_between_books_nothing_and_is_a_problem(second: str) -> None:
    energy, problems = told((second, "101.6", "0.05"))
    assert energy == SEEN
    assert len(problems) == 1
    assert problems[0].startswith("w0 t: 'm': nothing is known there")


def test_of_two_words_for_one_exchange_the_second_is_a_problem() -> None:
    energy, problems = told(("00:40", "101.6", "0.05"), ("00:41", "101.7", "0.05"))
    assert energy == "1.950000"
    assert [problem[:4] for problem in problems] == ["w1 t"]


def test_a_word_that_takes_energy_away_is_a_problem() -> None:
    assert told(("00:40", "100.9", "0")) == (
        SEEN,
        ["w0 closing: 'm': is lower than the register read before"],
    )
    assert told(("00:40", "101.6", "0.31")) == (
        SEEN,
        ["w0 opening: 'm': is higher than the register read after"],
    )


def test_a_word_about_a_stranger_is_a_problem() -> None:
    energy, problems = told(("00:40", "1", "0"), meter="m9")
    assert energy == SEEN
    assert problems[0] == "w0 meter: 'm9' is no meter of the model"


def test_a_word_taken_back_leaves_what_was_seen() -> None:
    model = parse_model(MODEL, "model")
    readings = parse_readings("\n".join(map(json.dumps, READINGS)), "r", {"m"})
    word = {"id": "w", "type": "swap", "t": "2026-11-21T08:00:40Z", "meter": "m"}
    word |= {"closing": "101.6", "opening": "0.05"}
    void = {"id": "v", "type": "void", "t": "2026-11-22T08:00:00Z", "of": "w"}
    events = parse_events(f"{json.dumps(word)}\n{json.dumps(void)}", "events.jsonl")
    ledger = recompute(model, events, readings)
    assert compute_result(ledger, model, events)["sources"]["grid"] == SEEN


@pytest.mark.parametrize(
    ("key", "value"), [("closing", None), ("opening", "-1"), ("meter", ""), ("node", "n1")]
)
def test_a_swap_event_says_meter_closing_and_opening(key: str, value: str | None) -> None:
    word = {"id": "w", "type": "swap", "t": "2026-11-21T08:00:40Z", "meter": "m"}
    word |= {"closing": "1", "opening": "0", key: value}
    with pytest.raises(BadData, match=f"events.jsonl:1: {key}"):
        parse_events(json.dumps(word), "events.jsonl")


def test_words_alone_make_no_reading() -> None:
    readings = Readings()
    assert readings.tell({}) == []
    assert list(readings.meters()) == []


def test_a_swap_seen_later_that_is_what_a_word_made_of_another_counts_besides() -> None:
    readings = parse_readings("\n".join(map(json.dumps, READINGS[:2])), "r", {"m"})
    last_ms = int(readings.totals("m").times[-1])
    at_ms = last_ms + 1000
    seen, said = (Swap(at_ms, (closing, 0), (0, 0)) for closing in (102, 105))
    readings.add_swaps("m", [seen])
    readings.tell({"m": [said]})
    assert readings.totals("m").totals.tolist() == [100, 101, 105]
    assert readings.add_swaps("m", [said]) == (last_ms, at_ms)
    assert readings.standing("m").swaps == (said, said)
