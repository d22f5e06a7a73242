"""What the ingestor's doctor says of real brokers, certificates and keys, and how it ends."""

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from ingestor import config, doctor
from ingestor.authority import Authority
from ingestor.doctor import broker as broker_doctor
from ingestor.doctor import machine
from tests.conftest import find_program
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.integration.secured import DAY_MS, HOST, Secured, now_ms, secured
from tests.integration.servers import Process
from wire import finding
from wire.files import keep
from wire.finding import Finding
from wire.mqtt import Broker, Client
from wire.signing import SigningKey


@contextlib.contextmanager
def told(folder: Path, *settings: str):
    """A Mosquitto that was told this."""
    port = servers.free_port()
    (folder / "m.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nsys_interval 1\n" + "\n".join(settings)
    )
    program = find_program("mosquitto") or "mosquitto"
    argv = [program, "-c", str(folder / "m.conf")]
    process = Process("mosquitto", argv, folder / "m.log", lambda: servers.listens(port))
    process.start()
    try:
        yield Broker(port=port)
    finally:
        process.kill()


def levels(findings: list[Finding]) -> dict[str, str]:
    return {each.what: each.level for each in findings}


@pytest.mark.mosquitto
@pytest.mark.usefixtures("_patient")
async def test_a_broker_that_dropped_messages_is_told_with_the_cure(tmp_path: Path) -> None:
    with told(tmp_path, "max_queued_messages 1", "max_inflight_messages 1") as broker:
        away = Client(broker, "away", subscribe=["x"])
        async with away.running():
            await asyncio.wait_for(away.connected.wait(), servers.PATIENCE_S)
        sender = Client(broker, "sender")
        async with sender.running():
            await asyncio.wait_for(sender.connected.wait(), servers.PATIENCE_S)
            for _ in range(40):
                await sender.publish("x", b"x")
        async with asyncio.timeout(servers.PATIENCE_S):  # its figures are a second old
            while not (queues := await queues_of(broker)).found.startswith(("38 ", "39 ")):
                await asyncio.sleep(0.5)
    assert queues.level == "warn"
    assert "raise max_queued_messages" in queues.cure


async def queues_of(broker: Broker) -> Finding:
    found = await broker_doctor.examine(broker, "ingestor")
    assert "mosquitto version" in found[0].found
    [queues] = [each for each in found if each.what == "broker, queues"]
    return queues


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a broker that lets us in and tells its figures, however late."""
    monkeypatch.setattr(broker_doctor, "_WAIT_S", 60.0)
    monkeypatch.setattr(broker_doctor, "_FIGURES_S", 60.0)


@pytest.mark.mosquitto
async def test_a_broker_that_does_too_little_is_told_each_limit(tmp_path: Path) -> None:
    limits = "max_packet_size 100000", "retain_available false", "max_inflight_messages 5"
    with told(tmp_path, *limits) as broker:
        found = await broker_doctor.examine(broker, "ingestor")
    assert levels(found) == {
        "broker": "ok",
        "broker, retained messages": "warn",
        "broker, packets": "warn",
        "broker, window": "warn",
        "broker, queues": "ok",
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory):
    with secured(tmp_path_factory.mktemp("secured")) as made:
        yield made


def plan_of(site: Secured, folder: Path, cert: Path, port: int = 0) -> config.Plan:
    keys = folder / "api.keys"
    keys.touch(0o600)
    (folder / "i.toml").write_text(
        f'journal = "{folder}/journal.db"\nstate = "{folder}/state"\n'
        f'receipt_key = "{folder}/receipt.key"\n'
        f'[broker]\nhost = "{HOST}"\nport = {port or site.services_port}\n'
        f'ca_file = "{site.place}/ca.pem"\ncert_file = "{cert}"\n'
        f'[api]\nkeys_file = "{keys}"\ncert_file = "{site.place}/services/api.pem"\n'
        f'[enrol]\nauthority = "{site.place}"\n'
    )
    return config.load(folder / "i.toml")


@pytest.mark.mosquitto
@pytest.mark.usefixtures("_patient")
def test_a_whole_installation_with_tls_is_well(site: Secured, tmp_path: Path) -> None:
    plan = plan_of(site, tmp_path, site.place / "services/ingestor.pem")
    found = list(doctor.examine(plan, now_ms))
    assert not [each for each in found if each.level == "bad"]
    assert {each.what for each in found if each.level == "warn"} <= {"clock", "disk"}
    said = {each.what: each.found for each in found}
    assert "nothing dropped" in said["broker, queues"], "its figures may be read"
    assert "ingestor, good until" in said["certificate for the broker"]


@pytest.mark.mosquitto
def test_what_is_wrong_with_papers_is_said_with_the_cure(site: Secured, tmp_path: Path) -> None:
    past = Authority(site.place, lambda: now_ms() - 800 * DAY_MS)
    key = SigningKey.new()
    keep(tmp_path / "old.pem", key.pem + past.issue("ingestor", key.public.raw, 30), 0o644)
    late = Authority(site.place, lambda: now_ms() - 80 * DAY_MS)
    late.add("cq.gw-1", "gateway")
    late.issue("cq.gw-1", key.public.raw, 90)
    plan = plan_of(site, tmp_path, tmp_path / "old.pem")
    found = {each.what: each for each in doctor.examine(plan, now_ms)}
    assert "has expired on" in found["certificate for the broker"].found
    assert "ca service DIR ingestor" in found["certificate for the broker"].cure
    assert found["certificate for the broker, key"].cure.startswith("chmod 600")
    assert found["broker"].found.endswith("our certificate has expired: get a new one")
    assert found["certificate of cq.gw-1"].level == "warn"
    assert "was not renewed" in found["certificate of cq.gw-1"].found
    assert found["gateways"].found == "0 of 1 certificates in order"
    # A year and a half on: the service's own is nearly over, the gateway's is.
    later = now_ms() + 710 * DAY_MS
    plan = plan_of(site, tmp_path, site.place / "services/ingestor.pem")
    found = {each.what: each for each in doctor.examine(plan, lambda: later)}
    assert found["certificate for the broker"].level == "warn"
    assert found["certificate of the API"].level == "warn"
    assert "has expired on" in found["certificate of cq.gw-1"].found
    # And with a clock that was never set nothing is good yet.
    found = {each.what: each for each in doctor.examine(plan, lambda: 5)}
    assert found["clock"].level == "bad"
    assert "not good yet by our clock" in found["certificate of the API"].found


def test_files_that_rotted_are_bad_by_name_and_hide_nothing_else(tmp_path: Path) -> None:
    cloud = Ingestor(tmp_path, servers.free_port())
    cloud.gateway("gw")
    cloud.start()
    assert cloud.process.stop() == 0
    assert "ok   quarantine: 0 items" in cloud.command("doctor").stdout
    for name in ("quarantine", "cursors"):
        for file in (tmp_path / "state").glob(f"{name}.db-*"):
            file.unlink()
        (tmp_path / f"state/{name}.db").write_bytes(b"this is no database" * 1000)
    ended = cloud.command("doctor")
    assert ended.returncode == 2, ended.stderr
    for name in ("quarantine", "cursors"):
        assert f"state/{name}.db: {name} cannot be opened: file is not a database" in ended.stdout
    assert "BAD  broker: no connection" in ended.stdout


def test_a_full_or_foreign_disk_is_bad(tmp_path: Path) -> None:
    assert machine.disk(tmp_path / "not/yet/there").level in ("ok", "warn")
    assert machine.disk(Path("/proc/1/nowhere")).level == "bad"


def test_the_worst_finding_is_the_exit_code_and_json_says_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    three = [
        finding.ok("a", "well"),
        finding.warn("b", "soon", "do"),
        finding.bad("c", "no", "act"),
    ]
    assert [finding.tell(three[:n], as_json=False) for n in range(4)] == [0, 0, 1, 2]
    capsys.readouterr()
    assert finding.tell(three, as_json=True) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["code"] == 2
    assert said["findings"][2] == {"what": "c", "found": "no", "cure": "act", "level": "bad"}
