"""How fast the journal takes records durably, beside a plain file that gets the same bytes.

`python -m bench.journal [--directory DIR] [--seconds 2] [--runs 5] [--json]`

Both append, and wait until it is on disk (the journal with SQLite's synchronous=FULL, the file with
fdatasync) before the next. The journal also numbers, hashes, chains and indexes each record, so that it
can be found and proved. They take turns in one directory; what counts is the share of the file's
rate, the median of the runs. `cpu`: the journal's processor time for a record.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from wire.journal import Entry, open_writer

_RNG = Random(1)


@dataclass(frozen=True)
class Case:
    """So many records of so many bytes in a group."""

    name: str
    group: int
    size: int


@dataclass(frozen=True)
class Result:
    """Records a second, the share of the plain file's, and microseconds of processor a record."""

    journal_per_s: float
    file_per_s: float
    share: float
    cpu_us: float


CASES = (
    Case("live segment, alone", 1, 1_100),
    Case("live segments, 10 in a group", 10, 1_100),
    Case("live segments, 100 in a group", 100, 1_100),
    Case("a minute's segment, alone", 1, 12_000),
    Case("a minute's segments, 20 in a group", 20, 12_000),
)


def measure(case: Case, directory: Path, seconds: float) -> Result:
    """One run of one case."""
    datas = [_RNG.randbytes(case.size) for _ in range(case.group)]
    raw = _raw_rate(datas, directory / "plain", seconds)
    began_s = time.process_time()
    with closing(open_writer(directory / "journal.db", _now_ms)) as writer:
        numbers = iter(range(1 << 60))
        stream = f"gw-1/{_RNG.getrandbits(128):032x}"

        def append() -> None:
            writer.append("site", [Entry("segment", f"{stream}/{next(numbers)}", d) for d in datas])

        rate = _rate(append, len(datas), seconds)
        cpu_s = time.process_time() - began_s
    for path in directory.iterdir():
        path.unlink()
    return Result(rate, raw, rate / raw, 1e6 * cpu_s / (rate * seconds))


def _raw_rate(datas: list[bytes], path: Path, seconds: float) -> float:
    with path.open("ab", buffering=0) as file:

        def append() -> None:
            file.write(b"".join(datas))
            os.fdatasync(file.fileno())

        return _rate(append, len(datas), seconds)


def _rate(work: Callable[[], None], count: int, seconds: float) -> float:
    """How often a second `count` things are done."""
    done, began_s = 0, time.monotonic()
    while (took_s := time.monotonic() - began_s) < seconds:
        work()
        done += count
    return done / took_s


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for case in CASES:
        results = []
        for _ in range(arguments.runs):
            with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
                results.append(measure(case, Path(directory), arguments.seconds))
        median = sorted(results, key=lambda result: result.share)[len(results) // 2]
        if arguments.json:
            print(json.dumps({"case": case.name, **asdict(median)}), flush=True)
            continue
        spread = statistics.quantiles([result.share for result in results], n=4)
        print(
            f"{case.name:36}{median.journal_per_s:9.0f} records/s = {median.share:5.2f}"
            f" ({spread[0]:.2f} … {spread[2]:.2f}) of a plain file's; cpu {median.cpu_us:4.0f} us",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
