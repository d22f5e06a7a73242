"""One bus at work: asks its devices in turn, for ever.

The schedule says whose turn it is. A meter that needs a rest between two requests, or tells of a
past gap, is asked beside its neighbours, so that the line is theirs meanwhile; the bus itself keeps
requests apart.
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

from edge_agent.config import Metered
from edge_agent.device import Device, Memory, Polled
from edge_agent.drivers import Bus, Driver, LinkLost
from edge_agent.origins import origins
from edge_agent.schedule import Schedule
from edge_agent.slots import QUARTER_MS, Slots
from wire.errors import BadData, TransientError

_LONGEST_SLEEP_S = 1.0  # the clock may be set meanwhile, or the meters changed


class Hears(Protocol):
    """Who takes what a bus brings."""

    def took(self, device: Device, polled: Polled) -> None:
        """A round that was answered."""
        ...

    def note(self, meter: str, health: str) -> None:
        """How a meter is: `ok`, or why not."""
        ...

    def memory(self, meter: str) -> Memory:
        """What a meter's device remembered last."""
        ...


class Rounds:
    """The bus `name` and its meters."""

    def __init__(
        self,
        name: str,
        driver: Driver,
        settings: Any,
        meters: Mapping[str, Metered],
        hears: Hears,
        now_ms: Callable[[], int],
        boundary_ms: int = QUARTER_MS,
    ) -> None:
        self.name = name
        self._turns = 0
        self.serving = asyncio.Event()
        self.devices: dict[str, Device] = {}
        self.slots: dict[str, Slots] = {}
        self.schedule = Schedule({}, now_ms(), boundary_ms)
        self._driver, self._settings = driver, settings
        self._hears = hears
        self._now_ms = now_ms
        self._meters: dict[str, Metered] = {}  # those of `devices`
        self._asked: set[asyncio.Task[None]] = set()  # named by their meters
        self.change(meters, boundary_ms)

    def change(self, meters: Mapping[str, Metered], boundary_ms: int) -> None:
        """From its next turn on these are its meters, one at least.

        Who stays as it was keeps its turn and what was learned of it; who is being asked just now
        is changed after that.
        """
        self._wanted, self._boundary_ms, self._settled = dict(meters), boundary_ms, False

    def clock_stepped(self, now_ms: int, by_ms: int) -> None:
        """The clock was set."""
        self.schedule.clock_stepped(now_ms)
        for device in self.devices.values():
            device.clock_stepped(by_ms)
        for slots in self.slots.values():
            slots.clock_stepped(now_ms, by_ms)

    def progress(self) -> int:
        """Counts its steps, and those of a long round: a bus on which it stands still hangs."""
        tallies = [device.meter.tally for device in self.devices.values()]
        return self._turns + sum(tally.asked + tally.answered for tally in tallies)

    async def run(self, random: Random) -> None:
        """Serve until cancelled."""
        async with (
            self._driver.connect(self._settings, random, self._now_ms) as bus,
            asyncio.TaskGroup() as resting,
        ):
            while True:
                if not self._settled:
                    self._settle(bus)
                due = self.schedule.next_due(self._now_ms())
                wait_ms = due.due_ms - self._now_ms() if due else None
                if due is None or wait_ms is None:
                    await asyncio.wait(
                        self._asked, timeout=_LONGEST_SLEEP_S, return_when=asyncio.FIRST_COMPLETED
                    )
                elif wait_ms > 0:
                    await asyncio.sleep(min(wait_ms / 1000, _LONGEST_SLEEP_S))
                    self._turns += 1
                elif not (device := self.devices[due.name]).takes_its_time:
                    await self._ask(device)
                else:
                    self.schedule.begun(due.name)
                    task = resting.create_task(self._ask(device), name=device.name)
                    self._asked.add(task)
                    task.add_done_callback(self._asked.discard)

    async def _ask(self, device: Device) -> None:
        """One round of one device, and what it means for the schedule."""
        self._turns += 1
        begun_ms = self._now_ms()
        try:
            polled = await device.poll()
        except LinkLost as exc:
            for each in self.devices:
                self._hears.note(each, f"bus {self.name}: {exc}")
            await asyncio.sleep(min(exc.retry_after_s or 1.0, _LONGEST_SLEEP_S))
            self.schedule.again(device.name)
        except (TransientError, BadData) as exc:
            self.schedule.failed(device.name, self._now_ms())
            self._hears.note(device.name, str(exc))
        else:
            now_ms = self._now_ms()
            self.schedule.answered(device.name, now_ms)
            self.slots[device.name].answered_round(begun_ms, now_ms)
            self._hears.note(device.name, "ok")
            self._hears.took(device, polled)

    def _settle(self, bus: Bus) -> None:
        """Make the devices those that are wanted, but for those being asked."""
        now_ms = self._now_ms()
        busy = {task.get_name() for task in self._asked}
        for name in {**self._meters, **self._wanted}:
            if name not in busy:
                self._set(bus, name, now_ms)
        intervals = {name: metered.interval_ms for name, metered in self._meters.items()}
        self.schedule.change(intervals, now_ms, self._boundary_ms)
        self._settled = self._meters == self._wanted
        self.serving.set()

    def _set(self, bus: Bus, name: str, now_ms: int) -> None:
        """Make one meter what is wanted of it."""
        was, metered = self._meters.pop(name, None), self._wanted.get(name)
        if metered is None:
            del self.devices[name], self.slots[name]
            return
        self._meters[name] = metered
        if was is None or (was.wanted, was.bounds) != (metered.wanted, metered.bounds):
            meter, memory = bus.meter(metered.wanted), self._hears.memory(name)
            wanted = metered.wanted
            known = (metered.bounds, memory, origins(wanted), wanted.model)
            self.devices[name] = Device(name, meter, self._now_ms, *known)
        if name in self.slots:
            self.slots[name].retime(metered.interval_ms, self._boundary_ms, now_ms)
        else:
            self.slots[name] = Slots(metered.interval_ms, self._boundary_ms, now_ms)
