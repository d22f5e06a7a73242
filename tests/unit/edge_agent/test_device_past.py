"""A meter that remembers its past: when the agent asks for it, and when it does not believe it."""

from collections.abc import AsyncIterator
from fractions import Fraction

import pytest

from edge_agent.counters import Register, Seen
from edge_agent.device import Device, Memory
from edge_agent.drivers import Answer, NoAnswer
from edge_agent.line import Tally

T0 = 1_790_000_000_000


class Freezes:
    """A meter that says who it is, shows a register and remembers it by the hour."""

    missed, absent, rest_ms = (), frozenset[str](), 0

    def __init__(self, serial: str, now_ms: int) -> None:
        self.tally, self.serial, self.now_ms = Tally(), serial, now_ms

    async def identify(self) -> dict[str, str]:
        return {"serial": self.serial}

    async def read(self) -> AsyncIterator[Answer]:
        self.now_ms += 1_000
        yield Answer(self.now_ms, {"active_energy_import": (900_000 + self.now_ms // 1000, -3)})

    async def history(self, after_ms: int) -> AsyncIterator[Answer]:
        for t_ms in range(after_ms + 3_600_000, self.now_ms, 3_600_000):
            yield Answer(t_ms, {"active_energy_import": (900_000 + t_ms // 1000, -3)})


@pytest.mark.parametrize(("serial", "remembered"), [("7", 9), ("8", 0)])
async def test_what_another_meter_remembers_it_may_have_counted_elsewhere(
    serial: str, remembered: int
) -> None:
    seen = {"active_energy_import": Seen((900_000 + T0 // 1000, -3), T0)}
    meter = Freezes(serial, T0 + 10 * 3_600_000)
    limits = {"active_energy_import": Register(per_hour=Fraction(48))}
    memory = Memory({"serial": "7"}, seen)
    told = await Device("m", meter, lambda: meter.now_ms, limits, memory).poll()
    assert [s.quality for s in told.samples].count("backfilled") == remembered


@pytest.mark.parametrize(("missing_ms", "remembered"), [(899_000, 0), (900_000, 1)])
async def test_a_gap_that_hides_a_boundary_is_looked_back_on_and_a_shorter_one_is_not(
    missing_ms: int, remembered: int
) -> None:
    class Quarterly(Freezes):
        async def history(self, after_ms: int) -> AsyncIterator[Answer]:
            yield Answer(after_ms + 1_000, {})
            yield Answer(after_ms + 2_000, {"active_energy_import": (900_000 + T0 // 1000, -3)})

    seen = {"active_energy_import": Seen((900_000 + T0 // 1000, -3), T0)}
    meter = Quarterly("7", T0 + missing_ms)
    memory = Memory({"serial": "7"}, seen)
    told = await Device("m", meter, lambda: meter.now_ms, {}, memory).poll()
    assert [s.quality for s in told.samples].count("backfilled") == remembered


async def test_a_meter_silent_about_its_past_alone_is_read_after_three_tries() -> None:
    class Forgetful(Freezes):
        async def history(self, after_ms: int) -> AsyncIterator[Answer]:
            if after_ms:
                raise NoAnswer("silent")
            yield Answer(after_ms, {})

    seen = {"active_energy_import": Seen((900_000 + T0 // 1000, -3), T0)}
    meter = Forgetful("7", T0 + 3_600_000)
    device = Device("m", meter, lambda: meter.now_ms, {}, Memory({"serial": "7"}, seen))
    for _ in range(3):
        with pytest.raises(NoAnswer):
            await device.poll()
    assert [s.quality for s in (await device.poll()).samples] == ["good"]
