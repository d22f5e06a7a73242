"""Live equals the definition, with stores, versions, windows and marks, in any order of arrival."""

import json
import random

import numpy as np
import pytest

from calc_stream.core import (
    Chunk,
    Registers,
    SiteState,
    Spreading,
    Swap,
    definition,
    pages,
    parse_event,
    recompute,
)
from calc_stream.core.decimals import parse_decimal, parse_instant
from wire.errors import ConfigError

from .rich_worlds import Json, RichWorld, rich_world
from .test_oracle import computed
from .test_state import assert_same


def chunk_of(row: Json) -> Chunk:
    """One line of a readings file as a record."""
    t_ms, meter = parse_instant(row["t"]), row["meter"]
    if "event" in row:
        swap = Swap(t_ms, parse_decimal(row["closing"]), parse_decimal(row["opening"]))
        return Chunk(swaps={meter: (swap,)})
    mantissa, exponent = parse_decimal(row["register"])
    times = np.array([t_ms], dtype=np.int64)
    registers = np.array([mantissa], dtype=np.int64)
    return Chunk(readings=(Registers(meter, times, registers, exponent, row["quality"]),))


def records(world: RichWorld) -> list[Chunk]:
    return [
        *(Chunk(model=text) for text in world.texts),
        *(Chunk(events=(parse_event(json.dumps(event)),)) for event in world.events),
        *(chunk_of(row) for row in world.readings),
        *held(world),
        Chunk(marks=world.marks),
        Chunk(silent=unread(world)),
    ]


def held(world: RichWorld) -> list[Chunk]:
    """Of every third world the last quarter of the readings is known to be on its way."""
    times = sorted(parse_instant(row["t"]) for row in world.readings)
    return [Chunk(held_ms=times[len(times) * 3 // 4])] if len(times) % 3 == 1 else []


def unread(world: RichWorld) -> frozenset[str]:
    """Meters nobody waits for: those never read, and one that stopped early."""
    read = {row["meter"] for row in world.readings}
    last = {row["meter"]: row["t"] for row in world.readings}
    early = sorted(last, key=lambda meter: parse_instant(last[meter]))[:1]
    return frozenset(world.versions().meters.keys() - read) | frozenset(early)


def delivered(world: RichWorld, rng: random.Random, upto: int | None = None) -> SiteState:
    """Everything in some order, some of it twice, with restarts in between; or only so much of it."""
    told = records(world)
    told += rng.sample(told[:-2], min(len(told) - 2, 9))
    rng.shuffle(told)
    late = rng.choice(["nothing", "models", "events", "readings"])
    told.sort(
        key=lambda chunk: {
            "models": chunk.model is not None,
            "events": bool(chunk.events),
            "readings": bool(chunk.readings or chunk.swaps),
        }.get(late, False)
    )
    site = SiteState()
    for chunk in told[:upto]:
        if rng.random() < 0.05:
            site = SiteState.from_bytes(site.to_bytes())
        site.apply(chunk)
    return site


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """These worlds have a few dozen slots; several pages and blocks shall lie in them."""
    monkeypatch.setattr(pages, "PAGE_SLOTS", 2)
    monkeypatch.setattr(definition, "SLOTS_AT_ONCE", (3, 3))


often_enough = pytest.mark.parametrize(
    "seeds", [range(14), pytest.param(range(14, 40), marks=pytest.mark.full)], ids=["few", "many"]
)


@pytest.mark.parametrize("tens", [0, 1, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 3))])
def test_any_delivery_gives_what_recompute_gives(tens: int) -> None:
    live = 0
    for seed in range(10 * tens, 10 * tens + 10):
        world, rng = rich_world(f"world {seed}"), random.Random(f"delivery {seed}")
        site = delivered(world, rng)
        whole = computed(world)
        assert_same(site.ledger(), whole)
        posted = site.ledger("frontier")
        assert site.sums() == posted.sums()
        assert set(site.closure().values()) <= {0}
        live += site.posted is not None and site.posted[0] < site.posted[1]
        if site.frontier_ms is not None:
            upto = recompute(
                world.versions(),
                site.events.values(),
                site.readings,
                to_ms=site.frontier_ms,
                marks=world.marks,
            )
            assert_same(posted, upto)
            assert (
                transfers(site)
                == Spreading(
                    upto.periods, site.nodes, site.batches, upto.sums(), upto.span
                ).transfers()
            )
    assert live >= 5


def transfers(site: SiteState) -> list:
    assert site.periods is not None
    return Spreading(site.periods, site.nodes, site.batches, site.sums(), site.posted).transfers()


@often_enough
def test_what_comes_later_changes_nothing_that_was_told_before_it(seeds: range) -> None:
    """A state is a function of the records up to it, and so is what `recompute` makes of them."""
    found = 0
    for seed in seeds:
        world = rich_world(f"world {seed}")
        whole = len(records(world))
        count = random.Random(seed).randrange(whole // 2, whole)
        site = delivered(world, random.Random(f"delivery {seed}"), count)
        if site.versions is None:
            continue
        found += 1
        events, marks = site.events.values(), site.marks
        assert_same(site.ledger(), recompute(site.versions, events, site.readings, marks=marks))
        to_ms = site.frontier_ms
        if to_ms is not None:
            upto = recompute(site.versions, events, site.readings, None, to_ms, marks)
            assert_same(site.ledger("frontier"), upto)
    assert found >= len(seeds) // 8


def test_equal_content_gives_equal_bytes() -> None:
    for seed in range(4):
        world = rich_world(f"world {seed}")
        states = {delivered(world, random.Random(f"{seed} {n}")).to_bytes() for n in range(2)}
        assert len(states) == 1


@often_enough
def test_a_later_part_alone_is_what_the_whole_has_there(seeds: range) -> None:
    for seed in seeds:
        world = rich_world(f"world {seed}")
        whole = computed(world)
        if whole.span is None:
            continue
        rng = random.Random(seed)
        edges = np.unique(np.concatenate([whole.postings.starts, whole.postings.ends])).tolist()
        if len(edges) < 3:
            continue
        first, last = sorted(rng.sample(edges, 2))
        site = delivered(world, rng)
        part = recompute(
            world.versions(), site.events.values(), site.readings, first, last, world.marks
        ).postings
        inside = (whole.postings.starts >= first) & (whole.postings.ends <= last)
        assert part.starts.tolist() == whole.postings.starts[inside].tolist()
        assert part.quanta.tolist() == whole.postings.quanta[inside].tolist()


def test_a_new_version_posts_only_its_own_time_anew() -> None:
    found = 0
    for seed in range(40):
        world = rich_world(f"world {seed}")
        if len(world.texts) < 2 or world.models[-1].get("valid_from") is None:
            continue
        newest = max(
            world.models,
            key=lambda model: model["valid_from"].timestamp() if "valid_from" in model else 0,
        )
        text = world.texts[world.models.index(newest)]
        site = SiteState()
        for chunk in records(world):
            if chunk.model != text:
                site.apply(chunk)
        before = site.posted
        changes = site.apply(Chunk(model=text))
        since = round(newest["valid_from"].timestamp() * 1000)
        if before is None or site.posted is None or before[1] <= max(since, before[0]):
            continue
        found += 1
        page_ms = 2 * 7200 * 1000
        assert changes.spans
        assert all(end > since - page_ms for _, end in changes.spans)
    assert found > 5


def test_a_version_that_contradicts_another_changes_nothing() -> None:
    world = rich_world("world 3")
    site = delivered(world, random.Random(1))
    before = site.to_bytes()
    text = world.texts[0].replace("quanta_per_unit = 1000", "quanta_per_unit = 10000")
    other = "valid_from = 2030-01-01T00:00:00Z\n" + "\n".join(
        line for line in text.split("\n") if not line.startswith("valid_from")
    )
    with pytest.raises(ConfigError, match="is counted otherwise"):
        site.apply(Chunk(model=other))
    assert site.to_bytes() == before
