"""One bus at work: asks its devices in turn, for ever.

The schedule says whose turn it is. A meter that needs a rest between two requests is asked beside
its neighbours, so that the line is theirs meanwhile; the bus itself keeps requests apart.
"""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

from edge_agent.config import Metered
from edge_agent.device import Device, Memory, Polled
from edge_agent.drivers import Bus, Driver, LinkLost
from edge_agent.schedule import Schedule
from wire.errors import BadData, TransientError

_LONGEST_SLEEP_S = 1.0  # the clock may be set meanwhile


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
        boundary_ms: int = 900_000,
    ) -> None:
        self.name = name
        self.devices: dict[str, Device] = {}
        self._driver, self._settings = driver, settings
        self._meters = dict(meters)
        self._hears = hears
        self._now_ms = now_ms
        intervals = {meter: metered.interval_ms for meter, metered in meters.items()}
        self.schedule = Schedule(intervals, now_ms(), boundary_ms)

    async def run(self, random: Random) -> None:
        """Serve until cancelled."""
        async with (
            self._driver.connect(self._settings, random, self._now_ms) as bus,
            asyncio.TaskGroup() as resting,
        ):
            for name in self._meters:
                self.devices[name] = self._device(bus, name)
            under_way: set[asyncio.Task[None]] = set()
            while True:
                due = self.schedule.next_due(self._now_ms())
                wait_ms = due.due_ms - self._now_ms() if due else None
                if due is None or wait_ms is None:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                elif wait_ms > 0:
                    await asyncio.sleep(min(wait_ms / 1000, _LONGEST_SLEEP_S))
                elif not (device := self.devices[due.name]).meter.rest_ms:
                    await self._ask(device)
                else:
                    self.schedule.begun(due.name)
                    task = resting.create_task(self._ask(device), name=device.name)
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)

    async def _ask(self, device: Device) -> None:
        """One round of one device, and what it means for the schedule."""
        try:
            polled = await device.poll()
        except LinkLost as exc:
            for each in self.devices:
                self._hears.note(each, f"bus {self.name}: {exc}")
            await asyncio.sleep(exc.retry_after_s or 1.0)
            self.schedule.again(device.name)
        except (TransientError, BadData) as exc:
            self.schedule.failed(device.name, self._now_ms())
            self._hears.note(device.name, str(exc))
        else:
            self.schedule.answered(device.name, self._now_ms())
            self._hears.note(device.name, "ok")
            self._hears.took(device, polled)

    def _device(self, bus: Bus, name: str) -> Device:
        metered = self._meters[name]
        return Device(
            name, bus.meter(metered.wanted), self._now_ms, metered.bounds, self._hears.memory(name)
        )
