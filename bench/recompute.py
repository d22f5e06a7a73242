"""How fast the calculation's definition is, beside others over the same readings on one thread.

`python -m bench.recompute [--meters 500] [--seconds 3600]`

The plain loop, and Polars and DuckDB where they are installed, do the least that must be done:
differences per meter, split at the edges of slots and batches by linear interpolation, summed per slot
for the batch on the meter's machine and for the rest. They know no boards and losses and count in floats;
the core does all of that, exactly, in its time. The others' sums are held against each other first.
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt

from calc_stream.core import Readings, parse_events, parse_model, recompute

_SLOT_MS = 60_000
_BATCHES = 40
Column = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]  # times in ms, registers
Rows = Mapping[str, npt.NDArray[np.int64]]
Runs = Mapping[int, tuple[int, int]]  # by meter, the time of the batch on its machine
Sums = dict[tuple[int, int], tuple[float, float]]  # by meter and slot
T0_MS = 1_790_000_000_000 - 1_790_000_000_000 % _SLOT_MS


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


def batches(meters: int, seconds: int) -> list[tuple[int, int, int]]:
    """The meter of each batch's machine, and from when to when it runs there (ms)."""
    begins = [T0_MS + seconds * 1000 * batch // (2 * _BATCHES) for batch in range(_BATCHES)]
    return [(1 + n % (meters - 1), t, t + seconds * 500) for n, t in enumerate(begins)]


def events_text(meters: int, seconds: int) -> str:
    """Batches one after another on different machines."""
    lines = []
    for batch, (meter, begin, end) in enumerate(batches(meters, seconds)):
        node = f"n{meter:04}"
        for n, (kind, t_ms) in enumerate((("start", begin), ("stop", end))):
            t = np.datetime64(t_ms, "ms").astype(str) + "Z"
            event = {"id": f"{batch}-{n}", "t": t, "type": kind, "node": node, "batch": f"B{batch}"}
            lines.append(json.dumps({**event, "product": "p"} if kind == "start" else event))
    return "\n".join(lines)


def columns(meters: int, readings: int, every_s: int = 1) -> dict[str, Column]:
    """Irregular readings about so often: times in ms, registers in Wh."""
    rng = np.random.default_rng(1)
    found = {}
    for i in range(meters):
        late_ms = rng.integers(0, 400, readings)
        late_ms[[0, -1]] = 0  # all begin and end together: the others know no cut where one does
        times = T0_MS + 1000 * every_s * np.arange(readings) + late_ms
        rises = rng.integers(0, 20, readings) * (meters if i == 0 else 1)
        found[f"m{i:04}"] = (times.astype(np.int64), np.cumsum(rises).astype(np.int64))
    return found


def plain_loop(data: Mapping[str, tuple[list[int], list[int]]], runs: Runs) -> Sums:
    """Energy per meter and slot, reading by reading: the batch's and all of it."""
    sums: Sums = {}
    for number, (times, registers) in enumerate(data.values()):
        begin, end = runs.get(number, (0, 0))
        for at in range(1, len(times)):
            t0, t1 = times[at - 1], times[at]
            rate = (registers[at] - registers[at - 1]) / (t1 - t0)
            while t0 < t1:
                edge = min(t1, (t0 // _SLOT_MS + 1) * _SLOT_MS)
                batch, whole = sums.get((number, t0 // _SLOT_MS), (0.0, 0.0))
                its_ms = max(min(edge, end) - max(t0, begin), 0)
                sums[number, t0 // _SLOT_MS] = batch + rate * its_ms, whole + rate * (edge - t0)
                t0 = edge
    return sums


def polars_of(rows: Rows, runs: Runs) -> Callable[[], object] | None:
    """The same job for Polars, lazily, on one thread; None where it is not installed."""
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    try:
        pl = importlib.import_module("polars")
    except ModuleNotFoundError:
        return None
    frame = pl.DataFrame(rows)
    t0, t1, r0, r1 = (pl.col(name) for name in ("t0", "t1", "r0", "r1"))
    slot = t0 // _SLOT_MS + pl.col("k")
    first = pl.max_horizontal(t0, slot * _SLOT_MS)
    last = pl.min_horizontal(t1, (slot + 1) * _SLOT_MS)
    its = pl.min_horizontal(last, "end") - pl.max_horizontal(first, "begin")
    rate = (r1 - r0) / (t1 - t0)
    running = pl.DataFrame(
        [(meter, begin, end) for meter, (begin, end) in runs.items()],
        schema=["meter", "begin", "end"],
        orient="row",
    ).lazy()
    # Readings are nearer to each other than a slot is long: one lies in two slots at most.
    halves = [frame.lazy().with_columns(k=pl.lit(k)) for k in (0, 1)]
    before = [
        half.with_columns(
            t0=pl.col("t").shift(1).over("meter"), r0=pl.col("register").shift(1).over("meter")
        ).rename({"t": "t1", "register": "r1"})
        for half in halves
    ]
    job = (
        pl.concat(before)
        .drop_nulls()
        .filter(last > first)
        .join(running, on="meter", how="left")
        .with_columns(pl.col("begin", "end").fill_null(0))
        .with_columns(slot=slot, batch=rate * its.clip(0), whole=rate * (last - first))
        .group_by("meter", "slot")
        .agg(pl.col("batch", "whole").sum())
    )
    return lambda: sums_of(job.collect().iter_rows())


def duckdb_of(rows: Rows, runs: Runs) -> Callable[[], object] | None:
    """The same job as one SQL statement, on one thread; None where DuckDB is not installed."""
    try:
        duckdb = importlib.import_module("duckdb")
    except ModuleNotFoundError:
        return None
    db = duckdb.connect(config={"threads": 1})
    meter, t, register = rows.values()
    db.execute("CREATE TABLE reading (meter BIGINT, t BIGINT, register BIGINT)")
    columns = {"meter": meter, "t": t, "register": register}  # noqa: F841  # DuckDB sees it by name
    db.execute("INSERT INTO reading SELECT * FROM columns")
    db.execute("CREATE TABLE run (meter BIGINT, begin_ms BIGINT, end_ms BIGINT)")
    db.executemany("INSERT INTO run VALUES (?, ?, ?)", [(m, *span) for m, span in runs.items()])
    query = f"""
        WITH pair AS (
            SELECT meter, t AS t1, register AS r1, lag(t) OVER w AS t0, lag(register) OVER w AS r0
            FROM reading WINDOW w AS (PARTITION BY meter ORDER BY t)
        ), half AS (
            SELECT meter, t0, t1, r0, r1, t0 // {_SLOT_MS} + k AS slot FROM pair, (VALUES (0), (1)) n(k)
            WHERE t0 IS NOT NULL
        ), part AS (
            SELECT meter, slot, (r1 - r0) / (t1 - t0) AS rate,
                greatest(t0, slot * {_SLOT_MS}) AS since, least(t1, (slot + 1) * {_SLOT_MS}) AS until
            FROM half
        )
        SELECT meter, slot,
            sum(rate * greatest(least(until, coalesce(end_ms, 0)) - greatest(since, coalesce(begin_ms, 0)), 0)),
            sum(rate * (until - since))
        FROM part LEFT JOIN run USING (meter) WHERE until > since GROUP BY ALL
    """
    return lambda: sums_of(db.execute(query).fetchall())


def sums_of(rows: Iterable[tuple[int, int, float, float]]) -> Sums:
    """As the plain loop has them."""
    return {(meter, slot): (batch, whole) for meter, slot, batch, whole in rows}


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
    if arguments.meters <= _BATCHES:
        parser.error(f"--meters: at least {_BATCHES + 1}, one for each batch's machine")
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
    rows = {
        "meter": np.repeat(np.arange(len(data)), arguments.seconds),
        "t": np.concatenate([times for times, _ in data.values()]),
        "register": np.concatenate([registers for _, registers in data.values()]),
    }
    runs = {
        meter: (begin, end) for meter, begin, end in batches(arguments.meters, arguments.seconds)
    }
    others: dict[str, Callable[[], object] | None] = {
        "plain loop": lambda: plain_loop(lists, runs),
        "polars": polars_of(rows, runs),
        "duckdb": duckdb_of(rows, runs),
    }
    print(f"{readings} readings of {arguments.meters} meters, {_BATCHES} batches")
    core_s = best_of(5, whole)
    print(f"core       {readings / core_s / 1e6:8.2f} M readings/s")
    truth = plain_loop(lists, runs)
    for name, work in others.items():
        if work is None:
            print(f"{name:10} is not installed")
            continue
        found = work()
        assert isinstance(found, dict)
        assert found.keys() == truth.keys()
        for key, energies in truth.items():
            assert all(abs(a - b) < 1e-6 for a, b in zip(found[key], energies, strict=True))
        took_s = best_of(2, work)
        print(f"{name:10} {readings / took_s / 1e6:8.2f} M readings/s, {took_s / core_s:6.1f} x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
