"""What the last readings of all meters, side by side, say of an edge is what each meter's column says."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

from calc_stream.core import Readings, parse_model
from calc_stream.core.blocks import Block
from calc_stream.core.registers import flows_between
from calc_stream.core.whole import Rows

METERS = 7
MODEL = parse_model(
    'format = 1\nsite = "tails"\ntimezone = "UTC"\n'
    '[carriers.electricity]\nunit = "kWh"\nquanta_per_unit = 1_000_000\n'
    '[sources.grid]\ncarrier = "electricity"\n[buses.main]\ncarrier = "electricity"\n'
    + "".join(
        f"[nodes.n{n}]\n[[meters]]\nid = 'm{n}'\nfrom = 'main'\nto = 'n{n}'\nunit = 'kWh'\n"
        for n in range(METERS)
    ),
    "model",
)
MAX_GAP_MS = 60


def rounds(rng: random.Random) -> Iterator[Block]:
    """Some meters, some readings of each behind its last ones, at even times; now and then late ones at
    odd times. One meter tells what is finer than a quantum."""
    at = {f"m{n}": (2 * rng.randrange(250), rng.randrange(10**6)) for n in range(METERS)}
    late = set[int]()
    for _ in range(250):
        meters = rng.sample(sorted(at), rng.choice([1, METERS - 1, METERS]))
        counts = [rng.choice([1, 1, 5]) for _ in meters]
        times, marks = list[int](), list[int]()
        for meter, count in zip(meters, counts, strict=True):
            for _ in range(count):
                t_ms, mark = at[meter]
                at[meter] = t_ms + 2 * rng.randrange(1, 50), mark + rng.randrange(1000)
                times.append(at[meter][0])
                marks.append(at[meter][1])
        yield block_of(meters, counts, times, marks)
        t_ms = times[-1] - 2 * rng.randrange(2, 100) + 1
        more = [t_ms, t_ms + 2][: rng.choice([1, 2])]
        if rng.random() < 0.03 and late.isdisjoint(more):
            late.update(more)
            yield block_of(meters[-1:], [len(more)], more, marks[-1:] * len(more))


def block_of(meters: list[str], counts: list[int], times: list[int], marks: list[int]) -> Block:
    exponents = [-8 if meter == "m3" else -3 for meter in meters]
    return Block(meters, *(np.array(own) for own in (counts, times, marks, exponents)))


def some_edges(rng: random.Random, last_ms: int) -> Rows:
    first_ms = rng.choice([0, max(last_ms - 3000, 0), max(last_ms - 300, 0)])
    count = min(rng.randrange(2, 17), last_ms - first_ms)
    return np.array(sorted(rng.sample(range(first_ms, last_ms + 50), count)), dtype=np.int64)


@pytest.mark.parametrize("seed", range(4))
def test_an_edge_is_found_however_long_ago_it_was(seed: int) -> None:
    rng = random.Random(seed)
    quick, slow = Readings(), Readings()
    for block in rounds(rng):
        quick.take(block)
        for own in block:
            slow.add(own.meter, own.times_ms, own.mantissas, own.exponent)
        last_ms = int(max(quick.lasts(MODEL.meters)))
        edges = some_edges(rng, max(last_ms, 20))
        found, wanted = (flows_between(edges, MODEL.meters, r, MAX_GAP_MS) for r in (quick, slow))
        assert found.quanta.whole.tolist() == wanted.quanta.whole.tolist()
        assert found.gapped is not None
        assert wanted.gapped is not None
        assert found.gapped.tolist() == wanted.gapped.tolist()


def test_what_is_told_again_with_more_digits_leaves_what_comes_later_as_it_is() -> None:
    readings = Readings()
    for told in ([(0, 100), (1, 101)], [(2, 102)], [(3, 103)]):
        readings.take(block_of(["m0"], [len(told)], *map(list, zip(*told, strict=True))))
    readings.take(Block(["m0"], *(np.array([one]) for one in (1, 2, 1020, -4))))
    readings.take(block_of(["m0"], [2], [4, 5], [104, 105]))
    column = readings.columns["m0"]
    assert column.exponent == -4
    assert column.mantissas.tolist() == [1000, 1010, 1020, 1030, 1040, 1050]
