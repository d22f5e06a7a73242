"""Real servers for tests: each on a free port, in a directory of its own, gone afterwards."""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import find_program

PATIENCE_S = 90.0
# Below those a kernel gives to connections of its own choice, which would take a port between its
# being found free and its server's start; and each worker of a test run has a part of its own, as
# has a run without workers beside it.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
_NUMBER = int(_WORKER.removeprefix("gw")) % 20 if _WORKER else 20
_PART = range(10_000 + 1_000 * _NUMBER, 11_000 + 1_000 * _NUMBER)
_PORTS = itertools.cycle(random.sample(_PART, len(_PART)))


def free_port() -> int:
    """A port nobody listens on now."""
    for port in itertools.islice(_PORTS, len(_PART)):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port is free from {_PART.start} to {_PART.stop - 1}")


def wait_until(ready: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Look ten times a second until `ready`."""
    deadline = time.monotonic() + patience_s
    while not ready():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


class Process:
    """A child that can be killed and started again with the same files and ports."""

    def __init__(self, name: str, argv: list[str], log: Path, ready: Callable[[], bool]) -> None:
        self.name = name
        self.log = log
        self._argv = argv
        self._ready = ready
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self._argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_until(
            self._up, f"{self.name}; its log: {self.log.read_text(errors='replace')[-2000:]}"
        )

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def kill(self) -> None:
        """kill -9: nothing is tidied up."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def freeze(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing."""
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._child is not None
        self._child.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._child is not None
        self._child.send_signal(signal.SIGTERM)
        code = self._child.wait(PATIENCE_S)
        self._child = None
        return code

    def _up(self) -> bool:
        assert self._child is not None
        assert self._child.poll() is None, self.log.read_text(errors="replace")
        return self._ready()


def mosquitto_command(
    directory: Path, port: int, queue: int = 100_000, inflight: int = 500
) -> list[str]:
    """A broker that keeps nothing on disk: a kill loses all it had. What does not fit its `queue` it
    acknowledges and drops. `inflight`: messages it takes from one at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        f"max_queued_messages {queue}\nmax_inflight_messages {inflight}\nlog_dest stderr\n"
    )
    return [find_program("mosquitto") or "mosquitto", "-c", str(settings)]


@contextlib.contextmanager
def mosquitto(
    directory: Path, queue: int = 100_000, inflight: int = 500
) -> Iterator[tuple[Process, int]]:
    """(broker, port) of a broker that keeps nothing on disk."""
    port = free_port()
    command = mosquitto_command(directory, port, queue, inflight)
    broker = Process("mosquitto", command, directory / "mosquitto.log", lambda: listens(port))
    broker.start()
    try:
        yield broker, port
    finally:
        broker.kill()


def influxdb_command(directory: Path, port: int, data: str = "") -> list[str]:
    """An InfluxDB 1.x with its data in `directory`; `data`: more of its [data] table."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / "influxdb.conf"
    settings.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n'
        f'[meta]\ndir = "{directory}/meta"\n'
        f'[data]\ndir = "{directory}/data"\nwal-dir = "{directory}/wal"\n{data}'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n'
        "[monitor]\nstore-enabled = false\n"
    )
    return [find_program("influxd") or "influxd", "-config", str(settings)]


@contextlib.contextmanager
def influxdb(directory: Path, data: str = "") -> Iterator[tuple[Process, str]]:
    """(server, url) of an empty InfluxDB 1.x; `data`: more of its [data] table."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = influxdb_command(directory, port, data)
    server = Process("influxd", command, directory / "influxd.log", lambda: answers(f"{url}/ping"))
    server.start()
    try:
        yield server, url
    finally:
        server.kill()


@contextlib.contextmanager
def victoria_metrics(directory: Path) -> Iterator[tuple[Process, str]]:
    """(server, url) of an empty VictoriaMetrics."""
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    program = find_program("victoria-metrics") or "victoria-metrics"
    server = Process(
        "victoria-metrics",
        [
            *(program, f"-storageDataPath={directory}/data", "-retentionPeriod=10y"),
            f"-httpListenAddr=127.0.0.1:{port}",
        ],
        directory / "victoria.log",
        lambda: answers(f"{url}/health"),
    )
    server.start()
    try:
        yield server, url
    finally:
        server.kill()


def flush_victoria(url: str) -> None:
    """Show at once what was written; by itself it does so after a second or so."""
    with urllib.request.urlopen(f"{url}/internal/force_flush", timeout=PATIENCE_S):
        pass


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
