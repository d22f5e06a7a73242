"""How fast the calculation's definition is, beside a plain Python loop over the same readings.

`python -m bench.recompute [--meters 500] [--seconds 3600]`

The plain loop does the least a per-reading program must: differences per meter, split at slot
edges by linear interpolation, summed per meter. It knows no batches, buses or accounts; the core
does all of that in its time.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from calc_stream.core import Readings, parse_events, parse_model, recompute

_SLOT_MS = 60_000
_BATCHES = 40
_T0_MS = 1_790_000_000_000 - 1_790_000_000_000 % _SLOT_MS


def model_text(meters: int) -> str:
    """A grid meter, and one machine behind each of the others."""
    lines = ['format = 1\nsite = "bench"\ntimezone = "UTC"\nslot_s = 60']
    lines.append('[carriers.electricity]\nunit = "kWh"\nquanta_per_unit = 1_000_000')
    lines.append('[sources.grid]\ncarrier = "electricity"\n[buses.main]\ncarrier = "electricity"')
    lines += [f"[nodes.n{i:04}]" for i in range(1, meters)]
    lines.append('[[meters]]\nid = "m0000"\nfrom = "grid"\nto = "main"\nunit = "kWh"')
    for i in range(1, meters):
        lines.append(f'[[meters]]\nid = "m{i:04}"\nfrom = "main"\nto = "n{i:04}"\nunit = "kWh"')
    return "\n".join(lines) + "\n"


def events_text(meters: int, seconds: int) -> str:
    """Batches one after another on different machines."""
    lines = []
    for batch in range(_BATCHES):
        node = f"n{1 + batch % (meters - 1):04}"
        begin = _T0_MS + seconds * 1000 * batch // (2 * _BATCHES)
        for n, (kind, t_ms) in enumerate((("start", begin), ("stop", begin + seconds * 500))):
            t = np.datetime64(t_ms, "ms").astype(str) + "Z"
            event = {"id": f"{batch}-{n}", "t": t, "type": kind, "node": node, "batch": f"B{batch}"}
            lines.append(json.dumps({**event, "product": "p"} if kind == "start" else event))
    return "\n".join(lines)


def columns(meters: int, seconds: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Irregular readings about once a second: times in ms, registers in Wh."""
    rng = np.random.default_rng(1)
    found = {}
    for i in range(meters):
        times = _T0_MS + 1000 * np.arange(seconds) + rng.integers(0, 400, seconds)
        rises = rng.integers(0, 20, seconds) * (meters if i == 0 else 1)
        found[f"m{i:04}"] = (times.astype(np.int64), np.cumsum(rises).astype(np.int64))
    return found


def plain_loop(data: dict[str, tuple[list[int], list[int]]]) -> dict[tuple[str, int], float]:
    """Energy per meter and slot, reading by reading."""
    sums: dict[tuple[str, int], float] = {}
    for meter, (times, registers) in data.items():
        for at in range(1, len(times)):
            t0, t1 = times[at - 1], times[at]
            rise = registers[at] - registers[at - 1]
            while t0 < t1:
                edge = min(t1, (t0 // _SLOT_MS + 1) * _SLOT_MS)
                key = (meter, t0 // _SLOT_MS)
                sums[key] = sums.get(key, 0.0) + rise * (edge - t0) / (t1 - times[at - 1])
                t0 = edge
    return sums


def best_of(count: int, work: Callable[[], object]) -> float:
    """Seconds of processor time of the quickest of `count` runs."""
    best = float("inf")
    for _ in range(count):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=3600)
    arguments = parser.parse_args()
    data = columns(arguments.meters, arguments.seconds)
    model = parse_model(model_text(arguments.meters), "model")
    events = parse_events(events_text(arguments.meters, arguments.seconds), "events")
    readings = arguments.meters * arguments.seconds

    def whole() -> None:
        book = Readings()
        for meter, (times, registers) in data.items():
            book.add(meter, times, registers, -3)
        ledger = recompute(model, events, book)
        assert not any(ledger.closure().values())

    lists = {meter: (times.tolist(), regs.tolist()) for meter, (times, regs) in data.items()}
    core_s = best_of(3, whole)
    loop_s = best_of(1, lambda: plain_loop(lists))
    print(f"{readings} readings of {arguments.meters} meters, {_BATCHES} batches")
    print(f"core       {readings / core_s / 1e6:8.2f} M readings/s")
    print(f"plain loop {readings / loop_s / 1e6:8.2f} M readings/s")
    print(f"ratio      {loop_s / core_s:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
