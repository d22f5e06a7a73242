"""What stays as it is when a world is told otherwise: finer slots, other names, other units."""

import json
import random
from collections import defaultdict
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec import structs

from calc_stream.core import Account, Ledger, Marks
from calc_stream.core.burdens import by_source
from calc_stream.core.pools import spreading_of
from calc_stream.core.records import parse_events
from calc_stream.factors import Rates, load, load_method, marks_of
from calc_stream.factors import by_source as with_periods
from calc_stream.factors.factor_set import FactorSet

from .rich_worlds import RichWorld, rich_world, toml
from .test_oracle import computed, lines, posted

WORLDS = [rich_world(f"world {seed}") for seed in range(24)]


def told_otherwise(world: RichWorld, models: list[dict]) -> RichWorld:
    return replace(world, models=tuple(models), texts=tuple(map(toml, models)))


@pytest.mark.parametrize("world", WORLDS)
def test_every_source_closes_in_every_interval(world: RichWorld) -> None:
    ledger = computed(world)
    sums: dict[tuple[int, str], int] = defaultdict(int)
    for (account, start, source), quanta in posted(ledger).items():
        sums[start, source] += 0 if account[2] == "opening" else quanta
    whole: dict[str, int] = defaultdict(int)
    for (_, source), quanta in sums.items():
        assert quanta >= 0  # what entered, for what stores gave is taken off them
        whole[source] += quanta
    assert {s: q for s, q in whole.items() if q} == {s: q for s, q in ledger.inflow.items() if q}
    transfers = spreading_of(ledger, parse_events(lines(world.events), "e")).transfers()
    moved: dict[tuple[str, int, str], int] = defaultdict(int)
    for t in transfers:
        moved[t.account, t.period, t.source] += t.quanta
    named: dict[tuple[str, int, str], int] = defaultdict(int)
    for account, cells in ledger.sums().items():
        for (period, source), quanta in cells.items():
            named[account.name, period, source] += quanta
    assert moved == {key: named[key] for key in moved}  # all of a pool, or nothing


@pytest.mark.parametrize("world", WORLDS)
def test_a_finer_slot_changes_no_total_of_a_source(world: RichWorld) -> None:
    models = deepcopy(list(world.models))
    for model in models:
        model["slot_s"] = 900
    finer = computed(told_otherwise(world, models))
    ledger = computed(world)
    assert finer.inflow == ledger.inflow
    assert finer.intervals >= ledger.intervals
    for name, stock in ledger.postings.ended.items():
        before = ledger.postings.short.get(name, Fraction(0)), stock.level
        after = finer.postings.short.get(name, Fraction(0)), finer.postings.ended[name].level
        # Less is asked of a store at once when what enters in between may already be taken.
        assert before[0] >= after[0]
        assert after[1] - after[0] == before[1] - before[0]


NAMES = ("nodes", "buses", "utilities", "stores", "exports", "sources")


def renamed(world: RichWorld) -> RichWorld:
    """Every name and batch behind a letter: the order of accounts stays."""
    models = deepcopy(list(world.models))
    for model in models:
        for key in NAMES:
            model[key] = {f"k-{name}": table for name, table in model[key].items()}
        for table in model["stores"].values():
            if "content" in table:
                table["content"] = {f"k-{s}": q for s, q in table["content"].items()}
        for edge in [*model["meters"], *model["links"]]:
            edge |= {"from": f"k-{edge['from']}", "to": f"k-{edge['to']}"}
    events = deepcopy(list(world.events))
    for event in events:
        for key in {"node", "batch"} | ({"of"} if event["type"] == "input" else set()):
            if key in event:
                event[key] = f"k-{event[key]}"
    marks = Marks(
        {f"k-{s}": t for s, t in world.marks.at.items()},
        frozenset(f"k-{s}" for s in world.marks.hourly),
    )
    return replace(told_otherwise(world, models), events=tuple(events), marks=marks)


def without_letters(ledger: Ledger) -> dict:
    return {
        (Account(*(part.replace("k-", "") for part in account)), start, source.replace("k-", "")): q
        for (account, start, source), q in posted(ledger).items()
    }


@pytest.mark.parametrize("world", WORLDS)
def test_other_names_in_the_same_order_change_nothing_else(world: RichWorld) -> None:
    assert without_letters(computed(renamed(world))) == posted(computed(world))


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_lines_and_repeated_lines_change_nothing(seed: int) -> None:
    world, rng = WORLDS[seed], random.Random(seed)

    def mixed(rows: tuple[dict, ...]) -> tuple[dict, ...]:
        found = [json.loads(json.dumps(row)) for row in rows]
        found += rng.sample(found, min(4, len(found)))
        rng.shuffle(found)
        return tuple(found)

    other = replace(world, events=mixed(world.events), readings=mixed(world.readings))
    assert posted(computed(other)) == posted(computed(world))


def test_doubling_a_factor_doubles_the_footprint() -> None:
    shipped, method = load(), load_method("gbt24067")
    doubled = FactorSet.of(
        structs.replace(row, value=str(2 * Decimal(row.value)))
        if row.series == "cn-grid-footprint"
        else row
        for row in shipped.rows
    )
    found = 0
    for world in WORLDS:
        models = deepcopy(list(world.models))
        for model in models:
            model["sources"]["grid"]["factor"] = "cn-grid-footprint"
        factored = told_otherwise(world, models)
        versions = factored.versions()
        ledger = computed(replace(factored, marks=marks_of(versions, shipped)))
        for cells in ledger.sums().values():
            grid = {key: quanta for key, quanta in cells.items() if key[1] == "grid"}
            one, other = (
                Rates(versions, factors, method).mass(with_periods(grid)).total
                for factors in (shipped, doubled)
            )
            assert one is not None
            assert other == 2 * one
            found += bool(by_source(grid))
    assert found > 50
