"""The ingestor as a process, with a real broker and a real database, killed as it goes."""

import asyncio
import base64
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests import plain_http
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor, Sender
from tests.integration.servers import Process
from wire.errors import TransientError
from wire.journal import verify_chain
from wire.messages import EventReceipt, Sample
from wire.mqtt import Broker, Client
from wire.segment import open_segment

DAY_MS = 86_400_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[Process, int]]:
    with servers.mosquitto(tmp_path / "mosquitto") as made:
        yield made


@pytest.fixture
def ingestor(tmp_path: Path, broker: tuple[Process, int]) -> Iterator[Ingestor]:
    made = Ingestor(tmp_path / "cloud", broker[1])
    yield made
    made.process.kill()


@pytest.mark.mosquitto
async def test_killed_again_and_again_the_journal_is_exact(ingestor: Ingestor) -> None:
    gateways = [ingestor.gateway("gw-1"), ingestor.gateway("gw-2")]
    senders = [Sender(ingestor, g, []) for g in gateways]
    ingestor.start()
    dice, amid = random.Random(5), 0
    for kill in range(5):  # by what is receipted, however fast the machine is
        for gateway, sender in zip(gateways, senders, strict=True):
            sender.sealed += [gateway.seal() for _ in range(60)]
        async with asyncio.TaskGroup() as tasks:
            sending = [tasks.create_task(sender.send_all(0.005)) for sender in senders]
            while all(sender.receipted < kill * 60 + 15 for sender in senders):
                await asyncio.sleep(0.002)
            await asyncio.sleep(dice.uniform(0, 0.05))
            amid += not all(task.done() for task in sending)
            await asyncio.to_thread(ingestor.process.kill)
            await asyncio.to_thread(ingestor.process.start)
    assert amid, "segments were on their way when it was killed"
    for gateway, sender in zip(gateways, senders, strict=True):
        assert ingestor.segments(gateway) == sender.sealed
    journal = ingestor.journal()
    verify_chain(journal.walk("s1"))
    journal.close()
    verified = ingestor.command("journal", "verify")
    assert verified.returncode == 0, verified.stderr
    assert "600 segments, 0 tree heads, all good" in verified.stdout


@pytest.mark.mosquitto
async def test_a_journal_of_a_stopped_ingestor_is_whole_in_its_one_file(
    ingestor: Ingestor, tmp_path: Path
) -> None:
    gateway = ingestor.gateway("gw-1")
    ingestor.start_connected()
    await Sender(ingestor, gateway, [gateway.seal() for _ in range(30)]).send_all()
    with ingestor.client() as http:
        asked = {"meter": "m-1", "from_ms": gateway.t_ms - 9000, "to_ms": gateway.t_ms}
        assert http.get("/v1/s1/readings", params=asked).status_code == 200
        assert http.get("/v1/journal/s1").status_code == 200
    assert await asyncio.to_thread(ingestor.process.stop) == 0
    shutil.copy(ingestor.directory / "journal.db", tmp_path / "copy.db")
    ingestor.config.write_text(ingestor.config.read_text().replace("cloud/journal.db", "copy.db"))
    verified = ingestor.command("journal", "verify")
    assert "30 segments, 0 tree heads, all good" in verified.stdout, verified.stderr
    shown = ingestor.command("journal", "show", "--after", "30").stdout
    assert json.loads(shown)["offset"] == 31
    left = {file.name for file in ingestor.directory.rglob("*.db-*")}
    assert not left, f"not closed: {left}"


@pytest.mark.mosquitto
async def test_a_broker_that_loses_everything_loses_nothing(
    ingestor: Ingestor, broker: tuple[Process, int]
) -> None:
    gateway = ingestor.gateway("gw-1")
    sender = Sender(ingestor, gateway, [gateway.seal() for _ in range(150)])
    ingestor.start_connected()
    sending = asyncio.create_task(_persistent(sender))
    await asyncio.sleep(0.4)
    await asyncio.to_thread(broker[0].kill)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(broker[0].start)
    await asyncio.wait_for(sending, 90)
    assert ingestor.segments(gateway) == sender.sealed
    # The new broker has the current receipt for whoever comes later.
    late = Sender(ingestor, gateway, sender.sealed)
    await asyncio.wait_for(late.send_all(), 60)
    assert late.receipts[0].upto > 0


async def _persistent(sender: Sender) -> None:
    while True:
        try:
            await sender.send_all(0.005)
        except TransientError:
            continue
        return


@pytest.mark.mosquitto
async def test_refused_forked_foreign_and_poisonous_in_one_stream_of_messages(
    ingestor: Ingestor,
) -> None:
    gateway, other = ingestor.gateway("gw-1"), ingestor.gateway("gw-2")
    first = gateway.seal()
    clone = gateway.copy()
    future = Sample("m-1", gateway.t_ms + 10_000 * DAY_MS, {"active_power": (1, 0)})
    refused, last = gateway.seal([future]), gateway.seal()
    fork = clone.seal(meters=3)
    ingestor.start_connected()
    sender = Sender(ingestor, gateway, [first, refused, last])
    stranger = Client(Broker(port=ingestor.broker_port), "stranger")
    async with stranger.running():
        await stranger.connected.wait()
        await stranger.publish("wp/v1/s1/gw-1/seg", b"poison")
        await stranger.publish(other.topic, first)
        await sender.send_all()
        await stranger.publish(gateway.topic, fork)
        await stranger.publish("wp/v1/s1/event", b"{}")
        with ingestor.client() as http:
            await asyncio.to_thread(
                servers.wait_until,
                lambda: _site(http)["quarantined"] == 4,
                "four items in quarantine",
            )
            assert _site(http)["streams"] == {"gw-1/aa": {"upto": 3, "gaps": [], "lost": []}}
            assert (_site(http)["segments"], _site(http)["refused"]) == (2, 1)
    assert ingestor.segments(gateway) == [first, last]
    assert [refusal.seq for refusal in sender.receipts[-1].refused] == [2]
    listed = ingestor.command("quarantine", "list").stdout
    for reason in ("not a segment", "came on", "future", "fork", "event"):
        assert reason in listed
    again = ingestor.command("quarantine", "replay")
    assert again.returncode == 1, again.stderr
    assert again.stdout.endswith("1 taken, 4 stay in quarantine\n"), again.stdout
    assert len(ingestor.command("quarantine", "list").stdout.splitlines()) == 4
    assert ingestor.segments(gateway) == [first, last]
    assert ingestor.process.stop() == 0


def _site(http: httpx.Client) -> dict[str, object]:
    told: dict[str, object] = http.get("/v1/status").json()["sites"]["s1"]
    return told


@pytest.mark.mosquitto
async def test_events_over_mqtt_are_receipted_per_source(ingestor: Ingestor) -> None:
    ingestor.gateway("gw-1")
    ingestor.start_connected()
    mes = Client(Broker(port=ingestor.broker_port), "mes", subscribe=["wp/v1/s1/event/rcpt/mes"])
    uptos = []
    async with mes.running():
        await mes.connected.wait()
        for n in (1, 2, 4, 3, 3):
            event = {"id": f"e{n}", "t": "2026-11-18T08:00:00Z", "type": "void", "of": f"x{n}"}
            data = msgspec.json.encode({**event, "source": "mes", "n": n})
            await mes.publish("wp/v1/s1/event/mes", data)
        async for message in mes.messages():
            message.ack()
            uptos.append(msgspec.json.decode(message.payload, type=EventReceipt).upto)
            if uptos[-1] == 4:
                break
    assert uptos == sorted(uptos)
    journal = ingestor.journal()
    assert sorted(r.key for r in journal.of_kind("s1", "event")) == ["e1", "e2", "e3", "e4"]
    journal.close()


@pytest.mark.mosquitto
@pytest.mark.influxdb
async def test_a_database_killed_while_projecting_is_exact_afterwards(
    tmp_path: Path, broker: tuple[Process, int]
) -> None:
    with servers.influxdb(tmp_path / "influx") as (influxd, url):
        extra = f'[[sinks]]\nkind = "influxdb"\nurl = "{url}"\n[[sinks]]\nkind = "embedded"\n'
        ingestor = Ingestor(tmp_path / "cloud", broker[1], extra)
        gateway = ingestor.gateway("gw-1")
        sender = Sender(ingestor, gateway, [gateway.seal(meters=20) for _ in range(300)])
        ingestor.start_connected()
        sending = asyncio.create_task(sender.send_all(0.005))
        for _ in range(2):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(influxd.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(influxd.start)
        await asyncio.wait_for(sending, 90)
        with ingestor.client() as http:
            await asyncio.to_thread(servers.wait_until, lambda: _caught_up(http), "both sinks")
        readings = sum(open_segment(data).header.readings for data in sender.sealed)
        assert readings == 300 * 20 * 2
        query = {"db": "wattprint", "q": "SELECT count(*) FROM reading"}
        async with plain_http.AsyncClient() as asking:
            answer = await asking.get(f"{url}/query", params=query)
        [row] = answer.json()["results"][0]["series"]
        assert sum(row["values"][0][1:]) == readings
        compared = ingestor.command("reconcile")
        assert compared.returncode == 0, compared.stdout + compared.stderr
        assert compared.stdout.count(f"{readings} readings") == 2
        ingestor.process.kill()


def _caught_up(http: httpx.Client) -> bool:
    told = _site(http)
    sinks = told["sinks"]
    assert isinstance(sinks, dict)
    return all(sink["offset"] == told["offset"] for sink in sinks.values())


@pytest.mark.mosquitto
async def test_reconcile_names_what_is_missing_and_project_repairs_it(ingestor: Ingestor) -> None:
    gateway = ingestor.gateway("gw-1")
    ingestor.start_connected()
    await Sender(ingestor, gateway, [gateway.seal() for _ in range(20)]).send_all()
    with ingestor.client() as http:
        await asyncio.to_thread(servers.wait_until, lambda: _caught_up(http), "the history")
        assert ingestor.process.stop() == 0
    for file in (ingestor.directory / "state").glob("history.db*"):
        file.unlink()
    broken = ingestor.command("reconcile")
    assert broken.returncode == 1
    assert '"meter":"m-0"' in broken.stdout
    for words in (("reconcile", "--site", "s2"), ("project", "--from", "0", "--site", "s2")):
        unknown = ingestor.command(*words)
        assert (unknown.returncode, unknown.stdout) == (2, "")
        assert "--site: the journal has no site 's2'; it has: s1" in unknown.stderr
    assert "--from: -1: offsets count from 1" in ingestor.command("project", "--from", "-1").stderr
    ahead = ingestor.command("project", "--from", "1000").stdout
    assert ahead == "embedded: s1 goes on from offset 21\n"
    again = ingestor.command("project", "--from", "0").stdout
    assert again == "embedded: s1 goes on from offset 0\n"
    ingestor.start()
    with ingestor.client() as http:
        await asyncio.to_thread(servers.wait_until, lambda: _caught_up(http), "the history")
    assert ingestor.command("reconcile").returncode == 0


def start_event(n: int, batch: str = "B1") -> dict[str, str]:
    told = {"id": f"e{n}", "t": "2026-11-18T08:00:00Z", "type": "start", "node": "press-1"}
    return {**told, "batch": batch}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Ingestor]:
    """An ingestor whose broker is not there: the HTTP side needs none."""
    made = Ingestor(tmp_path / "cloud", servers.free_port())
    made.gateway("gw-1")
    made.start()
    yield made
    made.process.kill()


def test_events_posted_over_http_are_idempotent(api: Ingestor) -> None:
    with api.client() as http:
        first = http.post("/v1/s1/events", json=start_event(1))
        assert (first.status_code, first.json()) == (201, [{"id": "e1", "offset": 2, "new": True}])
        both = http.post("/v1/s1/events", json=[start_event(1), start_event(2)])
        assert [each["offset"] for each in both.json()] == [2, 3]
        other = http.post("/v1/s1/events", json=start_event(1, "B2"))
        assert other.status_code == 409
        assert other.headers["content-type"] == "application/problem+json"
        bad = http.post("/v1/s1/events", json={**start_event(3), "weight": "0"})
        assert bad.status_code == 422
        assert "weight" in bad.json()["detail"]
        records = http.get("/v1/journal/s1", params={"from": 2}).json()["records"]
        assert [(record["offset"], record["key"]) for record in records] == [(2, "e1"), (3, "e2")]
        assert base64.b64decode(records[0]["data"]).startswith(b'{"id":"e1"')
        assert _site(http)["events"] == 2
        api.process.kill()
        api.process.start()
        again = http.post("/v1/s1/events", json=start_event(2))
        assert again.json() == [{"id": "e2", "offset": 3, "new": False}]


def test_the_api_refuses_in_words(api: Ingestor) -> None:
    with api.client() as http:
        assert plain_http.get(f"{api.url}/v1/status").status_code == 401
        assert plain_http.get(f"{api.url}/health").status_code == 200
        assert http.post("/v1/other/events", json=start_event(1)).status_code == 404
        assert http.post("/v1/s1/events", content=b"[").status_code == 422
        assert http.post("/v1/s1/events", content=b"x" * 9_000_000).status_code == 413
        assert http.put("/v1/s1/model", content=b'site = "s2"').status_code == 422
        assert http.put("/v1/s1/factors", content=b"[]").status_code == 422
        assert http.get("/nowhere").json()["status"] == 404
        assert http.delete("/v1/status").json()["status"] == 405
        assert http.get("/v1/s1/readings?meter=m&from_ms=a&to_ms=1").status_code == 422


def test_a_model_is_journalled_once(api: Ingestor) -> None:
    model = b'format = 1\nsite = "s1"\n'
    with api.client() as http:
        first, again = (http.put("/v1/s1/model", content=model) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert http.put("/v1/s1/factors", json={"grid": "0.5"}).status_code == 201
    journal = api.journal()
    assert journal.of_kind("s1", "model")[0].data == model
    journal.close()


@pytest.mark.mosquitto
async def test_stored_readings_can_be_asked_for(ingestor: Ingestor) -> None:
    gateway = ingestor.gateway("gw-1")
    ingestor.start_connected()
    await Sender(ingestor, gateway, [gateway.seal() for _ in range(5)]).send_all()
    with ingestor.client() as http:
        await asyncio.to_thread(servers.wait_until, lambda: _caught_up(http), "the history")
        asked = {"meter": "m-1", "from_ms": gateway.t_ms - 2000, "to_ms": gateway.t_ms + 1}
        energy, power = http.get("/v1/s1/readings", params=asked).json()["series"]
    assert energy["t_ms"] == [gateway.t_ms - 2000, gateway.t_ms - 1000, gateway.t_ms]
    assert energy["value"] == [0.022, 0.029, 0.036]
    assert (energy["quantity"], energy["unit"]) == ("active_energy_import", "kWh")
    assert (power["quantity"], power["unit"]) == ("active_power", "W")


@pytest.mark.mosquitto
def test_the_doctor_finds_a_missing_broker_and_nothing_else(
    ingestor: Ingestor, broker: tuple[Process, int]
) -> None:
    ingestor.gateway("gw-1")
    ingestor.start()
    well = ingestor.command("doctor")
    # What keeps this machine's clock, and how much room it has, is not ours to say.
    warned = [line for line in well.stdout.splitlines() if line.startswith("warn")]
    assert {line.split(":")[0] for line in warned} <= {"warn clock", "warn disk"}
    assert well.returncode == (1 if warned else 0), well.stdout
    broker[0].kill()
    sick = ingestor.command("doctor")
    assert sick.returncode == 2
    [said] = [line for line in sick.stdout.splitlines() if line.startswith("BAD")]
    where = f"127.0.0.1:{ingestor.broker_port}"
    assert said.startswith(f"BAD  broker: no connection to {where} in 5 s: [Errno 111]")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("colour = 1\n", "colour: is not a known key"),
        ('[[sinks]]\nkind = "oracle"\n', "sinks[0].kind: there is no sink 'oracle'"),
        ('[[gateways]]\nsite = "S1"\ngateway = "g"\npublic_key_file = "x"\n', "gateways[1].site"),
        ("partition = 2\n", "partition must be 1 to partitions"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_2(
    api: Ingestor, change: str, says: str
) -> None:
    text = api.config.read_text()
    api.config.write_text(text + change if change.startswith("[") else change + text)
    for word in ("check", "run"):
        done = api.command(word)
        assert done.returncode == 2
        assert says in done.stderr
        assert "Traceback" not in done.stderr
