"""Random plants for property tests: the world first, its records after."""

import json
import random
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from calc_stream.core import (
    Chunk,
    Event,
    Readings,
    Registers,
    Swap,
    parse_event,
)
from calc_stream.core.decimals import instant

STATES = ("producing", "setup", "cleaning", "idle_in_order", "fault", "idle", "standby", "off")

HEAD = """
format = 1
site = "plant"
timezone = "UTC"
slot_s = {slot_s}
policy = {{ setup = "{setup}", setup_max_s = 40 }}
max_gap_s = 45
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[carriers.air]
unit = "m3"
quanta_per_unit = 1000
[sources.grid]
carrier = "electricity"
[sources.pv]
carrier = "electricity"
[sources.bottled]
carrier = "air"
[buses.main]
carrier = "electricity"
residual = "{residual}"
[buses.sub]
carrier = "electricity"
[buses.air]
carrier = "air"
residual = "spread"
[utilities.compressor]
[utilities.chiller]
[nodes.n1]
[nodes.n2]
line = "L1"
[nodes.office]
kind = "overhead"
[exports.feed-in]
"""

# Chiller and compressor feed each other: a loop, when both run.
EDGES = [
    ("m-grid", "grid", "main", "kWh", "1"),
    ("m-pv", "pv", "main", "kWh", "0.5"),
    ("m-pv-2", "pv", "sub", "Wh", "1"),
    ("m-sub", "main", "sub", "kWh", "40"),
    ("m-back", "sub", "main", "kWh", "1"),
    ("m-n1", "main", "n1", "MJ", "1"),
    ("m-n2", "sub", "n2", "kWh", "1"),
    ("m-n2-too", "main", "n2", "kWh", "1"),
    ("m-comp", "sub", "compressor", "kWh", "1"),
    ("m-bottle", "bottled", "air", "m3", "1"),
    ("m-air-n1", "air", "n1", "L", "1"),
    ("m-air-chill", "air", "chiller", "m3", "1"),
    ("m-feed", "main", "feed-in", "kWh", "1"),
]
LINKS = [("compressor", "air", "1"), ("chiller", "office", "1"), ("chiller", "main", "2")]


@dataclass(frozen=True)
class World:
    """A model and all that was ever told about it."""

    model: str
    events: tuple[Event, ...]
    registers: tuple[tuple[str, int, int, str], ...]  # meter, t_ms, mantissa of 1e-3, quality
    swaps: tuple[tuple[str, Swap], ...]

    def readings(self) -> Readings:
        readings = Readings()
        for meter, t_ms, mantissa, quality in self.registers:
            if quality == "suspect":
                readings.leave_out(meter, t_ms, (mantissa, -3), quality)
            else:
                readings.add(meter, np.array([t_ms]), np.array([mantissa]), -3)
        for meter, swap in self.swaps:
            readings.add_swaps(meter, [swap])
        return readings

    def records(self) -> list[Chunk]:
        """One chunk for every record."""
        return [
            Chunk(model=self.model),
            *(Chunk(events=(event,)) for event in self.events),
            *(
                Chunk(readings=(Registers(m, np.array([t]), np.array([r]), -3, q),))
                for m, t, r, q in self.registers
            ),
            *(Chunk(swaps={meter: (swap,)}) for meter, swap in self.swaps),
        ]


def model_text(edges=EDGES, slot_s=20, setup="next", residual="account") -> str:
    """The plant as TOML."""
    text = HEAD.format(slot_s=slot_s, setup=setup, residual=residual)
    links = [*LINKS, ("main", "office", "3"), ("main", "n1", "1")] if residual == "links" else LINKS
    for meter, start, end, unit, multiplier in edges:
        text += f'[[meters]]\nid = "{meter}"\nfrom = "{start}"\nto = "{end}"\n'
        text += f'unit = "{unit}"\nmultiplier = "{multiplier}"\n'
    for start, end, share in links:
        text += f'[[links]]\nfrom = "{start}"\nto = "{end}"\nshare = "{share}"\n'
    return text


# One drawn integer is mostly a small one; four of them seldom repeat.
SEEDS = st.tuples(*[st.integers(0, 2**16)] * 4)


def some_time(rng: random.Random) -> int:
    """An instant in 200 s, with many ties: whole seconds, slot edges, and odd milliseconds."""
    return rng.choice(
        [rng.randrange(200) * 1000, rng.randrange(10) * 20_000, rng.randrange(200_000)]
    )


def some_event(rng: random.Random, number: int) -> Event:
    """Any event; some contradict each other, some void another."""
    kind = rng.choice(["start", "start", "start", "stop", "state", "void", "quantity", "input"])
    batch, other = rng.choice("ABC"), rng.choice("ABC")
    told = {
        "start": {"batch": batch, "weight": rng.choice(["1", "2", "0.35"])},
        "stop": {"batch": batch},
        "state": {"state": rng.choice(STATES)},
        "quantity": {"batch": batch, "good": rng.choice(["0", "9.5", "40"]), "unit": "piece"},
        "input": {"batch": batch, "of": other, "quantity": "3", "unit": "piece"},
        "void": {"of": f"e{rng.randrange(12)}"},
    }[kind]
    if kind in ("start", "stop", "state"):
        told["node"] = rng.choice(["n1", "n2"])
    t_ms = some_time(rng)
    return parse_event(json.dumps({"id": f"e{number}", "type": kind, "t": instant(t_ms), **told}))


def some_meter(
    rng: random.Random, meter: str, least: int
) -> tuple[list[tuple[str, int, int, str]], list[tuple[str, Swap]]]:
    """One meter's rising registers and swaps."""
    registers: list[tuple[str, int, int, str]] = []
    swaps: list[tuple[str, Swap]] = []
    register = rng.randrange(10**7)
    for t_ms in sorted({some_time(rng) for _ in range(rng.randint(least, 8))}):
        register += rng.choice([0, 1, 7, 1000, 123_457, 10**9])
        if rng.randrange(12) == 0:
            opening = rng.randrange(5000)
            swaps.append((meter, Swap(t_ms, (register, -3), (opening, -3))))
            register = opening
            continue
        quality = rng.choice(["good", "good", "good", "good", "backfilled", "suspect"])
        registers.append((meter, t_ms, register, quality))
    return registers, swaps


def some_word(rng: random.Random, number: int, meter: str, swap: Swap) -> Event:
    """What a person says of a swap, more or less at its time; it may be wrong."""
    detail = {
        "meter": meter,
        "closing": f"{max(swap.closing[0] + rng.choice([0, 0, 5, 10**6, -7]), 0)}e-3",
        "opening": f"{max(swap.opening[0] - rng.choice([0, 0, 5, 4000, -3]), 0)}e-3",
    }
    t_ms = swap.t_ms + rng.choice([0, 0, 1, -1500, 9000, -40_000])
    return parse_event(
        json.dumps({"id": f"w{number}", "type": "swap", "t": instant(t_ms), **detail})
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A plant with some of its meters; from a seed, so that most worlds are rich ones."""
    rng = random.Random(repr(draw(SEEDS)))
    edges = rng.sample(EDGES, rng.choice([1, 3, 6, 10, 13]))
    text = model_text(
        edges,
        slot_s=rng.choice([1, 1, 2, 20]),
        setup=rng.choice(["next", "next", "pool"]),
        residual=rng.choice(["account", "spread", "links"]),
    )
    least = rng.choice([0, 3, 3, 3])  # a meter never read holds the frontier back
    parts = [some_meter(rng, meter, least) for meter, *_ in edges]
    swapped = [swap for _, swaps in parts for swap in swaps for _ in range(rng.randrange(3))]
    words = [some_word(rng, number, *swap) for number, swap in enumerate(swapped)]
    return World(
        text,
        (*(some_event(rng, number) for number in range(rng.randrange(12))), *words),
        tuple(register for registers, _ in parts for register in registers),
        tuple(swap for _, swaps in parts for swap in swaps),
    )


@st.composite
def deliveries(draw: st.DrawFn, world: World) -> list[Chunk]:
    """The world's records in some order, some of them again."""
    rng = random.Random(repr(draw(SEEDS)))
    records = world.records()
    late = draw(st.sampled_from(["anything", "events", "readings", "model"]))
    rng.shuffle(records)
    records.sort(key=lambda chunk: _is(chunk, late) and rng.random() < 0.8)
    return records + rng.sample(records, min(len(records), draw(st.integers(0, 6))))


def _is(chunk: Chunk, what: str) -> bool:
    told = {"events": chunk.events, "readings": chunk.readings, "model": chunk.model}
    return bool(told.get(what))
