"""The agent as a process, reading a Modbus server none of us wrote, handing on to a real broker."""

import asyncio
import base64
import signal
import sqlite3
import sys
from pathlib import Path

import msgspec
import pytest
from pyModbusTCP.server import DataBank, ModbusServer

from tests.integration import servers
from tests.integration.agent_process import until
from wire.messages import GatewayState, Receipt
from wire.mqtt import Broker, Client
from wire.segment import open_segment
from wire.signing import SigningKey

pytestmark = pytest.mark.mosquitto

CLOUD_KEY = SigningKey(bytes(range(32)))


@pytest.fixture
def meter():
    bank, port = DataBank(), servers.free_port()
    # 230.2 V is the worked example of Eastron's SDM120 protocol document (bytes 43 66 33 34).
    bank.set_input_registers(0, [0x4366, 0x3334])
    bank.set_input_registers(72, [0x4640, 0xE6B7])  # 12345.679 kWh at a resolution of 1 Wh
    server = ModbusServer(host="127.0.0.1", port=port, no_block=True, data_bank=bank)
    server.start()
    yield port, bank
    server.stop()


@pytest.fixture
def broker(tmp_path):
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        yield port


def configured(folder: Path, broker_port: int, meter_port: int) -> Path:
    (folder / "receipt.pub").write_text(f"{CLOUD_KEY.public}\n")
    path = folder / "agent.toml"
    path.write_text(
        f'site = "cq"\ngateway = "gw"\nstate = "{folder}/state"\n'
        f'receipt_key_file = "{folder}/receipt.pub"\npublish_interval_s = 0.5\n'
        f"[broker]\nport = {broker_port}\n"
        f'[buses.b]\ndriver = "modbus"\ntransport = "tcp"\nhost = "127.0.0.1"\nport = {meter_port}\n'
        '[meters.m-1]\nbus = "b"\nunit_id = 1\nprofile = "eastron_sdm630"\nrated_power_w = 40000\n'
        'quantities = ["voltage_l1", "active_energy_import"]\ninterval_s = 0.2\n'
    )
    return path


async def heard(client, ending):
    async with asyncio.timeout(servers.PATIENCE_S):
        async for message in client.messages():
            message.ack()
            if message.topic.endswith(ending) and message.payload:
                return message.payload
    raise AssertionError


async def test_a_reading_goes_from_a_foreign_meter_to_a_signed_segment(tmp_path, broker, meter):
    client = Client(Broker(port=broker), "cloud", subscribe=["wp/v1/cq/gw/+"])
    async with client.running():
        await client.connected.wait()
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge_agent", "run"),
            *("--config", str(configured(tmp_path, broker, meter[0]))),
        )
        try:
            found = {}
            while len(found) < 2:  # a meter that is slow at first has less in its first segment
                segment = open_segment(await heard(client, "/seg"))
                key = SigningKey.load_or_create(tmp_path / "state/gateway.key").public
                segment.verify(key)
                assert (segment.header.site, segment.header.gateway) == ("cq", "gw")
                for sample in [s for table in segment.tables for s in table.samples()]:
                    found |= {(sample.meter, q): value for q, value in sample.values.items()}
            assert found == {
                ("m-1", "voltage_l1"): (2302, -1),
                ("m-1", "active_energy_import"): (12345679, -3),
            }
            await client.publish("wp/v1/cq/gw/rcpt", receipt_for(segment), retain=True)
            await until(lambda: receipted(tmp_path) >= segment.header.seq)
        finally:
            agent.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(agent.wait(), servers.PATIENCE_S) == 0
        while True:
            state = msgspec.json.decode(await heard(client, "/state"), type=GatewayState)
            if not state.online:
                break


async def test_it_stops_at_once_with_a_broker_that_answers_nothing(tmp_path, meter):
    with servers.mosquitto(tmp_path / "mosquitto") as (broker, port):
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge_agent", "run"),
            *("--config", str(configured(tmp_path, port, meter[0]))),
        )
        store = tmp_path / "state/store.db"
        await until(lambda: store.exists() and sealed(tmp_path) > 0)
        broker.freeze()
        try:
            agent.send_signal(signal.SIGTERM)
            # A link that carries nothing is given up after 40 s: sooner is without the broker.
            assert await asyncio.wait_for(agent.wait(), 30) == 0
        finally:
            broker.thaw()
    assert pending(tmp_path) + sealed(tmp_path) > 0, "what was read is on disk"


def asked(folder: Path, question: str) -> int:
    db = sqlite3.connect(f"file:{folder}/state/store.db?mode=ro", uri=True)
    try:
        return int(db.execute(question).fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # a store in the making
    finally:
        db.close()


def receipted(folder: Path) -> int:
    return asked(folder, "SELECT max(receipted) FROM stream")


def sealed(folder: Path) -> int:
    return asked(folder, "SELECT count(*) FROM segment")


def pending(folder: Path) -> int:
    return asked(folder, "SELECT count(*) FROM pending")


def receipt_for(segment) -> bytes:
    header = segment.header
    unsigned = Receipt(
        *(header.site, header.gateway, header.stream, header.seq, segment.hash),
        journal=1,
        key=CLOUD_KEY.public.id,
        time_ms=header.t_last_ms,
    )
    sig = base64.b64encode(CLOUD_KEY.sign(msgspec.json.encode(unsigned))).decode()
    return msgspec.json.encode(msgspec.structs.replace(unsigned, sig=sig))
