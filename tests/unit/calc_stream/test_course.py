"""Events that come one by one, in whatever order, leave what all of them at once say."""

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from calc_stream.core import (
    Chunk,
    Event,
    Registers,
    SiteState,
    Versions,
    parse_event,
    parse_model,
    recompute,
)
from calc_stream.core.batches import Batches, batches_of, lots_of
from calc_stream.core.course import Courses, timelines
from calc_stream.core.decimals import instant
from calc_stream.core.events import in_force
from calc_stream.core.in_force import InForce
from calc_stream.core.timeline import changed_span

from .steps import steps_of

POLICIES = [
    "{}",
    '{ weights = "pieces" }',
    '{ weights = "mass", setup = "pool" }',
    '{ setup = "campaign", campaign_max_s = 40 }',
    '{ setup = "campaign", campaign_max_s = 15, weights = "pieces", setup_max_s = 10 }',
]
MODEL = """
format = 1
site = "s"
%s
slot_s = 60
policy = %s
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
[buses.main]
carrier = "electricity"
[nodes.n1]
[nodes.n2]
%s
[[meters]]
id = "m"
from = "grid"
to = "main"
unit = "Wh"
"""
OFTEN = [range(15), pytest.param(range(15, 400), marks=pytest.mark.full)]


def said(number: int, second: int, kind: str, **what: str) -> Event:
    told = {"id": f"e{number}", "t": instant(second * 1000), "type": kind, **what}
    return parse_event(json.dumps(told))


def some_event(rng: random.Random, number: int) -> Event:
    """Any event, at few instants: many tie, contradict each other or void another."""
    batch, node = rng.choice("ABCDE"), rng.choice(["n1", "n1", "n2", "nowhere"])
    kinds = [*["start"] * 3, *["stop"] * 5, *["state"] * 3, "quantity", "input", "input"]
    kind = rng.choice([*kinds, "buy", "lot", "void", "void"])
    product = {"product": rng.choice(["wheel", "rim"])} if rng.random() < 0.6 else {}
    unit, lot = rng.choice(["piece", "piece", "kg"]), rng.choice("XY")
    what: dict[str, dict[str, str]] = {
        "start": {"node": node, "batch": batch, "weight": rng.choice(["1", "2"]), **product},
        "stop": {"node": node, "batch": batch},
        "state": {"node": node, "state": rng.choice(["setup", "setup", "fault", "idle"])},
        "quantity": {"batch": batch, "good": rng.choice(["0", "4", "9"]), "unit": unit},
        "input": {"batch": batch, "of": rng.choice("ABCDE"), "quantity": "3", "unit": unit},
        "buy": {"batch": batch, "lot": lot, "quantity": "2", "unit": unit},
        "lot": {"lot": lot, "unit": unit, "factor": rng.choice("12"), "document": "EPD"},
        "void": {"of": f"e{rng.randrange(60)}"},
    }
    return said(number, rng.randrange(40), {"buy": "input"}.get(kind, kind), **what[kind])


def some_versions(rng: random.Random) -> Versions:
    texts = [MODEL % ("", rng.choice(POLICIES), "")]
    for second in rng.sample(range(40), rng.choice([0, 0, 1, 2])):
        since = f"valid_from = {instant(second * 1000)}"
        kind = rng.choice(["", "", 'kind = "overhead"'])
        texts.append(MODEL % (since, rng.choice(POLICIES), kind))
    return Versions.of(parse_model(text, "model") for text in texts)


@pytest.mark.parametrize("seeds", OFTEN, ids=["few", "many"])
def test_events_one_by_one_leave_what_all_at_once_say(seeds: range) -> None:
    for seed in seeds:
        rng = random.Random(f"course {seed}")
        versions = some_versions(rng)
        told: list[Event] = []
        events = InForce()
        batches = Batches(events)
        courses = Courses(versions, events, batches.batches)
        ahead = [some_event(rng, number) for number in range(60)]
        while ahead:
            some = rng.choice([1, 1, 1, 1, 1, 4])
            fresh, ahead = ahead[:some], ahead[some:]
            told += fresh
            before, known, lots = courses.nodes, dict(batches.batches), dict(batches.lots)
            moved = events.take(fresh)
            otherwise = batches.follow(moved)
            spans = courses.follow(moved, otherwise)
            assert_all(versions, told, (events, batches, courses))
            differ = [changed_span(before[name], courses.nodes[name]) for name in before]
            assert sorted(spans) == sorted(span for span in differ if span is not None)
            names = known.keys() | batches.batches.keys()
            now = batches.batches
            assert {n for n in names if known.get(n) != now.get(n)} <= otherwise.keys()
            turned = {lot for lot in "XY" if lots.get(lot) != batches.lots.get(lot)}
            bought = {name for name, batch in now.items() if turned & batch.bought.keys()}
            assert bought <= otherwise.keys()


def assert_all(
    versions: Versions, told: list[Event], its: tuple[InForce, Batches, Courses]
) -> None:
    """What is kept is what all of it says at once."""
    events, batches, courses = its
    standing, problems = in_force(told)
    whole, wrong = batches_of(standing)
    nodes, more = timelines(versions, standing, whole)
    assert batches.batches == whole
    assert batches.lots == lots_of(standing)
    assert courses.nodes.keys() == nodes.keys()
    for name, node in courses.nodes.items():
        assert node.stretches == nodes[name].stretches
        assert node.starts.tolist() == nodes[name].starts.tolist()
        assert node.campaigns == nodes[name].campaigns
    assert in_order(courses.problems()) == more
    assert in_order(p for own in batches.problems.values() for p in own) == wrong
    assert in_order(events.problems()) == in_order(problems)
    assert events.cuts.tolist() == sorted(e.t_ms for e in standing if e.cuts)
    refused = {problem.event.id for problem in more}
    starts = [e for e in standing if e.type == "start" and e.id not in refused]
    for name in whole:
        where = {e.node for e in starts if e.batch == name}
        assert courses.where(name) == tuple(sorted(where))
        made = {heir for heir, batch in whole.items() if name in batch.drawn}
        assert {*batches.heirs(name)} == made


def test_a_campaign_that_begins_earlier_bears_all_its_set_up() -> None:
    def on_n1(number: int, second: int, batch: str) -> list[Event]:
        its = {"node": "n1", "batch": batch}
        return [
            said(number, second - 4, "state", node="n1", state="setup"),
            said(number + 1, second, "start", product="wheel", **its),
            said(number + 2, second + 4, "stop", **its),
        ]

    events = InForce()
    batches = Batches(events)
    versions = Versions.of(parse_model(MODEL % ("", POLICIES[3], ""), "model"))
    courses = Courses(versions, events, batches.batches)
    for number, second, batch, bears in ((10, 20, "B", "B"), (20, 30, "C", "B"), (0, 10, "A", "A")):
        moved = events.take(on_n1(number, second, batch))
        courses.follow(moved, batches.follow(moved))
        set_up = [s.gets for s in courses.nodes["n1"].stretches if s.state == "setup"]
        assert {account for gets in set_up for account, _ in gets} == {f"campaign:n1:{bears}"}


def test_an_event_that_is_voided_leaves_nothing_behind() -> None:
    events = InForce()
    batches = Batches(events)
    bought = said(1, 0, "input", batch="B", lot="X", quantity="1", unit="kg")
    batches.follow(events.take([bought]))
    assert ([*batches.batches], len(batches.problems)) == (["B"], 1)
    batches.follow(events.take([said(2, 0, "void", of="e1")]))
    assert (batches.batches, batches.problems) == ({}, {})


def in_order(problems: Any) -> list[Any]:
    return sorted(problems, key=lambda problem: problem.order)


def behind(batches: int, policy: str) -> SiteState:
    """A site with so many batches behind it, in turn on two nodes."""
    site = SiteState()
    site.apply(Chunk(model=MODEL % ("", policy, "")))
    told = []
    for n in range(batches):
        node, at, its = f"n{n % 2 + 1}", 60 * n, {"batch": f"B{n}"}
        product = "wheel" if n % 8 < 4 else "rim"
        told += [
            said(10 * n, at, "state", node=node, state="setup"),
            said(10 * n + 1, at + 20, "start", node=node, product=product, **its),
            said(10 * n + 2, at + 50, "stop", node=node, **its),
            said(10 * n + 3, at + 50, "quantity", good="2", unit="piece", **its),
        ]
    times = np.arange(batches + 1) * 60_000
    readings = (Registers("m", times, np.arange(batches + 1) * 10, 0),)
    site.apply(Chunk(events=tuple(told), readings=readings))
    return site


def happenings(batches: int) -> Iterator[tuple[str, Event]]:
    """What comes now, and what comes late, about times in the middle."""
    now, n = 60 * batches, batches // 2
    then, node = 60 * n, f"n{n % 2 + 1}"
    new = {"node": "n1", "batch": "new"}
    yield "state", said(-1, now - 9, "state", node="n1", state="setup")
    yield "start", said(-2, now - 8, "start", product="wheel", **new)
    yield "stop", said(-3, now - 4, "stop", **new)
    yield "quantity", said(-4, now - 4, "quantity", batch="new", good="2", unit="piece")
    yield "void", said(-5, now, "void", of="e-1")
    yield "late state", said(-6, then + 30, "state", node=node, state="fault")
    yield "late quantity", said(-7, then, "quantity", batch=f"B{n}", good="1", unit="piece")
    yield "late stop", said(-8, then + 9, "stop", node=node, batch="late")
    yield "late start", said(-9, then + 5, "start", node=node, batch="late")
    yield "late void", said(-10, now, "void", of=f"e{10 * n}")


@pytest.mark.parametrize("policy", ["{}", POLICIES[1], POLICIES[3]])
def test_an_event_costs_the_same_however_much_is_behind_it(policy: str) -> None:
    few, many = 24, 600
    steps: dict[str, list[int]] = {}
    for batches in (few, many):
        site = behind(batches, policy)
        site.totals()
        for what, event in happenings(batches):
            taken = steps_of(lambda site=site, event=event: site.apply(Chunk(events=(event,))))
            steps.setdefault(what, []).append(taken)
    dearer = {what: own for what, own in steps.items() if own[1] > 1.25 * own[0]}
    assert dearer == {}


def test_an_event_that_changes_nobodys_part_cuts_all_the_same() -> None:
    site = behind(6, "{}")
    before = site.ledger("frontier").intervals
    for number, event in enumerate(
        (
            said(-1, 185, "stop", node="n1", batch="nobody"),
            said(-2, 95, "stop", node="nowhere", batch="nobody"),
            said(-3, 185, "stop", node="n2", batch="nobody"),  # is an edge already
            said(-4, 400, "void", of="e-1"),  # stays one
            said(-5, 400, "void", of="e-3"),
        )
    ):
        site.apply(Chunk(events=(event,)))
        posted = site.ledger("frontier")
        assert posted.intervals == before + [1, 2, 2, 2, 1][number]
        assert site.ledger().intervals == posted.intervals
        assert recompute(site.versions, site.events.values(), site.readings).intervals == (
            posted.intervals
        )
