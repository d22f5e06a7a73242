"""The projection's write speed beside the same text, made beforehand, into the same InfluxDB 1.6.

`python -m bench.projection [--meters 100] [--minutes 30] [--runs 3] [--json]`

Ours: opened segments become line protocol and are written, as the projector does it, two requests at a
time. Theirs: nothing but the same requests, from bytes that lie ready. Both take turns, each run into a
database of its own; the share is the median of the runs. What is missing to 1 is all that
we cost: influxd is what binds. `cpu`: our processor time for a value. Aim: a share of 0.95.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.history import Pairs, minutes
from ingestor.columns import matrix
from ingestor.sinks import influxdb
from ingestor.sinks.influxdb import requests
from tests.integration import servers

_AIM = 0.95


def ours(url: str, directory: Path, name: str, pairs: Pairs, group: int) -> tuple[float, float]:
    """(seconds, processor seconds of this process)."""
    sink = influxdb.open_sink(influxdb.Settings(url, name, timeout_s=60), directory)
    sink.prepare()
    began, cpu = time.perf_counter(), time.process_time()
    for at in range(0, len(pairs), group):
        rejected = sink.write(pairs[at : at + group])
        assert not rejected
    took = time.perf_counter() - began, time.process_time() - cpu
    sink.close()
    return took


def ready(url: str, directory: Path, name: str, shares: list[list[bytes]]) -> float:
    """Seconds for text that lies ready, two requests at a time."""
    sink = influxdb.open_sink(influxdb.Settings(url, name, timeout_s=60), directory)
    sink.prepare()
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        assert not any(threads.map(lambda share: any(map(sink.write_lines, share)), shares))
    took = time.perf_counter() - began
    sink.close()
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=100)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--group", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    hours = -(-arguments.minutes // 60)
    pairs = list(enumerate(minutes(arguments.meters, hours), 1))[: arguments.minutes]
    texts = [list(requests.of_tables(share)) for share in requests.shared_out(pairs, 2)]
    values = sum(matrix(t).size - t.rows for _, segment in pairs for t in segment.tables)
    shares, rates, cpus = [], [], []
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        with servers.influxdb(directory / "influx") as (_, url):
            for run in range(arguments.runs):
                limit = ready(url, directory, f"ready_{run}", texts)
                took, cpu = ours(url, directory, f"ours_{run}", pairs, arguments.group)
                shares.append(limit / took)
                rates.append(values / took)
                cpus.append(cpu / values * 1e6)
    share, rate, cpu = (statistics.median(found) for found in (shares, rates, cpus))
    if arguments.json:
        print(json.dumps({"share": share, "values_per_s": rate, "cpu_us": cpu, "shares": shares}))
    else:
        print(
            f"{rate / 1e6:.3f} M values/s, {share:.2f} of what text that lies ready reaches"
            f" (aim {_AIM}), {cpu:.3f} us of our processor a value"
        )
    return 0 if share >= _AIM else 1


if __name__ == "__main__":
    sys.exit(main())
