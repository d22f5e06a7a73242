"""Which buses are read: each is a task of its own, so one starts, stops or changes alone."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from edge_agent.config import Metered, Plan
from edge_agent.rounds import Hears, Rounds


@dataclass(frozen=True)
class _Running:
    place: Any  # driver and settings
    rounds: Rounds
    task: asyncio.Task[None]


class Buses:
    """The buses of a plan that have meters."""

    def __init__(self, hears: Hears, now_ms: Callable[[], int], random: Random) -> None:
        self._tasks = asyncio.TaskGroup()
        self._begun = asyncio.Event()
        self._hears = hears
        self._now_ms = now_ms
        self._random = random
        self._running: dict[str, _Running] = {}

    def __iter__(self) -> Iterator[Rounds]:
        return (running.rounds for running in self._running.values())

    async def run(self, plan: Plan) -> None:
        """Read what this plan says, or what `change` said last; until cancelled."""
        async with self._tasks:
            await self.change(plan)
            self._begun.set()
            await asyncio.Event().wait()

    async def change(self, plan: Plan) -> None:
        """Read what this plan says. A bus whose settings stay as they were keeps its link.

        Those that go are closed before others open: a port may pass from one to the other.
        """
        meters = _by_bus(plan)
        wanted = {name: place for name, place in plan.buses.items() if name in meters}
        going = {n: each for n, each in self._running.items() if wanted.get(n) != each.place}
        for name, running in going.items():
            running.task.cancel()
            del self._running[name]
        if going:
            await asyncio.wait([running.task for running in going.values()])
        boundary_ms = 1000 * plan.config.boundary_s
        for name, (driver, settings) in wanted.items():
            if name in self._running:
                self._running[name].rounds.change(meters[name], boundary_ms)
                continue
            rounds = Rounds(
                name, driver, settings, meters[name], self._hears, self._now_ms, boundary_ms
            )
            task = self._tasks.create_task(rounds.run(self._random), name=name)
            self._running[name] = _Running((driver, settings), rounds, task)

    async def served(self) -> None:
        """Until every bus is at work."""
        await self._begun.wait()
        for rounds in list(self):
            await rounds.serving.wait()


def _by_bus(plan: Plan) -> Mapping[str, Mapping[str, Metered]]:
    found: dict[str, dict[str, Metered]] = {}
    for name, metered in plan.meters.items():
        found.setdefault(metered.bus, {})[name] = metered
    return found
