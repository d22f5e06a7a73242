"""What a segment costs: bytes, and time beside the least that any such format takes.

`python -m bench.segments [--runs 30] [--json]`

Ten meters, twenty registers, sixty seconds and some shapes beside. `bytes`: of a whole sealed
segment for a reading, signature and all; in brackets the same readings as columns of JSON in zlib.
`open`: from the sealed bytes to one matrix of integers a table, in us of processor a reading, and how
many times as long as only inflating the body takes; `seal` likewise beside deflating it. A number of
times is what may be compared between machines; the best of the runs counts, since nothing but the
machine makes one slower.
"""

import argparse
import json
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from bench.registers import noisy, of_plant, recorded
from ingestor.columns import matrix
from wire.messages import Sample
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey

_KEY = SigningKey(bytes(range(32)))
_PLACE = Place("cq-wheel", "gw-1", "a" * 32, 4711, GENESIS, "b" * 32, "synchronized")
_MOST_BYTES, _MOST_TIMES = 1.2, 4.0


@dataclass(frozen=True)
class Case:
    """`is_held`: to the limits; the others are for information, as what inflates in no time."""

    name: str
    samples: list[Sample]
    is_held: bool


@dataclass(frozen=True)
class Result:
    """Bytes a reading; microseconds a reading and how many times the limit."""

    readings: int
    bytes: float
    json_bytes: float
    open_us: float
    open_times: float
    seal_us: float
    seal_times: float


def cases() -> list[Case]:
    """Everything that is measured."""
    return [
        Case("10 meters, load wanders 0.2 %", noisy(10, 60, 0.002), True),
        Case("10 meters, load wanders 1 %", noisy(10, 60, 0.01), True),
        Case("10 meters, load wanders 3 %", noisy(10, 60, 0.03), True),
        Case("10 meters, as recorded, 1 %", recorded(10, 60, 0.01), True),
        Case("10 meters, as recorded, 3 %", recorded(10, 60, 0.03), True),
        Case("50 meters, load wanders 1 %", noisy(50, 60, 0.01), True),
        Case("the demo's plant", of_plant(60), False),
        Case("10 meters, 5 s", noisy(10, 5, 0.01), False),
        Case("10 meters, 1 s", noisy(10, 1, 0.01), False),
    ]


def measure(samples: Sequence[Sample], runs: int) -> Result:
    """One case."""
    count = sum(len(sample.values) for sample in samples)
    data = seal(_PLACE, samples, [], _KEY)
    body = data.split(b"\n", 2)[2]
    plain = zlib.decompress(body)
    opening, inflating = _best([lambda: _read(data), lambda: zlib.decompress(body)], runs)
    sealing, deflating = _best(
        [lambda: seal(_PLACE, samples, [], _KEY), lambda: zlib.compress(plain, 6)], runs
    )
    return Result(
        count,
        len(data) / count,
        len(_json_columns(samples)) / count,
        opening / count * 1e6,
        opening / inflating,
        sealing / count * 1e6,
        sealing / deflating,
    )


def _read(data: bytes) -> int:
    return sum(matrix(table).size for table in open_segment(data).tables)


def _best(works: Sequence[Callable[[], object]], runs: int) -> list[float]:
    """The shortest time of each, taken turn by turn."""
    best = [float("inf")] * len(works)
    for _ in range(runs):
        for at, work in enumerate(works):
            began = time.process_time()
            work()
            best[at] = min(best[at], time.process_time() - began)
    return best


def _json_columns(samples: Sequence[Sample]) -> bytes:
    """What one would write without a format of one's own."""
    columns: dict[str, list[object]] = {}
    for sample in samples:
        columns.setdefault(f"{sample.meter} t", []).append(sample.t_ms)
        for name, (mantissa, exponent) in sample.values.items():
            columns.setdefault(f"{sample.meter} {name}", []).append(mantissa / 10**-exponent)
    return zlib.compress(json.dumps(columns, separators=(",", ":")).encode(), 6)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    met = True
    for case in cases():
        found = measure(case.samples, arguments.runs)
        good = found.bytes <= _MOST_BYTES and found.open_times <= _MOST_TIMES
        met = met and (good or not case.is_held)
        if arguments.json:
            print(json.dumps({"case": case.name, "held": case.is_held, **asdict(found)}))
            continue
        print(
            f"{case.name:30}{found.readings:7} readings"
            f"  {found.bytes:5.2f} B [{found.json_bytes:5.2f}]"
            f"  open {found.open_us:6.3f} us = {found.open_times:4.1f} x"
            f"  seal {found.seal_us:6.2f} us = {found.seal_times:4.1f} x"
            f"{'' if good or not case.is_held else '  MISSED'}",
            flush=True,
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
