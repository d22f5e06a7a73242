"""`wattprint up`: the whole system on this machine, each part its own process.

A simulated plant stands in for the meters and the production system; everything else is what a
real site runs. Nothing need be installed: the broker is Mosquitto if there is one, else an
embedded one; the journal and the history are SQLite files in the state directory.
"""

import argparse
import fcntl
import json
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from wattprint import plan, summary
from wattprint.plan import Place, Ports
from wattprint.supervisor import Child, Supervisor, last_lines, module
from wattprint.watch import LatencyWatch, is_up
from wire.errors import ConfigError, TransientError
from wire.files import keep

OURS = ".wattprint-up"  # marks a state directory, and is what its owner locks
_START_S = 120.0  # of one part, on a busy machine
_LOOK_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `wattprint up` can be told."""
    parser.add_argument(
        "--state", type=Path, default=Path(".demo"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8420,
        metavar="N",
        help="the page's port, 0 for any; default: %(default)s",
    )
    parser.add_argument("--fresh", action="store_true", help="begin with an empty state directory")
    parser.add_argument(
        "--for",
        type=_seconds,
        dest="for_s",
        metavar="S",
        help="stop S seconds after the page is up",
    )
    parser.add_argument("--json", action="store_true", help="at the end print one JSON object")
    parser.add_argument(
        "--broker",
        choices=("auto", "embedded"),
        default="auto",
        help="auto: mosquitto if it is installed",
    )


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError("seconds are a number above 0")
    return seconds


def run(arguments: argparse.Namespace) -> int:
    """Start, watch, stop. Returns the exit code."""
    stop = _Stop()
    state: Path = arguments.state.resolve()
    ports = _ports(arguments.port)
    with _owned(state, arguments.fresh):
        mosquitto = plan.find_mosquitto() if arguments.broker == "auto" else None
        place = Place(state, ports, mosquitto)
        addresses = json.dumps({"page": place.page, "api": place.api})
        keep(place.path("addresses.json"), addresses.encode(), 0o644)  # whole: it is waited for
        _say(f"state in {arguments.state}; broker: {'mosquitto' if mosquitto else 'embedded'}")
        described = plan.write(place)
        supervisor = Supervisor(place.path("processes.json"))
        try:
            _start(place, supervisor, stop)
            _say(f"{len(described['meters'])} meters; the page is at {place.page}")
            if not arguments.json:
                _say("Ctrl-C stops everything")
            return _watch(place, supervisor, stop, arguments)
        except _Stopped:
            return 0
        finally:
            for name in supervisor.stop():
                _say(f"{name} did not leave by itself and was killed")
            _say("stopped")


class _Stopped(Exception):
    """A person asked to stop while things were starting."""


class _Stop:
    """Set by Ctrl-C or SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True

    def check(self) -> None:
        if self.asked:
            raise _Stopped


@contextmanager
def _owned(state: Path, fresh: bool) -> Iterator[None]:
    """The state directory, held by this process alone; emptied first if it is to be fresh.

    Raises ConfigError where another `wattprint up` holds it or it is no directory of ours.
    """
    mark = state / OURS
    try:
        if state.exists() and any(state.iterdir()) and not mark.exists():
            raise ConfigError(
                f"{state}: is not a state directory of ours; name another with --state"
            )
        state.mkdir(parents=True, exist_ok=True)
        lock = mark.open("a")
    except OSError as exc:
        raise ConfigError(f"{state}: cannot be used for --state: {exc.strerror}") from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise ConfigError(f"{state}: another `wattprint up` is running on this state") from exc
        if fresh:
            for entry in state.iterdir():
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                elif entry != mark:
                    entry.unlink()
        yield


def _start(place: Place, supervisor: Supervisor, stop: _Stop) -> None:
    ports = place.ports

    def start(name: str, argv: list[str], ready: Callable[[], bool]) -> None:
        began = time.monotonic()
        child = supervisor.start(name, argv, place.path(f"logs/{name}.log"))
        _wait_until(ready, child, stop)
        _say(f"  {name:<10} up after {time.monotonic() - began:.1f} s")

    if place.mosquitto:
        broker = [place.mosquitto, "-c", str(place.path("mosquitto.conf"))]
    else:
        broker = module("wattprint.embedded_broker", str(ports.broker))
    start("broker", broker, lambda: _listens(ports.broker))
    start(
        "ingestor",
        module("ingestor", "run", "--config", place.path("ingestor.toml")),
        lambda: is_up(f"{place.api}/health"),
    )
    start(
        "plant",
        module("simulators", "run", "--config", place.path("plant.toml")),
        lambda: _listens(ports.meters),
    )
    start(
        "agent",
        module("edge_agent", "run", "--config", place.path("agent.toml")),
        lambda: place.path("agent/store.db").exists(),
    )
    start(
        "calc",
        module("calc_stream", "run", "--config", place.path("calc.toml")),
        lambda: is_up(f"{place.page}/health"),
    )


def _watch(place: Place, supervisor: Supervisor, stop: _Stop, arguments: argparse.Namespace) -> int:
    latency = LatencyWatch(f"{place.page}/v1/live")
    if arguments.json:
        latency.start()
    began = time.monotonic()
    while not stop.asked:
        time.sleep(_LOOK_S)
        for news in supervisor.look():
            _say(news)
        if arguments.for_s is not None and time.monotonic() - began >= arguments.for_s:
            break
    if not arguments.json:
        return 0
    latency.stop()
    found = summary.collect(place, latency)
    print(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False))
    return 0 if summary.is_good(found) else 1


def _wait_until(ready: Callable[[], bool], child: Child, stop: _Stop) -> None:
    deadline = time.monotonic() + _START_S
    while not ready():
        stop.check()
        ended = child.process is not None and child.process.poll() is not None
        if ended or time.monotonic() > deadline:
            what = "ended at once" if ended else f"is not up after {_START_S:.0f} s"
            raise TransientError(f"{child.name} {what}; {child.log} ends:\n{last_lines(child.log)}")
        time.sleep(0.05)


def _ports(web: int) -> Ports:
    """The page's port as told (0: any free one); free ones for what only we use."""
    held = []
    for wanted in (web, 0, 0, 0):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", wanted))
        except OSError as exc:
            raise ConfigError(f"port {wanted} is in use; choose another with --port") from exc
        held.append(sock)
    numbers = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return Ports(*numbers)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _say(line: str) -> None:
    """Progress goes to stderr, so that --json leaves stdout to the object."""
    print(line, file=sys.stderr, flush=True)
