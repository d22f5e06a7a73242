"""A search over several settings of one serial port, or over many hosts at once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from edge_agent.drivers import Driver, Found, LinkLost, Looked, Searchable
from edge_agent.field.progress import Progress
from edge_agent.profiles import Profile
from wire.errors import ConfigError

_AT_ONCE = 64  # hosts


@dataclass(frozen=True)
class Target:
    """One bus to search. `where`: for a person; `table`: its keys in a configuration, as bus `name`;
    `ranges`: addresses to try; `one`: the first that answers is enough; `meters`: the configuration's
    own, by where they are."""

    where: str
    name: str
    table: Mapping[str, object]
    settings: Any
    ranges: Sequence[tuple[int, int]]
    one: bool = False
    configured: bool = False
    meters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """A meter that answered."""

    target: Target
    found: Found


@dataclass
class Sweep:
    """Searches targets and tells what it finds."""

    driver: Driver
    known: Mapping[str, Profile]
    progress: Progress
    tell: Callable[[Hit], None]
    random: Random
    now_ms: Callable[[], int]
    looked: int = 0
    hits: int = 0
    heard: Counter[str] = field(default_factory=Counter)
    untried: list[str] = field(default_factory=list)

    async def settings(self, targets: Sequence[Target]) -> None:
        """One after the other, until a meter answers; a setting the port refuses is left out.

        Raises LinkLost if it took none.
        """
        refused: list[LinkLost] = []
        for n, target in enumerate(targets):

            def step(looked: Looked, n: int = n, target: Target = target) -> None:
                share = (n + looked.done / looked.of) / len(targets)
                self.progress.step(self.looked, share, f"{looked.where} at {target.where}")

            try:
                await self._search(target, step)
            except LinkLost as exc:
                if self.hits:
                    raise
                refused.append(exc)
                self.untried.append(target.where)
            if self.hits:
                return
        if len(refused) == len(targets):
            raise refused[0]

    async def hosts(self, targets: Sequence[Target]) -> None:
        """Many at once; a host that cannot be reached is counted."""
        slots, done = asyncio.Semaphore(_AT_ONCE), 0

        async def one(target: Target) -> None:
            nonlocal done
            async with slots:
                try:
                    before = self.looked
                    await self._search(target, lambda _: None)
                    self.heard["open"] += self.looked > before
                except LinkLost as exc:
                    refused = isinstance(exc.__cause__, ConnectionRefusedError)
                    self.heard["refused" if refused else "unreachable"] += 1
                done += 1
                self.progress.step(done, done / len(targets), target.where)

        async with asyncio.TaskGroup() as tasks:
            for target in targets:
                tasks.create_task(one(target))

    async def _search(self, target: Target, step: Callable[[Looked], None]) -> None:
        """Raises LinkLost, or ConfigError where the driver cannot search."""
        mine: list[Found] = []
        async with self.driver.connect(target.settings, self.random, self.now_ms) as bus:
            if not isinstance(bus, Searchable):
                raise ConfigError(f"driver {self.driver.PROTOCOL} cannot search its bus")
            for first, last in target.ranges:
                twins = 0
                async for looked in bus.search(self.known, first, last):
                    self.looked += 1
                    step(looked)
                    if looked.heard:
                        self.heard[f"{looked.heard} at {target.where}"] += 1
                    if looked.found is None:
                        continue
                    if _again(looked.found, mine, alone=first == last):
                        twins += 1
                        continue
                    mine.append(looked.found)
                    self.hits += 1
                    self.tell(Hit(target, looked.found))
                if mine and (target.one or twins):
                    return


def _again(found: Found, mine: Iterable[Found], *, alone: bool) -> bool:
    """Whether it was found before: at this address, or because it minds no address at all.

    `alone`: asked for by itself, at an address that other meters of its kind do not have.
    """
    for other in mine:
        alike = (found.identity, found.profiles) == (other.identity, other.profiles)
        if found.address == other.address or (alike and (alone or "serial" in found.identity)):
            return True
    return False
