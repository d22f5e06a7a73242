"""What the store costs: disk, and time beside the least that keeping the same bytes takes.

`python -m bench.store [--days 1] [--runs 5] [--json]`

`--days`: so much of the month is written. `month`: 20 meters, 12 registers, every 10 s, sealed in packets of ten minutes as in an outage; bytes of
the file, and how long opening it takes, integrity check included. `spool`: segments put on disk one a
commit, beside a plain file to which the same bytes are appended, each followed by fdatasync, in turns.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from bench.registers import Machine
from bench.registers import _written as written
from edge_agent import rows
from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.store import open_store
from wire.messages import Sample
from wire.segment import GENESIS, Place, seal
from wire.signing import SigningKey

_KEY = SigningKey(bytes(range(32)))
_T0_MS = NOT_BEFORE_MS + 86_400_000
_METERS, _STEP_S, _PACKET_S = 20, 10, 600
_REGISTERS = (
    *("voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3"),
    *("active_power", "reactive_power", "power_factor_l1", "frequency"),
    *("active_energy_import", "reactive_energy_import"),
)
_MOST_MB, _LEAST_TIMES = 150.0, 0.9
_SPOOLED = 300


def _at(t_ms: int) -> Instant:
    return Instant(t_ms, t_ms - NOT_BEFORE_MS, "b" * 32)


def _read(machines: list[Machine], t_ms: int) -> list[Sample]:
    """What all meters tell ten seconds later."""
    found = []
    for n, machine in enumerate(machines):
        for _ in range(_STEP_S):
            told = machine.second()
        values = {name: written(name, told[name]) for name in _REGISTERS}
        found.append(Sample(f"m-press-{n + 1}", t_ms + n, values))
    return found


def month(folder: Path, days: float) -> tuple[float, float, float]:
    """(MB in 30 days, bytes a reading, seconds to open)."""
    rng = Random(1)
    machines = [Machine(rng, 0.01) for _ in range(_METERS)]
    path = folder / "month.db"
    store = open_store(path, "cq-wheel", "gw-1", _KEY, _at(_T0_MS))
    store._file._db.execute("PRAGMA synchronous = OFF")  # the bytes are the same
    readings, t_ms = 0, _T0_MS
    for _ in range(round(days * 86_400 / _PACKET_S)):
        for _ in range(_PACKET_S // _STEP_S):
            t_ms += 1000 * _STEP_S
            samples = _read(machines, t_ms)
            readings += sum(len(sample.values) for sample in samples)
            store.commit(samples, [], _at(t_ms), {})
        while store.seal(_at(t_ms), "synchronized", live=False) is not None:
            pass
    store.close()
    began = time.perf_counter()
    open_store(path, "cq-wheel", "gw-1", _KEY, _at(t_ms)).close()
    took_s = time.perf_counter() - began
    size = path.stat().st_size
    return size * 30 / days / 1e6, size / readings, took_s


def spool(folder: Path, runs: int) -> tuple[int, list[float]]:
    """Bytes of a segment, and the store's speed as a part of the plain file's, for each run."""
    rng = Random(2)
    machines = [Machine(rng, 0.01) for _ in range(_METERS)]
    samples = [s for n in range(60) for s in _read(machines, _T0_MS + 10_000 * n)]
    times, size = [], 0
    for run in range(runs):
        store = open_store(folder / f"spool-{run}.db", "cq-wheel", "gw-1", _KEY, _at(_T0_MS))
        stream = store.current().stream
        place = Place("cq-wheel", "gw-1", stream, 1, GENESIS, "b" * 32, "synchronized")
        sealed = []
        for seq in range(1, _SPOOLED + 1):
            place = Place(*("cq-wheel", "gw-1", stream, seq, GENESIS, "b" * 32, "synchronized"))
            sealed.append(seal(place, samples, [], _KEY))
        size = len(sealed[0])
        raw = os.open(folder / f"spool-{run}.raw", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        raw_s = store_s = 0.0
        for data in sealed:
            began = time.perf_counter()
            os.write(raw, data)
            os.fdatasync(raw)
            between = time.perf_counter()
            with store._file.transaction() as db:
                rows.keep(db, data, _at(_T0_MS))
            raw_s, store_s = raw_s + between - began, store_s + time.perf_counter() - between
        os.close(raw)
        store.close()
        times.append(raw_s / store_s)
    return size, times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        size, times = spool(Path(folder), arguments.runs)
        mb, bytes_, open_s = month(Path(folder), arguments.days)
    times_ = statistics.median(times)
    if arguments.json:
        found = {"month_mb": mb, "bytes": bytes_, "open_s": open_s, "spool_times": times}
        print(json.dumps({"days": arguments.days, "segment_bytes": size, **found}))
    else:
        print(f"30 days {mb:6.1f} MB of {_MOST_MB:.0f} (from {arguments.days:g} days)")
        print(f"        {bytes_:6.2f} B a reading, page and index and all")
        print(f"open    {open_s:6.2f} s, checked")
        print(f"spool   {times_:6.2f} times a plain append, {min(times):.2f} to {max(times):.2f}")
        print(f"        {size} B a segment, one a commit")
    return 0 if mb <= _MOST_MB and times_ >= _LEAST_TIMES else 1


if __name__ == "__main__":
    sys.exit(main())
