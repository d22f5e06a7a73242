"""How the calculation grows: meters, horizon, loops, and a year restated.

`python -m bench.scale [--days 2]`

Processor time of one thread. The year is `--days` of 500 meters at 10 s, day after day as a site's days
are restated on two cores, times what a year has more of them; loading the readings is in it. `loops` is a
day of 60 s slots of fifty places, in loops of four, of ten and all in one.
"""

import argparse
import sys
import time

import numpy as np

from bench.recompute import T0_MS, Column, columns, events_text, model_text
from calc_stream.core import Readings, SiteModel, parse_events, parse_model, recompute

_DAY_S = 86_400


def whole(meters: int, readings: int, every_s: int) -> tuple[float, int]:
    """Seconds for loading and computing, and the intervals."""
    data = columns(meters, readings, every_s)
    model = parse_model(model_text(meters), "model")
    events = parse_events(events_text(meters, readings * every_s), "events")
    began = time.process_time()
    ledger = recompute(model, events, book_of(data))
    return time.process_time() - began, ledger.intervals


def book_of(data: dict[str, Column]) -> Readings:
    book = Readings()
    for meter, (times, registers) in data.items():
        book.add(meter, times, registers, -3)
    return book


def in_loops(loops: int, size: int) -> SiteModel:
    """Boards that feed each other round in loops, and a machine on each."""
    lines = ['format = 1\nsite = "bench"\nslot_s = 60']
    lines.append('[carriers.electricity]\nunit = "kWh"\nquanta_per_unit = 1_000_000')
    lines.append('[sources.grid]\ncarrier = "electricity"\n[buses.main]\ncarrier = "electricity"')
    edges = [("grid", "main")]
    for loop in range(loops):
        names = [f"b{loop}-{at}" for at in range(size)]
        edges.append(("main", names[0]))
        for at, name in enumerate(names):
            lines.append(f'[buses.{name}]\ncarrier = "electricity"\n[nodes.n-{name}]')
            edges += [(name, names[(at + 1) % size]), (name, f"n-{name}")]
            edges += [(name, names[(at + 2) % size])] if size > 3 else []
    for number, (start, end) in enumerate(edges):
        meter = f'[[meters]]\nid = "m{number:03}"\nfrom = "{start}"\nto = "{end}"\nunit = "kWh"'
        lines.append(meter)
    return parse_model("\n".join(lines) + "\n", "model")


def day_of_loops(loops: int, size: int) -> float:
    """Seconds for a day of 60 s slots; what goes round is a quarter of what the machines draw."""
    model, book, rng = in_loops(loops, size), Readings(), np.random.default_rng(1)
    times = T0_MS + 60_000 * np.arange(1441)
    for meter in model.meters:
        high = {"grid": 1000 * loops, "main": 1000}.get(meter.start, 50)
        high = 200 if meter.end.startswith("n-") else high
        book.add(meter.id, times, np.cumsum(rng.integers(high // 2, high, times.size)), -3)
    began = time.process_time()
    ledger = recompute(model, (), book)
    assert not ledger.untraced
    return time.process_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=2)
    days = parser.parse_args().days
    cases = [(10, 3600, 1), (500, 3600, 1), (5000, 3600, 1)]
    cases += [(10, 8640, 10), (10, 30 * 8640, 10)]
    for meters, readings, every_s in cases:
        took_s, intervals = min(whole(meters, readings, every_s) for _ in range(2))
        hours, count = readings * every_s / 3600, meters * readings
        print(
            f"{meters:5} meters, {hours:4.0f} h at {every_s:2} s {1e9 * took_s / count:8.1f} ns a reading,"
            f" {1e9 * took_s / (meters * intervals):7.1f} ns a meter and interval"
        )
    for loops, size in ((12, 4), (5, 10), (1, 49)):
        print(
            f"{loops:2} loops of {size:2} places, a day of 60 s {day_of_loops(loops, size):8.2f} s"
        )
    took_s = sum(whole(500, _DAY_S // 10, 10)[0] for _ in range(days))
    print(
        f"a year of 500 meters at 10 s {took_s / days * 365:8.0f} s of one core, half of that on two"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
