"""A whole plant of real processes, each of which can be killed at a chosen call or at any moment."""

import contextlib
import json
import os
import shutil
import signal
import socketserver
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx

from edge_agent.dating import unpack
from tests import plain_http
from tests.integration import servers
from tests.integration.calculator_process import Calculator
from tests.integration.ingestor_process import Ingestor
from tests.unit.calc_stream_live.plant import SITE
from wire.messages import Sample
from wire.segment import open_segment
from wire.signing import SigningKey

METERS = ("m", "m-press", "x-1", "x-2", "x-3", "x-4")
_WATTS = 36_000
_PROFILE = """
vendor = "V"
model = "M"
grade = "A"
source = "made for this test"
[identity]
serial = { at = 200, fc = 3, as = "u16" }
[registers]
active_energy_import = { at = 0, fc = 3, as = "u32", unit = "Wh" }
active_power = { at = 10, fc = 3, as = "u16", unit = "W" }
"""


class Boundary(NamedTuple):
    """A process is killed at its `count`-th `call` on the file `on` ("": on any)."""

    part: str
    call: str
    on: str


# Before and between the steps of each process: what it writes, flushes and says.
BOUNDARIES = (
    Boundary("agent", "pwrite64", "store.db-wal"),
    Boundary("agent", "fdatasync", "store.db-wal"),
    Boundary("agent", "sendto", ""),
    Boundary("ingestor", "pwrite64", "journal.db-wal"),
    Boundary("ingestor", "fdatasync", "journal.db-wal"),
    Boundary("ingestor", "pwrite64", "cursors.db-wal"),
    Boundary("ingestor", "fdatasync", "history.db-wal"),
    Boundary("ingestor", "sendto", ""),
    Boundary("calc", "pwrite64", "ledger.db-wal"),
    Boundary("calc", "fdatasync", "ledger.db-wal"),
    Boundary("broker", "write", ""),
    Boundary("influxdb", "fsync", ""),
)


class Part:
    """One process. It is killed with everything that traces it."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self._argv, self._log = argv, log
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, *tracer: str) -> None:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [*tracer, *self._argv], stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9; gone when this returns."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._child = None

    def is_dead(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._child is not None
        self._child.terminate()
        code = self._child.wait(servers.PATIENCE_S)
        self._child = None
        return code

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


class Meters(socketserver.ThreadingTCPServer):
    """Modbus TCP meters whose registers run with time; after `stop` none answers any more."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = int(self.server_address[1])
        self.is_silent = False
        self.begun = time.monotonic()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if not self.is_silent:
            self.is_silent = True
            self.shutdown()
            self.server_close()


class _Connection(socketserver.StreamRequestHandler):
    server: Meters

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            self._answer()

    def _answer(self) -> None:
        while len(request := self.rfile.read(12)) == 12 and not self.server.is_silent:
            unit, _, address, count = struct.unpack(">BBHH", request[6:])
            wh = int((time.monotonic() - self.server.begun) * _WATTS / 3600) + 1000 * unit
            registers = {0: wh >> 16, 1: wh & 0xFFFF, 10: _WATTS, 200: 1000 + unit}
            words = [registers.get(address + n, 0) for n in range(count)]
            head = struct.pack(">HBBB", 3 + 2 * count, unit, request[7], 2 * count)
            self.wfile.write(request[:4] + head + struct.pack(f">{count}H", *words))


def _key(sample: Sample) -> tuple[object, ...]:
    return sample.meter, sample.t_ms, sample.quality, tuple(sorted(sample.values.items()))


class Plant:
    """Agent, broker, ingestor, InfluxDB and calculator on `folder`."""

    def __init__(self, folder: Path) -> None:
        self.meters = Meters()
        ports = {name: servers.free_port() for name in ("broker", "influxdb")}
        self.influx = f"http://127.0.0.1:{ports['influxdb']}"
        sinks = (
            f'[[sinks]]\nkind = "influxdb"\nurl = "{self.influx}"\n[[sinks]]\nkind = "embedded"\n'
        )
        self.cloud = Ingestor(folder / "cloud", ports["broker"], sinks)
        self._agent = folder / "agent"
        self._copy = self._agent / "copy"
        self.committed: set[tuple[object, ...]] = set()
        argv = {
            "broker": servers.mosquitto_command(folder / "broker", ports["broker"]),
            "influxdb": servers.influxdb_command(folder / "influxdb", ports["influxdb"]),
            "agent": self._agent_command(ports["broker"]),
        }
        its = f'[[gateways]]\nsite = "{SITE}"\ngateway = "gw"\n'
        self.cloud.extra += f'{its}public_key_file = "{self.cloud.directory}/gw.pub"\n'
        argv["ingestor"] = self.cloud.configure()
        self.calculator = Calculator(self.cloud.directory, self.cloud.api_port)
        command = [sys.executable, "-m", "calc_stream", "run"]
        argv["calc"] = [*command, "--config", str(self.calculator.config)]
        self.parts = {name: Part(words, folder / f"{name}.log") for name, words in argv.items()}

    def _agent_command(self, broker_port: int) -> list[str]:
        folder = self._agent
        folder.mkdir()
        key = SigningKey.load_or_create(folder / "state" / "gateway.key")
        (self.cloud.directory / "gw.pub").write_text(f"{key.public}\n")
        receipt_key = SigningKey.load_or_create(self.cloud.directory / "receipt.key")
        (folder / "receipt.pub").write_text(f"{receipt_key.public}\n")
        (folder / "model.toml").write_text(_PROFILE)
        text = (
            f'site = "{SITE}"\ngateway = "gw"\nstate = "{folder}/state"\n'
            f'receipt_key_file = "{folder}/receipt.pub"\npublish_interval_s = 0.5\n'
            f"[broker]\nport = {broker_port}\n"
            '[buses.b]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\n'
            f"port = {self.meters.port}\n"
        )
        for n, meter in enumerate(METERS):
            text += (
                f'[meters.{meter}]\nbus = "b"\nunit_id = {n + 1}\nprofile = "{folder}/model.toml"\n'
                f"rated_power_w = {2 * _WATTS}\ninterval_s = 0.5\n"
            )
        (folder / "agent.toml").write_text(text)
        return [sys.executable, "-m", "edge_agent", "run", "--config", str(folder / "agent.toml")]

    def start(self) -> None:
        for part in self.parts.values():
            part.start()
        servers.wait_until(lambda: servers.answers(f"{self.cloud.url}/health"), "the ingestor")

    def kill(self, name: str) -> None:
        """kill -9. What the agent has committed by then has to arrive."""
        self.parts[name].kill()
        if name == "agent":
            self.committed |= self.on_the_gateway()

    def kill_at(self, boundary: Boundary, count: int, patience_s: float) -> bool:
        """Start it anew, to die at its `count`-th call; whether it did."""
        self.kill(boundary.part)
        part = self.parts[boundary.part]
        root = self._agent.parent
        found = root.rglob(boundary.on.removesuffix("-wal")) if boundary.on else ()
        its = (str(p.with_name(boundary.on)) for p in found if p.parent != self._copy)
        path = next(its, "")
        inject = f"inject={boundary.call}:signal=SIGKILL:when={count}"
        trace = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={boundary.call}")
        part.start(*trace, "-e", inject, *(("-P", path) if path else ()))
        deadline = time.monotonic() + patience_s
        while not part.is_dead() and time.monotonic() < deadline:
            time.sleep(0.05)
        died = part.is_dead()
        self.kill(boundary.part)
        return died

    def on_the_gateway(self) -> set[tuple[object, ...]]:
        """Every reading in the agent's store, which nobody is writing now."""
        found: set[tuple[object, ...]] = set()
        with self._store() as db:
            for (data,) in db.execute("SELECT data FROM pending"):
                found |= {_key(sample) for sample in unpack(data).samples}
            for (data,) in db.execute("SELECT data FROM segment UNION ALL SELECT data FROM bundle"):
                found |= {_key(s) for table in open_segment(data).tables for s in table.samples()}
        return found

    def sealed(self) -> dict[tuple[str, int], str]:
        """(stream, number) -> hash of every segment the agent has numbered."""
        with self._store() as db:
            query = "SELECT stream, seq, hash FROM segment"
            return {(stream, seq): digest for stream, seq, digest in db.execute(query)}

    def waiting(self) -> int:
        """What the agent still has to hand on."""
        with self._store() as db:
            query = (
                "SELECT (SELECT count(*) FROM pending) + (SELECT count(*) FROM bundle)"
                " + (SELECT count(*) FROM segment WHERE receipted_ms IS NULL)"
            )
            return int(db.execute(query).fetchone()[0])

    @contextlib.contextmanager
    def _store(self) -> Iterator[sqlite3.Connection]:
        """A copy: opening the file itself would tidy up what a crash has left."""
        copy = self._copy
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for path in (self._agent / "state").glob("store.db*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, copy)
        with contextlib.closing(sqlite3.connect(copy / "store.db")) as db:
            yield db

    def journalled(self) -> tuple[dict[tuple[str, int], str], "Counter[tuple[object, ...]]"]:
        """Hashes of segments as in `sealed`, and how often each reading is there."""
        hashes, readings = {}, Counter[tuple[object, ...]]()
        journal = self.cloud.journal()
        for record in journal.of_kind(SITE, "segment"):
            segment = open_segment(record.data)
            hashes[segment.header.stream, segment.header.seq] = record.hash
            for table in segment.tables:
                readings.update(_key(sample) for sample in table.samples())
        journal.close()
        return hashes, readings

    def projected(self) -> dict[tuple[str, int, str], dict[str, float]]:
        """Every point in InfluxDB, by meter, time and quality."""
        query = {"db": "wattprint", "epoch": "ms", "q": "SELECT * FROM reading"}
        answer = plain_http.get(
            f"{self.influx}/query", params=query, timeout=servers.PATIENCE_S
        ).json()
        found = {}
        for series in answer["results"][0].get("series", []):
            for row in series["values"]:
                point = dict(zip(series["columns"], row, strict=True))
                place = (point["meter"], point["time"], point.get("quality") or "good")
                tags = ("time", "site", "meter", "carrier", "quality")
                fields = {k: v for k, v in point.items() if k not in tags and v is not None}
                found[place] = fields
        return found

    def settle(self, patience_s: float = 240) -> None:
        """No meter answers any more; wait until all is handed on, projected and booked; then the agent
        has ended, too, and nothing moves any more."""
        self.meters.stop()
        for part in self.parts.values():
            if part.is_dead():
                part.start()
        while True:
            servers.wait_until(self._has_handed_on, "the agent to hand on", patience_s)
            assert self.parts["agent"].stop() == 0, self.parts["agent"].log()
            if not self.waiting():
                break
            self.parts["agent"].start()  # it had something to say about its meters
        servers.wait_until(self._is_caught_up, f"everything to arrive: {self.logs()}", patience_s)

    def _has_handed_on(self) -> bool:
        try:
            return not self.waiting()
        except sqlite3.DatabaseError:
            return False  # copied while it was written

    def _is_caught_up(self) -> bool:
        try:
            with self.cloud.client() as http:
                site = http.get("/v1/status").json()["sites"][SITE]
            offset = plain_http.get(f"{self.calculator.base}/v1/status").json().get("offset", 0)
        except (httpx.HTTPError, KeyError, ValueError):
            return False
        sinks = [sink["offset"] for sink in site["sinks"].values()]
        return all(at == site["offset"] for at in [*sinks, offset])

    def logs(self) -> str:
        return json.dumps({name: part.log() for name, part in self.parts.items()}, indent=1)

    def close(self) -> None:
        self.meters.stop()
        for part in self.parts.values():
            part.kill()
