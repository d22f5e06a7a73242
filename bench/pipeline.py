"""From a gateway's sealed segments to points in InfluxDB, beside the least and the usual way.

`python -m bench.pipeline [--segments 480] [--messages 8000] [--json]` (needs mosquitto and influxd)

Three ways of the same kind of readings (20 registers of a meter, once a second) into one InfluxDB,
one after the other, each into a database of its own:

- `wattprint`: segments of ten meters and sixty seconds are published, as an agent does, through a real
  Mosquitto to the real ingestor, which checks, journals and projects them. The time begins when the
  publisher is connected, and ends when the sink's cursor stands at the end of the journal.
- `text`: the same lines, written beforehand, posted as the sink posts them, in the same requests: the
  database's own speed.
- `json`: a message for each meter and second, a subscriber that makes influxdb-client `Point`s of it
  and posts them by 500.

us: of processor time a reading, of publisher, broker, ingestor (or subscriber) and influxd. Ratios
may be compared between machines; on a busy machine only the processor times mean anything.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec
import urllib3

from bench import pipeline_ends
from bench.registers import noisy
from ingestor.sinks.influxdb import requests
from wire.messages import Sample
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey

METERS, SECONDS = 10, 60
_PATIENCE_S = 600.0
_LEAST = {"readings_per_s": 1e6, "of_text": 0.95, "times_json": 20.0}
_WANTED = {**_LEAST, "own_us": 0.20, "own_share": 0.15, "bytes": 1.2}


def sealed(count: int, key: SigningKey) -> Iterator[bytes]:
    """So many segments of one stream, each of the next minute."""
    minute, prev = noisy(METERS, SECONDS, 0.01), GENESIS
    for n in range(count):
        samples = [msgspec.structs.replace(s, t_ms=s.t_ms + 60_000 * n) for s in minute]
        place = Place("bench", "gw", "a" * 32, n + 1, prev, "b" * 32, "synchronized")
        data = seal(place, samples, [], key)
        prev = open_segment(data).hash
        yield data


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(*command: str, port: int = 0) -> "Iterator[subprocess.Popen[bytes]]":
    """A server, from when it listens on `port`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: not port or _listens(port) or process.poll() is not None, command[0])
        if process.poll() is not None:
            raise SystemExit(f"{command[0]} ended at once with {process.returncode}")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(0.01)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Bench:
    """The servers of one run; each way gives (readings/s, us a reading by process)."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.mqtt, self.http = folder, free_port(), free_port()
        (folder / "mosquitto.conf").write_text(
            f"listener {self.mqtt} 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "max_queued_messages 100000\nmax_inflight_messages 500\n"
        )
        (folder / "influxdb.conf").write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
            f'[meta]\ndir = "{folder}/meta"\n[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
            f'[http]\nbind-address = "127.0.0.1:{self.http}"\nlog-enabled = false\n'
            "[monitor]\nstore-enabled = false\n"
        )
        broker = ("mosquitto", "-c", f"{folder}/mosquitto.conf")
        self.broker = stack.enter_context(running(*broker, port=self.mqtt))
        database = ("influxd", "-config", f"{folder}/influxdb.conf")
        self.influxd = stack.enter_context(running(*database, port=self.http))

    def wattprint(self, segments: list[bytes], key: SigningKey) -> dict[str, float]:
        (self.folder / "gw.pub").write_text(f"{key.public}\n")
        config = self.folder / "ingestor.toml"
        config.write_text(
            f'journal = "{self.folder}/journal.db"\nstate = "{self.folder}/state"\n'
            f'receipt_key = "{self.folder}/receipt.key"\n[broker]\nport = {self.mqtt}\n'
            f'[[gateways]]\nsite = "bench"\ngateway = "gw"\npublic_key_file = "{self.folder}/gw.pub"\n'
            f'[[sinks]]\nkind = "influxdb"\nurl = "http://127.0.0.1:{self.http}"\n'
            'database = "wattprint"\n'
        )
        ingestor = (sys.executable, "-m", "ingestor", "run", "--config", str(config))
        with running(*ingestor) as process:
            _wait((self.folder / "state" / "cursors.db").exists, "the ingestor")
            time.sleep(3)  # until it has subscribed
            return self._measured(
                {"ingestor": process.pid},
                lambda: self._publish("segments", segments),
                lambda: self._offset() == len(segments) + 1,
                sum(open_segment(data).header.readings for data in segments),
            )

    def text(self, shares: list[list[bytes]], readings: int) -> dict[str, float]:
        pool = urllib3.PoolManager(maxsize=2)
        url = f"http://127.0.0.1:{self.http}"
        pool.request("POST", f"{url}/query", fields={"q": "CREATE DATABASE text"})

        def post(share: list[bytes]) -> None:
            for body in share:
                answer = pool.request("POST", f"{url}/write?db=text&precision=ms", body=body)
                assert answer.status == 204, answer.data

        def send() -> tuple[float, float]:
            began, spent = time.monotonic(), time.process_time()
            with ThreadPoolExecutor(2) as threads:
                list(threads.map(post, shares))
            return began, time.process_time() - spent

        return self._measured({}, send, lambda: True, readings)

    def json(self, samples: list[Sample]) -> dict[str, float]:
        payloads = [pipeline_ends.as_json(sample) for sample in samples]
        subscriber = (sys.executable, "-m", "bench.pipeline_ends", "subscribe", str(self.mqtt))
        done = self.folder / "subscriber.done"
        words = (str(self.http), str(len(payloads)), str(done))
        with running(*subscriber, *words) as process:
            _wait(done.with_suffix(".ready").exists, "the subscriber")
            return self._measured(
                {"ingestor": process.pid},
                lambda: self._publish("json", payloads),
                done.exists,
                sum(len(sample.values) for sample in samples),
            )

    def _measured(
        self,
        pids: dict[str, int],
        send: Callable[[], tuple[float, float]],
        done: Callable[[], bool],
        readings: int,
    ) -> dict[str, float]:
        pids = {**pids, "broker": self.broker.pid, "influxd": self.influxd.pid}
        before = {name: cpu_s(pid) for name, pid in pids.items()}
        began, publisher_s = send()
        _wait(done, "the readings")
        seconds = time.monotonic() - began
        spent = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
        us = {name: 1e6 * s / readings for name, s in {"publisher": publisher_s, **spent}.items()}
        return {"readings_per_s": readings / seconds, **us}

    def _publish(self, topic: str, payloads: list[bytes]) -> tuple[float, float]:
        """In a process of its own: when it began, and its processor time from then on."""
        path = self.folder / f"{topic}.messages"
        path.write_bytes(msgspec.msgpack.encode(payloads))
        words = (sys.executable, "-m", "bench.pipeline_ends", "publish", str(self.mqtt), str(path))
        told = subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.split()
        return float(told[0]), float(told[1])

    def _offset(self) -> int:
        with closing(sqlite3.connect(self.folder / "state" / "cursors.db", timeout=30)) as db:
            row = db.execute("SELECT offset FROM cursor WHERE site = 'bench'").fetchone()
        return row[0] if row else 0


def measure(segments: int, messages: int) -> dict[str, dict[str, float]]:
    """Every way once, and how they compare."""
    key = SigningKey(bytes(range(32)))
    made = list(sealed(segments, key))
    opened = [open_segment(data) for data in made]
    shares = requests.shared_out(list(enumerate(opened, 1)), 2)
    texts = [list(requests.of_tables(share)) for share in shares]
    readings = sum(segment.header.readings for segment in opened)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(folder, stack)
        found = {"wattprint": bench.wattprint(made, key), "text": bench.text(texts, readings)}
        samples = noisy(METERS, messages // METERS, 0.01)
        found["json"] = bench.json(samples)
    ours = found["wattprint"]
    own_us = ours["publisher"] + ours["broker"] + ours["ingestor"]
    found["compared"] = {
        "readings_per_s": ours["readings_per_s"],
        "of_text": ours["readings_per_s"] / found["text"]["readings_per_s"],
        "times_json": ours["readings_per_s"] / found["json"]["readings_per_s"],
        "own_us": own_us,
        "own_share": own_us / (own_us + ours["influxd"]),
        "bytes": sum(map(len, made)) / readings,
    }
    return found


def missed(compared: dict[str, float]) -> list[str]:
    """Which of the targets."""
    return [
        name
        for name, value in compared.items()
        if (value < _WANTED[name] if name in _LEAST else value > _WANTED[name])
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--segments", type=int, default=480)
    parser.add_argument("--messages", type=int, default=8000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    for program in ("mosquitto", "influxd"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed")
    found = measure(arguments.segments, arguments.messages)
    if arguments.json:
        print(json.dumps(found))
        return 1 if missed(found["compared"]) else 0
    for name in ("wattprint", "text", "json"):
        us = {part: f"{v:.3f}" for part, v in found[name].items() if part != "readings_per_s"}
        print(f"{name:10} {found[name]['readings_per_s']:12,.0f} readings/s; us a reading: {us}")
    for name, value in found["compared"].items():
        print(
            f"{name:16} {value:12,.3f}   wanted {'at least' if name in _LEAST else 'at most'} {_WANTED[name]:,}"
        )
    return 1 if missed(found["compared"]) else 0


if __name__ == "__main__":
    sys.exit(main())
