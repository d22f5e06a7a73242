"""The embedded history beside InfluxDB 1.6 and what bounds it: ingest, a meter's day, bytes.

`python -m bench.history [--meters 20] [--hours 24] [--group 256] [--json]`

Both are given the same opened segments (a minute of all meters each, one row a second with a
register and three gauges) in groups as the projector gives them, and asked for a whole day of one
meter. Ingest: rows a second until the call returns, which is when it is on disk. `day`: median of
several. `bytes`: of the files a row, InfluxDB's after it has compacted them. A number of times is
what may be compared between machines. Aims: 10 times the ingest, 30 times the day, 1/8 of the bytes.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ingestor.columns import matrix
from ingestor.sinks import Column, Sink, embedded, influxdb
from tests.integration import servers
from wire.messages import Sample
from wire.segment import GENESIS, Place, Segment, open_segment, seal
from wire.signing import SigningKey

_KEY = SigningKey(bytes(range(32)))
_T0_MS = 1_790_000_000_000 // 86_400_000 * 86_400_000
_AIMS = {"ingest": 10.0, "day": 30.0, "bytes": 8.0}
_COMPACTS = 'cache-snapshot-write-cold-duration = "1s"\ncompact-full-write-cold-duration = "2s"\n'

Pairs = list[tuple[int, Segment]]


@dataclass(frozen=True)
class Result:
    """Rows a second, ms for a meter's day, bytes a row; and processor time of our own."""

    ingest_rows_per_s: float
    ingest_cpu_us: float
    day_ms: float
    bytes_per_row: float


def minutes(meters: int, hours: int) -> Iterator[Segment]:
    """A minute of every meter: a register, and three gauges that wander."""
    dice = random.Random(1)
    wh = [dice.randrange(10**9) for _ in range(meters)]
    power = [dice.randrange(3000, 90_000) for _ in range(meters)]
    prev = GENESIS
    for minute in range(60 * hours):
        samples = []
        for meter in range(meters):
            for second in range(60):
                t_ms = _T0_MS + 1000 * (60 * minute + second) + dice.randrange(-3, 4) + 50 * meter
                power[meter] = max(0, power[meter] + dice.randrange(-200, 201))
                wh[meter] += power[meter] // 36_000
                values = {
                    "active_energy_import": (wh[meter], -3),
                    "active_power": (power[meter], -1),
                    "voltage_l1": (2300 + dice.randrange(-15, 16), -1),
                    "current_l1": (power[meter] // 23 + dice.randrange(3), -2),
                }
                samples.append(Sample(f"m-{meter}", t_ms, values))
        place = Place("cq", "gw-1", "a" * 32, minute + 1, prev, "b" * 32, "synchronized")
        segment = open_segment(seal(place, samples, [], _KEY))
        prev = segment.hash
        yield segment


def measure(
    sink: Sink, pairs: Pairs, group: int, size: Callable[[], int], settle: Callable[[], None]
) -> tuple[Result, list[Column]]:
    """One sink, filled and asked."""
    rows = sum(table.rows for _, segment in pairs for table in segment.tables)
    began, cpu = time.perf_counter(), time.process_time()
    for at in range(0, len(pairs), group):
        rejected = sink.write(pairs[at : at + group])
        assert not rejected
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    settle()
    kept = size()
    days = []
    found: list[Column] = []
    for meter in range(9):
        began = time.perf_counter()
        found = sink.columns("cq", f"m-{meter % 3}", _T0_MS, _T0_MS + 86_400_000)
        days.append(time.perf_counter() - began)
    return (
        Result(
            rows / took,
            cpu / rows * 1e6,
            1e3 * statistics.median(days),
            kept / rows,
        ),
        found,
    )


def of_both(directory: Path, pairs: Pairs, group: int) -> tuple[Result, Result]:
    """(embedded, InfluxDB); what they give back is the same."""
    history = embedded.open_sink(embedded.Settings(), directory / "history")
    own, told = measure(
        *(history, pairs, group),
        lambda: _size(directory / "history"),
        lambda: history._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").close(),
    )
    history.close()
    with servers.influxdb(directory / "influx", _COMPACTS) as (_, url):
        database = influxdb.open_sink(influxdb.Settings(url, timeout_s=60), directory)
        database.prepare()
        data, log = directory / "influx/data", directory / "influx/wal"
        theirs, again = measure(
            database,
            pairs,
            group,
            lambda: _size(data) + _size(log),
            lambda: servers.wait_until(lambda: _is_settled(data, log), "compaction", 120),
        )
        database.close()
    same = [(a.quantity, a.t_ms.tobytes(), a.values.tobytes()) for a in told] == [
        (b.quantity, b.t_ms.tobytes(), b.values.tobytes()) for b in again
    ]
    assert same, "the two do not hold the same"
    return own, theirs


def _is_settled(data: Path, log: Path) -> bool:
    """Nothing in the write-ahead log, and files that stay as they are."""
    if _size(log) > 1_000_000:
        return False
    size = _size(data)
    time.sleep(3)
    return size == _size(data)


def _size(directory: Path) -> int:
    """What the files take on the disk: InfluxDB's series files are mostly holes."""
    return sum(file.stat().st_blocks for file in directory.rglob("*") if file.is_file()) * 512


def ratios(own: Result, theirs: Result) -> dict[str, float]:
    """How many times better the embedded history is."""
    return {
        "ingest": own.ingest_rows_per_s / theirs.ingest_rows_per_s,
        "day": theirs.day_ms / own.day_ms,
        "bytes": theirs.bytes_per_row / own.bytes_per_row,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=20)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--group", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    pairs = list(enumerate(minutes(arguments.meters, arguments.hours), 1))
    for _, segment in pairs:
        matrix(segment.tables[0])  # opened once for both
    with tempfile.TemporaryDirectory() as directory:
        own, theirs = of_both(Path(directory), pairs, arguments.group)
    times = ratios(own, theirs)
    if arguments.json:
        told = {"embedded": asdict(own), "influxdb": asdict(theirs), "times": times}
        print(json.dumps(told))
    else:
        for name, found in (("embedded", own), ("InfluxDB", theirs)):
            print(
                f"{name:9} ingest {found.ingest_rows_per_s / 1e6:6.3f} M rows/s"
                f" (our processor {found.ingest_cpu_us:5.2f} us a row)"
                f"  a day {found.day_ms:7.1f} ms  {found.bytes_per_row:6.2f} B a row"
            )
        for name, aim in _AIMS.items():
            print(f"{name}: {times[name]:.1f} times{'' if times[name] >= aim else '  MISSED'}")
    return 0 if all(times[name] >= aim for name, aim in _AIMS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
