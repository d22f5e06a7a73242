"""The meters of `bench.pixel`: each is read once a second, at an instant of its own; gateways seal and
publish once a second what was answered since, as agents do by default.

A power tells how many seconds after the beginning it was read, so whoever sees it painted knows when
the meter answered. Registers run along straight lines and the site's own is their sum.
"""

import asyncio
import time
from dataclasses import dataclass

from wire.messages import Sample
from wire.mqtt import Broker, Client
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey
from wire.topics import GatewayTopic

SITE, SECOND_MS = "bench", 1000
MOST_S = 900  # so long powers differ
_MS_PER_H = 3_600_000


@dataclass(frozen=True)
class Plant:
    """`meters` in all, the first of them the site's own; the first readings at `begin_ms`."""

    meters: int
    gateways: int
    begin_ms: int

    def watts(self, meter: int) -> int:
        """The mean power."""
        if meter == 0:
            return sum(self.watts(each) for each in range(1, self.meters))
        return 5000 * (1 + meter % 40)

    def answered_ms(self, meter: int, second: int) -> int:
        return self.begin_ms + SECOND_MS * second + 997 * meter % SECOND_MS

    def read_when(self, meter: int, power_w: int) -> int | None:
        """When a meter answered this; None for what is no answer of it."""
        second = power_w - self.watts(meter)
        return self.answered_ms(meter, second) if 0 <= second < MOST_S else None

    def sample(self, meter: int, second: int) -> Sample:
        t_ms = self.answered_ms(meter, second)
        since_ms = t_ms - self.begin_ms
        if meter == 0:
            parts = range(1, self.meters)
            total = sum(1000 * self.watts(each) * since_ms // _MS_PER_H for each in parts)
        else:
            total = 1000 * self.watts(meter) * since_ms // _MS_PER_H
        power = self.watts(meter) + second
        return Sample(
            f"m{meter:04}", t_ms, {"active_energy_import": (total, -6), "active_power": (power, 0)}
        )


def key(gateway: int) -> SigningKey:
    return SigningKey(bytes([gateway]) * 32)


def name(gateway: int) -> str:
    return f"gw-{gateway}"


def run(plant: Plant, port: int) -> None:
    """Until the process is ended."""
    asyncio.run(_run(plant, port))


async def _run(plant: Plant, port: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for gateway in range(plant.gateways):
            tasks.create_task(_gateway(plant, gateway, port))


async def _gateway(plant: Plant, gateway: int, port: int) -> None:
    client = Client(Broker(port=port), f"{SITE}.{name(gateway)}")
    topic, prev = str(GatewayTopic(SITE, name(gateway), "seg")), GENESIS
    async with client.running():
        await client.connected.wait()
        for seq in range(1, MOST_S):
            due_ms = plant.begin_ms + SECOND_MS * seq + SECOND_MS * gateway // plant.gateways
            await asyncio.sleep(max(0, due_ms - time.time_ns() // 1_000_000) / 1000)
            place = Place(SITE, name(gateway), "a" * 32, seq, prev, "b" * 32, "synchronized")
            data = seal(place, _answered(plant, gateway, due_ms), [], key(gateway))
            prev = open_segment(data).hash
            await client.publish(topic, data)


def _answered(plant: Plant, gateway: int, due_ms: int) -> list[Sample]:
    """What its meters said in the second up to `due_ms`."""
    found = []
    for meter in range(gateway, plant.meters, plant.gateways):
        second = (due_ms - plant.answered_ms(meter, 0)) // SECOND_MS
        if second >= 0:
            found.append(plant.sample(meter, second))
    return found
