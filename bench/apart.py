"""A simulated line in a process of its own: it and the agent must not wait for each other's loop."""

import asyncio
import multiprocessing
import selectors
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from simulators.serial_bus import SerialLine, Stats

Tell = Callable[[], Any]  # at the end: what else was seen there
Make = Callable[[Path], tuple[SerialLine, Tell]]


@dataclass
class Line:
    """The line at `path`; `stats` and `seen` once it is closed."""

    path: Path
    stats: Stats = field(default_factory=Stats)
    seen: Any = None


@contextmanager
def line(make: Make) -> Iterator[Line]:
    """Serve what `make` (a picklable function) makes. The directory and the process are temporary."""
    with tempfile.TemporaryDirectory() as directory:
        made = Line(Path(directory) / "line")
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_serve, args=(make, made.path, theirs), daemon=True)
        process.start()
        theirs.close()
        ours.recv()
        try:
            yield made
        finally:
            ours.send("enough")
            made.stats, made.seen = ours.recv()
            process.join()


def nothing() -> None:
    """For lines that tell no more than their statistics."""


def _serve(make: Make, path: Path, pipe: Connection) -> None:
    # epoll waits whole milliseconds, select as long as it is told: the line must not be late.
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    ) as runner:
        pipe.send(runner.run(_serve_until(make, path, pipe)))


async def _serve_until(make: Make, path: Path, pipe: Connection) -> tuple[Stats, Any]:
    made, seen = make(path)
    serving = asyncio.create_task(made.serve())
    while not made.path.exists():
        await asyncio.sleep(0.01)
    pipe.send("open")
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), told.set)
    await told.wait()
    asyncio.get_running_loop().remove_reader(pipe.fileno())
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return made.stats, seen()
