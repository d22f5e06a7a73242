"""The agent in operation, to be measured: `edge-agent run`, lean meters, a real Mosquitto and the
ingestor that signs for what it gets, each a process of its own, in a directory that goes away.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.lean_meters import UNITS, address
from wire.journal import open_reader
from wire.segment import open_segment
from wire.signing import SigningKey

_SITE, _GATEWAY = "bench", "gw"
_PATIENCE_S = 60.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Ten floats in twenty registers, one request: what a page and an account want of a meter.
_PROFILE = """
vendor = "bench"
model = "lean"
grade = "A"
source = "made for measuring"
[registers]
active_energy_import = { at = 0, as = "f32", unit = "kWh", decimals = 2 }
active_energy_export = { at = 2, as = "f32", unit = "kWh", decimals = 2 }
active_power = { at = 4, as = "f32", unit = "W", decimals = 1 }
voltage_l1 = { at = 6, as = "f32", unit = "V", decimals = 1 }
voltage_l2 = { at = 8, as = "f32", unit = "V", decimals = 1 }
voltage_l3 = { at = 10, as = "f32", unit = "V", decimals = 1 }
current_l1 = { at = 12, as = "f32", unit = "A", decimals = 2 }
current_l2 = { at = 14, as = "f32", unit = "A", decimals = 2 }
current_l3 = { at = 16, as = "f32", unit = "A", decimals = 2 }
frequency = { at = 18, as = "f32", unit = "Hz", decimals = 2 }
"""
QUANTITIES = tuple(line.split()[0] for line in _PROFILE.splitlines() if "at = " in line)


@dataclass(frozen=True)
class Operation:
    """An agent at work, its meters read once a second each."""

    meters: int
    pid: int
    directory: Path

    def cpu_s(self) -> float:
        """Processor time the agent has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def resident_mb(self) -> float:
        """What of it is in memory, shared libraries included."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def private_mb(self) -> float:
        """What of that nobody else has."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        parts = ("Private_Clean:", "Private_Dirty:")
        return sum(int(rollup.partition(part)[2].split()[0]) for part in parts) / 1024

    def met(self, first_s: int, last_s: int) -> float:
        """The part of the slots of one second from `first_s` on and before `last_s`, all meters
        together, of which a whole reading is in the journal."""
        found: set[tuple[str, int]] = set()
        with closing(open_reader(self.directory / "journal.db")) as journal:
            for record in journal.of_kind(_SITE, "segment"):
                for table in open_segment(record.data).tables:
                    if len(table.quantities) == len(QUANTITIES):
                        slots = (t_ms // 1000 for t_ms in table.times_ms.values())
                        found |= {(table.meter, s) for s in slots if first_s <= s < last_s}
        return len(found) / (self.meters * (last_s - first_s))


@contextmanager
def running(meters: int) -> Iterator[Operation]:
    """Everything up, and the agent just started."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        start = _Starter(stack, place)
        broker, api = _free_port(), _free_port()
        (place / "mosquitto.conf").write_text(
            f"listener {broker} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        )
        start("mosquitto", "mosquitto", "-c", place / "mosquitto.conf")
        lean = start("meters", sys.executable, "-m", "bench.lean_meters", output=subprocess.PIPE)
        assert lean.stdout is not None
        port = int(lean.stdout.readline())
        _configure(place, broker, api, meters, port)
        run = [sys.executable, "-m"], ["run", "--config"]
        start("ingestor", *run[0], "ingestor", *run[1], place / "ingestor.toml")
        _wait(lambda: _listens(api), "the ingestor")
        agent = start("agent", *run[0], "edge_agent", *run[1], place / "edge_agent.toml")
        yield Operation(meters, agent.pid, place)
        assert agent.poll() is None, (place / "agent.log").read_text()[-2000:]


class _Starter:
    """Starts processes that end with the stack, the last one first."""

    def __init__(self, stack: ExitStack, place: Path) -> None:
        self._stack, self._place = stack, place

    def __call__(
        self, name: str, *argv: str | Path, output: int | None = None
    ) -> "subprocess.Popen[bytes]":
        log = self._stack.enter_context((self._place / f"{name}.log").open("wb"))
        path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
        process = subprocess.Popen(
            argv, stdout=output or log, stderr=log, env={**os.environ, "PATH": path}
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        return process


def _configure(place: Path, broker: int, api: int, meters: int, port: int) -> None:
    (place / "lean.toml").write_text(_PROFILE)
    (place / "api.keys").touch()
    (place / "ingestor.toml").write_text(
        f'journal = "{place}/journal.db"\nstate = "{place}/ingestor"\n'
        f'receipt_key = "{place}/receipt.key"\n[broker]\nport = {broker}\n'
        f'[api]\nport = {api}\nkeys_file = "{place}/api.keys"\n'
        f'[[gateways]]\nsite = "{_SITE}"\ngateway = "{_GATEWAY}"\n'
        f'public_key_file = "{place}/gateway.pub"\n'
    )
    (place / "agent").mkdir()
    gateway_key = SigningKey.load_or_create(place / "agent" / "gateway.key")
    receipt_key = SigningKey.load_or_create(place / "receipt.key")
    (place / "gateway.pub").write_text(f"{gateway_key.public}\n")
    (place / "receipt.pub").write_text(f"{receipt_key.public}\n")
    tables = [
        f'[buses.b{n}]\ndriver = "modbus"\ntransport = "tcp"\nhost = "{address(n)}"\nport = {port}\n'
        f'[meters.m{n}]\nbus = "b{n}"\nunit_id = {n % UNITS + 1}\nprofile = "{place}/lean.toml"\n'
        f"rated_power_w = 1000000000\nquantities = {list(QUANTITIES)}\n"
        for n in range(meters)
    ]
    (place / "edge_agent.toml").write_text(
        f'site = "{_SITE}"\ngateway = "{_GATEWAY}"\nstate = "{place}/agent"\n'
        f'receipt_key_file = "{place}/receipt.pub"\n[broker]\nport = {broker}\n' + "".join(tables)
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.1)
