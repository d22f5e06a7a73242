"""Who gets what arrives at a node."""

import json

import numpy as np
import pytest

from calc_stream.core import Versions, parse_event, parse_model
from calc_stream.core.batches import batches_of
from calc_stream.core.course import Course
from calc_stream.core.decimals import instant


def told(*events: tuple[int, str, str]) -> list:
    """(second, type, batch or state) as events of one node, in order."""
    found = []
    for number, (second, kind, what) in enumerate(events):
        key = "state" if kind == "state" else "batch"
        said = {"id": f"e{number}", "t": instant(second * 1000), "type": kind, "node": "n"}
        found.append(parse_event(json.dumps({**said, key: what})))
    return sorted(found, key=lambda event: event.order)


def policy(**told: object) -> Versions:
    """A site whose model says no more than its policy."""
    pairs = ", ".join(f"{key} = {json.dumps(value)}" for key, value in told.items())
    return Versions.of(parse_model(f'format = 1\nsite = "s"\npolicy = {{ {pairs} }}\n', "m"))


def course(events: list, versions: Versions) -> Course:
    its = Course("n", versions)
    its.follow(events, events, (), batches_of(events)[0])
    return its


def who(events: list, cuts: list[int], versions: Versions) -> list[str]:
    """Who gets it between neighbouring cuts (seconds), one text an interval."""
    edges = np.array(cuts) * 1000
    its = course(events, versions)
    assert its.problems == {}
    shares = its.timeline.shares(edges[:-1], edges[1:])
    rows = []
    for row in range(edges.size - 1):
        mine = [s for s in shares if s.weights[row]]
        rows.append(" ".join(f"{s.account.name}*{s.weights[row]}/{s.whole[row]}" for s in mine))
    return rows


POOL = "pool:n*1/1"
B = "batch:B*1/1"


@pytest.mark.parametrize("state", ["producing", "idle_in_order", "fault", "setup", "cleaning"])
def test_an_active_batch_bears_the_states_of_its_order(state: str) -> None:
    events = told((10, "start", "B"), (20, "state", state), (30, "stop", "B"))
    assert who(events, [0, 10, 20, 30, 40], policy()) == [POOL, B, B, POOL]


@pytest.mark.parametrize("state", ["idle", "standby", "off"])
def test_an_active_batch_does_not_bear_rest(state: str) -> None:
    events = told((10, "start", "B"), (20, "state", state), (30, "stop", "B"))
    assert who(events, [0, 10, 20, 30], policy()) == [POOL, B, POOL]


@pytest.mark.parametrize("state", ["producing", "fault", "idle_in_order"])
def test_without_a_batch_only_set_up_and_cleaning_look_ahead(state: str) -> None:
    assert who(told((0, "state", state), (20, "start", "B")), [0, 20, 30], policy()) == [POOL, B]


def test_set_up_goes_to_the_next_start_within_reach_of_the_interval_s_end() -> None:
    events = told((0, "state", "setup"), (100, "start", "B"))
    assert who(events, [0, 39, 40, 100], policy(setup_max_s=60)) == [POOL, B, B]


def test_set_up_goes_to_the_pool_when_the_policy_says_so() -> None:
    events = told((0, "state", "setup"), (100, "start", "B"))
    assert who(events, [0, 50, 100, 110], policy(setup="pool")) == [POOL, POOL, B]


def test_set_up_that_ends_idle_before_the_start_still_looks_ahead() -> None:
    events = told((0, "state", "cleaning"), (10, "state", "off"), (20, "start", "B"))
    assert who(events, [0, 10, 20, 30], policy()) == [B, POOL, B]


def test_batches_of_the_same_start_share_its_set_up() -> None:
    events = told((0, "state", "setup"), (10, "start", "A"), (10, "start", "B"))
    assert who(events, [0, 10], policy()) == ["batch:A*1/2 batch:B*1/2"]


def test_at_one_instant_a_stop_comes_before_a_state_before_a_start() -> None:
    events = told((10, "start", "A"), (20, "start", "B"), (20, "state", "off"), (20, "stop", "A"))
    assert who(events, [0, 10, 20, 30], policy()) == [POOL, "batch:A*1/1", B]


def test_a_stop_of_a_batch_that_is_not_active_is_ignored() -> None:
    events = told((0, "state", "setup"), (5, "stop", "A"), (10, "start", "B"))
    assert who(events, [0, 5, 10], policy()) == [B, B]


def test_a_batch_that_stops_when_it_starts_has_ended_and_bears_its_set_up() -> None:
    events = told((0, "state", "setup"), (10, "start", "B"), (10, "stop", "B"))
    assert who(events, [0, 10, 20], policy()) == [B, POOL]
    beside = told((0, "start", "A"), (5, "state", "off"), (10, "start", "B"), (10, "stop", "B"))
    assert who(beside, [0, 5, 10, 20], policy()) == ["batch:A*1/1", POOL, "batch:A*1/1"]


def test_each_stop_at_one_instant_ends_one_start() -> None:
    again = told((10, "start", "B"), (10, "stop", "B"), (10, "start", "B"), (20, "stop", "B"))
    assert who(again, [0, 10, 20, 30], policy()) == [POOL, B, POOL]
    anew = told((5, "start", "B"), (10, "stop", "B"), (10, "start", "B"), (10, "stop", "B"))
    assert who(anew, [0, 5, 10, 20], policy()) == [POOL, B, POOL]
    later = told((10, "stop", "B"), (11, "start", "B"))
    assert who(later, [0, 10, 11, 20], policy()) == [POOL, POOL, B]


def test_a_start_of_an_active_batch_is_a_problem_and_changes_nothing() -> None:
    events = told((0, "start", "B"), (9, "start", "B"))
    its = course(events, policy())
    assert [problem.key for problem in its.problems.values()] == ["batch"]
    assert [s.state for s in its.timeline.stretches] == ["idle", "producing"]
