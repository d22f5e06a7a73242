"""No period is published of which somebody who sends heartbeats may still have events."""

import asyncio
from contextlib import closing, suppress
from pathlib import Path

import pytest

from calc_stream.engines.embedded import Engine, Settings
from calc_stream.footprints.period import named_period
from calc_stream.ledger.store import open_store
from calc_stream.web.publish import Publishing
from tests.unit.calc_stream_live.days import DAY_1, HOUR_S, NOW, Days, Office
from tests.unit.calc_stream_live.plant import go_on, rules


@pytest.fixture
def plant(tmp_path: Path) -> Days:
    """All meters have told more than the first day, and so far the production system has not."""
    made = Days(tmp_path)
    made.first_day()
    made.heartbeat(7.5 * HOUR_S)
    return made


def test_a_period_waits_for_the_events_of_its_end(plant: Days) -> None:
    office = Office(plant)
    assert office.look() == []
    plant.batch("D", 7, 57_300, 12_345, "5")  # its line was slow
    plant.heartbeat(7.9 * HOUR_S)
    assert office.look() == []
    plant.heartbeat(8 * HOUR_S)
    (found,) = office.look()
    assert (found.cause, [used.batch for used in found.batches]) == ("period", ["A", "B", "C", "D"])


def test_who_is_silent_for_long_is_waited_for_no_longer(plant: Days) -> None:
    plant.heartbeat(7.5 * HOUR_S, "scada")
    office = Office(plant, patience=rules(close_s=2).patience)
    plant.heartbeat(9 * HOUR_S)
    assert office.look() == []  # scada said so a second ago
    plant.heartbeat(9.1 * HOUR_S)
    plant.heartbeat(9.2 * HOUR_S)
    assert len(office.look()) == 1


def test_by_hand_it_is_a_running_one_until_then(plant: Days) -> None:
    office = Office(plant)
    office.follow()
    with closing(office.store()) as store, closing(office.shelf()) as shelf:
        period = named_period(DAY_1, "Asia/Shanghai")
        found, _ = office.publisher(store, shelf).ask("wheel", period)
    assert found.end_ms < period.end_ms


def test_while_the_calculator_runs_a_heartbeat_ends_a_period(plant: Days) -> None:
    office = Office(plant)
    publishing = Publishing(office.terms, office.ledger, plant.journal, lambda: NOW)
    store = open_store(office.ledger, create=True)
    engine = Engine(plant.journal, rules(), store, Settings(commit_s=0), publishing.see)

    async def run(until: int) -> None:
        """Until so many footprints are there, or for two looks."""
        running = asyncio.create_task(publishing.run(engine))
        for _ in range(600 if until else 12):
            if until and len(office.all()) == until:
                break
            await asyncio.sleep(0.1)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    with closing(go_on(engine)):
        asyncio.run(run(0))
        assert office.all() == []
        plant.heartbeat(8 * HOUR_S)
        go_on(engine)
        asyncio.run(run(1))
        assert [each.cause for each in office.all()] == ["period"]
