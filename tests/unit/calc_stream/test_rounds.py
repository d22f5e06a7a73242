"""Rounds of many meters, taken in side by side, give what `recompute` gives of all that was told."""

import random
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import strategies as st

from calc_stream.core import (
    Chunk,
    Event,
    Registers,
    SiteState,
    Swap,
    parse_events,
    parse_model,
    recompute,
    tails,
)

from .often import often
from .plants import SEEDS, World, worlds
from .test_state import assert_same, told


def together(registers: list[tuple[str, int, int, str]]) -> Chunk:
    """As one segment has them: a block a meter and quality."""
    blocks: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for meter, t_ms, mantissa, quality in registers:
        blocks[meter, quality].append((t_ms, mantissa))
    return Chunk(
        readings=tuple(
            Registers(meter, *np.array(rows, dtype=np.int64).T, -3, quality)
            for (meter, quality), rows in blocks.items()
        )
    )


def segments(world: World, rng: random.Random) -> list[Chunk]:
    """The world in order of time, some segments late, some twice, people's words in between."""
    rows = sorted(world.registers, key=lambda row: row[1])
    found = []
    while rows:
        size = rng.choice([1, 2, 5, 13])
        found.append(together(rows[:size]))
        rows = rows[size:]
    for late in rng.sample(found, min(len(found), rng.choice([0, 0, 1, 3]))):
        found.insert(rng.randrange(len(found) + 1), late)
    for other in world.records():
        if not other.readings:
            found.insert(rng.choice([0, rng.randrange(len(found) + 1)]), other)
    return found


METERS = 12
MODEL = """
format = 1
site = "rounds"
slot_s = 20
max_gap_s = 30
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[sources.grid]
carrier = "electricity"
[buses.main]
carrier = "electricity"
""" + "".join(
    f"[nodes.n{at}]\n[[meters]]\nid = 'm{at}'\nfrom = 'main'\nto = 'n{at}'\nunit = 'kWh'\n"
    if at
    else "[[meters]]\nid = 'm0'\nfrom = 'grid'\nto = 'main'\nunit = 'kWh'\n"
    for at in range(METERS)
)


def rounds(rng: random.Random) -> Iterator[Chunk]:
    """One a second; a meter that stops for a while, one that is swapped, one that is late, one that
    tells more digits from some time on. The first of them feeds the others well and begins with them:
    what nothing explains would be posted anew from the start of its page, and no edge remembered."""
    registers, waiting = [10**6] * METERS, list[Registers]()
    for second in range(420):
        found = []
        for meter in range(METERS):
            registers[meter] += rng.randrange(3) + (0 if meter else 2 * METERS)
            t_ms = np.array([second * 1000 + rng.randrange(400) * (second > 0)])
            more = meter == 4 and second > 350
            mantissa = np.array([registers[meter] * (10 if more else 1)])
            own = Registers(f"m{meter}", t_ms, mantissa, -4 if more else -3)
            if meter == 1 and 120 < second < 170:
                continue
            (waiting if meter == 3 and second % 100 > 60 else found).append(own)
        yield Chunk(readings=tuple(found))
        if second % 100 == 99:
            yield from (Chunk(readings=(own,)) for own in waiting)
            waiting.clear()
        if second == 300:
            swap = Swap(second * 1000 + 500, (registers[2], -3), (7, -3))
            registers[2] = 7
            yield Chunk(swaps={"m2": (swap,)})


def test_a_site_that_runs_for_minutes_is_what_recompute_says_at_every_hundredth_round() -> None:
    site, again = SiteState(), SiteState()
    site.apply(Chunk(model=MODEL))
    again.apply(Chunk(model=MODEL))
    kept: list[Chunk] = []
    for number, chunk in enumerate(rounds(random.Random(5))):
        site.apply(chunk)
        kept.append(chunk)
        if number % 100 == 50:
            site.apply(kept[number // 2])  # told again
            model = parse_model(MODEL, "model")
            assert site.frontier_ms is not None
            whole = recompute(model, (), site.readings, to_ms=site.frontier_ms)
            assert_same(site.ledger("frontier"), whole)
            assert site.totals() == whole.totals()
            assert not whole.untraced
    again.apply(Chunk(readings=tuple(own for chunk in reversed(kept) for own in chunk.readings)))
    for chunk in kept:
        again.apply(Chunk(swaps=chunk.swaps))
    assert site.to_bytes() == again.to_bytes()


def test_a_silent_meter_that_goes_on_is_booked_where_others_were_looked_up_long_ago() -> None:
    site, waiting = SiteState(), list[Registers]()
    model = parse_model(MODEL, "model")
    site.apply(Chunk(model=MODEL))
    for second in range(90):
        chunk = [
            Registers(f"m{m}", np.array([second * 1000]), np.array([second * (m + 1)]), -3)
            for m in range(METERS)
        ]
        if second > 25:
            waiting.append(chunk.pop(5))
        site.apply(Chunk(readings=tuple(chunk), silent=frozenset({"m5"} if second > 25 else ())))
    for own in waiting[:50]:
        site.apply(Chunk(readings=(own,)))
        assert site.totals() == recompute(model, (), site.readings, to_ms=site.frontier_ms).totals()
    whole = recompute(model, (), site.readings, to_ms=site.frontier_ms)
    assert_same(site.ledger("frontier"), whole)


def test_what_people_tell_late_changes_who_got_what_was_posted() -> None:
    site, events = SiteState(), list[Event]()
    model = parse_model(MODEL, "model")
    site.apply(Chunk(model=MODEL))
    for second in range(60):
        registers = [
            Registers(f"m{m}", np.array([second * 1000]), np.array([second * (m + 1)]), -3)
            for m in range(METERS)
        ]
        site.apply(Chunk(readings=tuple(registers)))
        if second == 56:  # ahead of its time
            line = '{"id":"56","t":"1970-01-01T00:00:58Z","type":"start","node":"n4","batch":"c"}'
            events += (told := parse_events(line, "events"))
            site.apply(Chunk(events=tuple(told)))
        if second in (25, 40, 55):  # of twelve seconds ago
            type_ = "stop" if second == 40 else "start"
            t = f"1970-01-01T00:00:{second - 12}Z"
            line = f'{{"id":"{second}","t":"{t}","type":"{type_}","node":"n3","batch":"b"}}'
            events += (told := parse_events(line, "events"))
            site.apply(Chunk(events=tuple(told)))
            now = recompute(model, events, site.readings, to_ms=site.frontier_ms)
            assert_same(site.ledger("frontier"), now)
    whole = recompute(model, events, site.readings)
    assert whole.totals()["batch:b"] == {"grid": 4000 * (28 - 13 + 59 - 43)}
    assert site.totals() == whole.totals()


@often(25, 200, world=worlds(), seed=SEEDS, depth=st.sampled_from([4, 8, 256]))
def test_segments_of_many_meters_give_what_recompute_gives(
    world: World, seed: tuple[int, ...], depth: int
) -> None:
    rng = random.Random(repr(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tails, "DEPTH", depth)
        patch.setattr(tails, "_NEAR", 2)
        site, so_far = SiteState(), list[Chunk]()
        for chunk in segments(world, rng):
            before = site.totals()
            changes = site.apply(chunk)
            so_far.append(chunk)
            after = site.totals()
            if site.model is None:
                continue
            names = {n for n in before.keys() | after.keys() if before.get(n) != after.get(n)}
            assert {name: after.get(name, {}) for name in names} == changes.accounts
            assert names <= changes.moved
            assert not any(site.closure().values())
            if rng.random() < 0.2:  # looks beyond the frontier, too
                assert_same(site.ledger(), told(world, separate(so_far)))
            if rng.random() < 0.2:
                site = SiteState.from_bytes(site.to_bytes())
        assert_same(site.ledger(), told(world, separate(so_far)))
        assert site.totals() == site.ledger("frontier").totals()


def separate(chunks: list[Chunk]) -> list[Chunk]:
    """Reading by reading."""
    found = [Chunk(events=chunk.events, swaps=chunk.swaps) for chunk in chunks]
    for chunk in chunks:
        for own in chunk.readings:
            rows = zip(own.times_ms.tolist(), own.mantissas.tolist(), strict=True)
            found += [together([(own.meter, *row, own.quality)]) for row in rows]
    return found
