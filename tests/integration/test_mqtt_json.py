"""Meters that publish by themselves, on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from edge_agent import profiles
from edge_agent.drivers import Answer, LinkLost, Meter, NoAnswer, Wanted, mqtt_json
from tests.integration.servers import free_port, mosquitto
from wire import mqtt
from wire.errors import BadData

pytestmark = pytest.mark.mosquitto

# arendst/Tasmota issue 1621.
SENSOR = (
    b'{"Time":"2018-01-17T18:59:50","ENERGY":{"Total":1.956,"Yesterday":0.054,"Today":0.049,'
    b'"Period":0,"Power":9,"Factor":0.43,"Voltage":231,"Current":0.089}}'
)
DATED = """
vendor = "V"
model = "PLC"
protocol = "json"
grade = "A"
source = "made for this test"
time = { path = "/at", as = "unix_ms" }
[registers]
active_energy_import = { path = "/kwh", unit = "kWh", decimals = 3 }
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    with mosquitto(tmp_path) as (_, port):
        yield port


class Ticks:
    """A clock that moves on at each look."""

    now_ms = 1_790_000_000_000

    def __call__(self) -> int:
        self.now_ms += 10
        return self.now_ms


@asynccontextmanager
async def publisher(port: int) -> AsyncIterator[mqtt.Client]:
    client = mqtt.Client(mqtt.Broker(port=port), "plc")
    async with client.running():
        await asyncio.wait_for(client.connected.wait(), 60)
        yield client


def settings(port: int, silent_after_s: float = 60) -> mqtt_json.Settings:
    return mqtt_json.Settings(port=port, client_id="agent", silent_after_s=silent_after_s)


def wanted(topic: str, profile: profiles.Profile | None = None) -> Wanted:
    model = profile or profiles.load("tasmota_energy")
    return Wanted("m", model, mqtt_json.Address(topic=topic), ("active_energy_import",))


async def rounds(meter: Meter, count: int) -> list[Answer]:
    """Rounds until `count` answers came."""
    answers: list[Answer] = []
    async with asyncio.timeout(60):
        while len(answers) < count:
            with suppress(LinkLost):
                answers += [answer async for answer in meter.read()]
            await asyncio.sleep(0.02)
    return answers


async def linked(meter: Meter) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                assert [answer async for answer in meter.read()] == []
            except LinkLost:
                await asyncio.sleep(0.02)
            else:
                return


async def has_come(plc: mqtt.Client, last: Meter) -> None:
    """What was published before is there, once what is published now is."""
    await plc.publish("last", SENSOR)
    assert len(await rounds(last, 1)) == 1


async def test_a_published_message_is_read_at_the_time_it_came(broker: int) -> None:
    now = Ticks()
    async with publisher(broker) as plc, mqtt_json.connect(settings(broker), Random(1), now) as bus:
        meter = bus.meter(wanted("tele/press/SENSOR"))
        await linked(meter)
        await plc.publish("tele/press/SENSOR", SENSOR)
        (answer,) = await rounds(meter, 1)
    assert answer.values == {"active_energy_import": (1956, -3)}
    assert answer.t_ms <= now.now_ms
    assert meter.tally.answered == 1


async def test_everything_published_between_two_rounds_is_an_answer_of_its_own(broker: int) -> None:
    async with (
        publisher(broker) as plc,
        mqtt_json.connect(settings(broker), Random(1), Ticks()) as bus,
    ):
        meter, last = bus.meter(wanted("a")), bus.meter(wanted("last"))
        await linked(meter)
        await linked(last)
        for n in range(5):
            await plc.publish("a", SENSOR.replace(b"1.956", b"1.95%d" % n))
        await has_come(plc, last)
        answers = [answer async for answer in meter.read()]
        assert [a.values["active_energy_import"] for a in answers] == [
            (1950 + n, -3) for n in range(5)
        ]
        assert len({a.t_ms for a in answers}) == 5


async def test_an_old_message_the_broker_kept_is_not_taken_for_new(broker: int) -> None:
    dated = profiles.parse(DATED, "plc")
    async with publisher(broker) as plc:
        await plc.publish("undated", SENSOR, retain=True)
        await plc.publish("dated", b'{"at": 1790000000123, "kwh": "7.5"}', retain=True)
        async with mqtt_json.connect(settings(broker), Random(1), Ticks()) as bus:
            undated_meter, dated_meter = (
                bus.meter(wanted("undated")),
                bus.meter(wanted("dated", dated)),
            )
            await linked(undated_meter)
            (answer,) = await rounds(dated_meter, 1)
            assert (answer.t_ms, answer.values["active_energy_import"]) == (
                1790000000123,
                (7500, -3),
            )
            assert [a async for a in undated_meter.read()] == []


async def test_a_meter_that_publishes_nothing_is_silent_and_a_wrong_document_is_told(
    broker: int,
) -> None:
    async with (
        publisher(broker) as plc,
        mqtt_json.connect(settings(broker), Random(1), Ticks()) as bus,
    ):
        meter, last = bus.meter(wanted("a")), bus.meter(wanted("last"))
        await linked(meter)
        await linked(last)
        await plc.publish("a", b'{"Time":"x"}')
        await plc.publish("a", SENSOR)
        await has_come(plc, last)
        assert len([answer async for answer in meter.read()]) == 1
        assert "nothing at /ENERGY/Total" in meter.missed[0]
        await plc.publish("a", b"off")
        await has_come(plc, last)
        with pytest.raises(BadData, match="not a JSON document"):
            await anext(meter.read())
    async with mqtt_json.connect(settings(broker, 0.5), Random(1), Ticks()) as bus:
        meter = bus.meter(wanted("a"))
        with pytest.raises(NoAnswer, match=r"nothing on a for 0\.5 s"):
            await rounds(meter, 1)


async def test_a_broker_that_is_not_there_is_a_lost_link() -> None:
    async with mqtt_json.connect(settings(free_port()), Random(1), Ticks()) as bus:
        with pytest.raises(LinkLost, match="no connection to the broker"):
            await anext(bus.meter(wanted("a")).read())


async def test_a_wrong_document_costs_none_that_came_with_it(broker: int) -> None:
    async with (
        publisher(broker) as plc,
        mqtt_json.connect(settings(broker), Random(1), Ticks()) as bus,
    ):
        meter, last = bus.meter(wanted("a")), bus.meter(wanted("last"))
        await linked(meter)
        await linked(last)
        await plc.publish("a", SENSOR)
        await plc.publish("a", b"off")
        await has_come(plc, last)
        assert len([answer async for answer in meter.read()]) == 1
        assert "not a JSON document" in meter.missed[0]


@pytest.mark.parametrize(
    ("topic", "document", "taken"),
    [("undated", SENSOR, 0), ("dated", b'{"at": 1790000000123, "kwh": "7.5"}', 1)],
)
async def test_what_the_broker_kept_while_nobody_was_there_needs_a_time_of_its_own(
    broker: int, topic: str, document: bytes, taken: int
) -> None:
    model = profiles.parse(DATED, "plc") if topic == "dated" else None
    async with publisher(broker) as plc:
        async with mqtt_json.connect(settings(broker), Random(1), Ticks()) as bus:
            await linked(bus.meter(wanted(topic, model)))
        await plc.publish(topic, document)
        async with mqtt_json.connect(settings(broker), Random(1), Ticks()) as bus:
            meter, last = bus.meter(wanted(topic, model)), bus.meter(wanted("last", model))
            answers = await rounds(meter, taken)
            if not taken:
                await linked(meter)
            await linked(last)
            await plc.publish("last", document)
            await rounds(last, 1)  # what was kept has come before
            answers += [answer async for answer in meter.read()]
    assert len(answers) == taken
