"""SIGHUP: what is changed in the configuration changes, and nobody else misses a slot."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise

import msgspec
import pytest

from edge_agent import status
from edge_agent.protocols import modbus as codec
from tests.integration import servers
from tests.integration.agent_process import PROFILE, AgentProcess, Meters, until
from tests.integration.pty_meters import MeterLine
from wire.messages import GatewayState
from wire.mqtt import Broker, Client

pytestmark = pytest.mark.mosquitto

EVERY_S = 1.0
LATE_S = 0.5  # a machine busier than that misses slots by itself


class Plant:
    """Two ports with meters, a broker, and an agent that has not started yet."""

    def __init__(self, agent: AgentProcess, a: Meters, b: Meters) -> None:
        self.agent, self.a, self.b = agent, a, b
        self._turns: list[float] = []  # when this process had its turn

    async def turn(self) -> None:
        while True:
            self._turns.append(time.time())
            await asyncio.sleep(0.05)

    def holes(self, slots: list[int]) -> list[int]:
        """Slots left out between the first and the last, while this machine was not."""
        late = [
            (before, after) for before, after in pairwise(self._turns) if after - before > LATE_S
        ]
        return [
            slot
            for slot in range(slots[0], slots[-1])
            if slot not in slots
            and not any(b < (slot + 1) * EVERY_S and a > slot * EVERY_S for b, a in late)
        ]

    def bus(self, meters: Meters, **keys: object) -> dict[str, object]:
        at = {"driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": meters.port}
        return {**at, "timeout_ms": 1000, **keys}


@pytest.fixture
async def plant(tmp_path) -> AsyncIterator[Plant]:
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        async with AsyncExitStack() as stack:
            a, b = [await stack.enter_async_context(Meters().serving()) for _ in range(2)]
            made = Plant(AgentProcess(tmp_path, port), a, b)
            turning = asyncio.create_task(made.turn())
            yield made
            turning.cancel()


async def asked_again(meters: Meters, unit: int, times: int) -> None:
    """From now on, so often."""
    before = len(meters.asked)
    await until(
        lambda: [u for _, u, at, _ in meters.asked[before:] if (u, at) == (unit, 0)][times - 1 :]
    )


async def test_meters_come_change_and_go_and_no_neighbour_misses_a_slot(plant: Plant) -> None:
    agent, a, b = plant.agent, plant.a, plant.b
    a.has_hole = True
    bus_a, bus_b = plant.bus(a), plant.bus(b)
    m1, m2 = {"bus": "a", "unit_id": 1}, {"bus": "a", "unit_id": 2}
    m3, m4 = {"bus": "b", "unit_id": 3}, {"bus": "b", "unit_id": 4}
    agent.write({"a": bus_a, "b": bus_b}, {"m-1": m1, "m-2": m2, "m-3": m3})
    async with agent.running():
        await until(lambda: {"m-1: ok", "m-2: ok", "m-3: ok"} <= set(agent.said()))
        for meters in (
            {"m-1": m1, "m-2": m2, "m-3": m3, "m-4": m4},  # one more on b
            {"m-1": m1, "m-2": {**m2, "interval_s": 2}, "m-3": m3, "m-4": m4},  # a slower one on a
            {"m-1": m1, "m-3": m3, "m-4": {**m4, "rated_power_w": 9000}},  # one gone, one another
            {"m-1": m1, "m-2": m2, "m-3": m3},  # one back, one gone
        ):
            await asyncio.sleep(2.2)
            agent.write({"a": bus_a, "b": bus_b}, meters)
            await agent.reload()
        # A bus takes a change up after the round it is in.
        await asked_again(a, 1, 2)
        await asked_again(b, 3, 2)
        a_before, b_before = len(a.asked), len(b.asked)
        await asked_again(a, 2, 2)
        await asked_again(b, 3, 2)
        at_the_end = {unit for _, unit, _, _ in (*a.asked[a_before:], *b.asked[b_before:])}
    assert plant.holes(a.slots(1, EVERY_S)) == []
    assert plant.holes(b.slots(3, EVERY_S)) == []
    assert len(a.slots(1, EVERY_S)) >= 6
    assert at_the_end == {1, 2, 3}, "the fourth is asked no longer, the second again"
    assert (a.connections, b.connections) == (1, 1), "both links stayed open"
    over_the_hole = [asked for asked in a.asked if asked[1] == 1 and asked[3] > 1]
    assert len(over_the_hole) == 1, "what was learned of it was not asked again"


async def test_a_bus_is_added_changed_and_removed_alone(plant: Plant) -> None:
    agent, a, b = plant.agent, plant.a, plant.b
    m1, m2 = {"bus": "a", "unit_id": 1}, {"bus": "b", "unit_id": 2}
    agent.write({"a": plant.bus(a)}, {"m-1": m1})
    async with agent.running():
        await until(lambda: "m-1: ok" in agent.said())
        agent.write({"a": plant.bus(a), "b": plant.bus(b)}, {"m-1": m1, "m-2": m2})
        await agent.reload()
        await until(lambda: b.asked)
        assert b.connections == 1
        agent.write({"a": plant.bus(a), "b": plant.bus(b, timeout_ms=400)}, {"m-1": m1, "m-2": m2})
        await agent.reload()
        await until(lambda: b.connections == 2)
        agent.write({"a": plant.bus(a)}, {"m-1": m1})
        await agent.reload()
        await asyncio.sleep(0.2)  # what it had asked before is heard
        asked = len(b.asked)
        await asyncio.sleep(2.5)
        assert len(b.asked) == asked
    assert plant.holes(a.slots(1, EVERY_S)) == []
    assert a.connections == 1


async def test_a_wrong_configuration_changes_nothing_and_is_told_as_check_tells_it(
    plant: Plant,
) -> None:
    agent, a = plant.agent, plant.a
    m1 = {"bus": "a", "unit_id": 1}
    agent.write({"a": plant.bus(a)}, {"m-1": m1})
    async with agent.running():
        await until(lambda: "m-1: ok" in agent.said())
        agent.write({"a": plant.bus(a)}, {"m-1": {**m1, "unit_id": 2, "ct": "forty"}})
        await agent.reload()
        agent.head["site"] = "elsewhere"
        agent.write({"a": plant.bus(a)}, {"m-1": m1, "m-2": {"bus": "a", "unit_id": 2}})
        await agent.reload()
        told = [line for line in agent.said() if "reloaded" in line]
        assert told == [
            f'not reloaded: {agent.config}: meters.m-1.ct: is a decimal string above 0: "40"',
            f"not reloaded: {agent.config}: site: needs a restart; nothing was changed",
        ]
        await asyncio.sleep(2.2)
    assert {unit for _, unit, _, _ in a.asked} == {1}
    assert plant.holes(a.slots(1, EVERY_S)) == []


async def test_what_is_remembered_of_a_meter_survives_its_removal(plant: Plant) -> None:
    agent, a = plant.agent, plant.a
    m1, m2 = {"bus": "a", "unit_id": 1}, {"bus": "a", "unit_id": 2}
    agent.write({"a": plant.bus(a)}, {"m-1": m1, "m-2": m2})
    async with agent.running():
        await until(lambda: "m-2: ok" in agent.said())
        agent.write({"a": plant.bus(a)}, {"m-1": m1})
        await agent.reload()
        await asyncio.sleep(2.2)
        agent.write({"a": plant.bus(a)}, {"m-1": m1, "m-2": m2})
        await agent.reload()
        await until(lambda: agent.said().count("m-2: ok") == 2)
        identified = [line for line in agent.said() if line.startswith("meter m-2: identity")]
        assert len(identified) == 1, "it is known, so who it is is no news"
    asked = [address for _, unit, address, _ in a.asked if unit == 2]
    assert asked.count(200) == 2, "though it was asked again"


async def test_a_register_read_in_other_units_from_now_on_is_another_one(plant: Plant) -> None:
    agent, a = plant.agent, plant.a
    meter: dict[str, object] = {"bus": "a", "unit_id": 1}
    agent.write({"a": plant.bus(a)}, {"m-1": meter})
    twice = agent.folder / "twice.toml"
    twice.write_text(PROFILE.replace('unit = "kWh"', 'unit = "kWh", scale = "2"'))
    async with agent.running():
        await until(lambda: "m-1: ok" in agent.said())
        agent.write({"a": plant.bus(a)}, {"m-1": {**meter, "profile": str(twice)}})
        await agent.reload()
        await until(lambda: any("meter m-1: swap" in line for line in agent.said()))
    (swap,) = [line for line in agent.said() if "meter m-1: swap" in line]
    assert "'closing': '7', 'opening': '14'" in swap
    assert not any("reset" in line or "jump" in line for line in agent.said())


async def test_a_memory_that_rotted_is_begun_anew(plant: Plant) -> None:
    agent, a = plant.agent, plant.a
    agent.write({"a": plant.bus(a)}, {"m-1": {"bus": "a", "unit_id": 1}})
    async with agent.running():
        await until(lambda: "m-1: ok" in agent.said())
        await asyncio.sleep(1)
    db = sqlite3.connect(agent.folder / "state" / "store.db")
    with contextlib.closing(db), db:
        assert db.execute("UPDATE memory SET data = x'c1'").rowcount == 1
    async with agent.running():
        await until(lambda: "m-1: ok" in agent.said())
        assert any("m-1: what was remembered" in line for line in agent.said())


async def test_a_removed_meter_is_gone_from_the_published_state_and_a_dead_one_stays(
    plant: Plant,
) -> None:
    agent, a = plant.agent, plant.a
    a.silent = {3}
    meters = {f"m-{n}": {"bus": "a", "unit_id": n} for n in (1, 2, 3)}
    agent.write({"a": plant.bus(a)}, meters)
    cloud = Client(Broker(port=agent.broker_port), "cloud", subscribe=["wp/v1/cq/gw/state"])
    async with cloud.running(), agent.running():
        await state(cloud, {"m-1", "m-2", "m-3"})
        del meters["m-2"]
        agent.write({"a": plant.bus(a)}, meters)
        await agent.reload()
        found = await state(cloud, {"m-1", "m-3"})
        assert found["m-1"] == "ok"
        assert "no answer" in found["m-3"]
        await until(lambda: set(status.load(agent.folder / "state").meters) == {"m-1", "m-3"})


async def state(cloud: Client, meters: set[str]) -> dict[str, str]:
    """The gateway's health as published, once it names these meters and none just starting."""
    async with asyncio.timeout(60):
        async for message in cloud.messages():
            message.ack()
            told = msgspec.json.decode(message.payload, type=GatewayState).meters
            if set(told) == meters and "starting" not in told.values():
                return told
    raise AssertionError


async def test_a_serial_line_set_otherwise_is_opened_again_at_once(plant: Plant) -> None:
    agent = plant.agent

    def answer(request: codec.Request, line: MeterLine[codec.Request]) -> None:
        words = codec.Answer((7,) * request.count)
        line.say(codec.answer_frame(request, words, "rtu"))

    with MeterLine(lambda data: codec.find_request(data, "rtu"), answer) as line:
        bus = {"driver": "modbus", "transport": "rtu", "device": line.path, "timeout_ms": 1000}
        agent.write({"s": {**bus, "baud": 9600}}, {"m-1": {"bus": "s", "unit_id": 1}})
        async with agent.running():
            await until(lambda: line.asked)
            for meters in (
                {"m-1": {"bus": "s", "unit_id": 1}},
                {"m-9": {"bus": "t", "unit_id": 9}},
            ):
                name = next(iter(meters.values()))["bus"]
                agent.write({name: {**bus, "baud": 19200}}, meters)
                await agent.reload()
                before = len(line.asked)
                await until(lambda before=before: len(line.asked) > before)
            assert not [said for said in agent.said() if "cannot be opened" in said]
        assert line.asked[-1].unit == 9, "another bus has the same line now"
