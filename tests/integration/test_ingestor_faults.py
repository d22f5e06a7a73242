"""What is in quarantine leaves it only for the journal; with a real broker and a real process."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from httpx import Client

from tests.integration import servers
from tests.integration.ingestor_process import Ingestor, Sender
from tests.integration.servers import Process
from wire.messages import Sample

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


def listed(ingestor: Ingestor) -> list[str]:
    return ingestor.command("quarantine", "list").stdout.splitlines()


@pytest.mark.mosquitto
async def test_a_replay_nobody_answers_or_that_is_refused_again_loses_nothing(
    ingestor: Ingestor,
) -> None:
    gateway = ingestor.gateway("gw-1")
    future = Sample("m-1", gateway.t_ms + 10_000 * DAY_MS, {"active_power": (1, 0)})
    sealed = [gateway.seal(), gateway.seal([future]), gateway.seal()]
    ingestor.start_connected()
    await Sender(ingestor, gateway, sealed).send_all()
    refused = ingestor.command("quarantine", "replay", "1")
    assert refused.returncode == 1
    assert "1\trefused again: a time of" in refused.stdout
    assert len(listed(ingestor)) == 1
    assert ingestor.process.stop() == 0
    alone = ingestor.command("quarantine", "replay", "1")
    assert alone.returncode == 1
    assert "1\tstays: the ingestor did not answer" in alone.stdout
    assert len(listed(ingestor)) == 1


@pytest.mark.mosquitto
async def test_a_refused_segment_is_replayed_into_the_journal(ingestor: Ingestor) -> None:
    gateway = ingestor.gateway("gw-1")
    future = Sample("m-1", gateway.t_ms + 10_000 * DAY_MS, {"active_power": (1, 0)})
    sealed = [gateway.seal(), gateway.seal([future]), gateway.seal()]
    ingestor.start_connected()
    await Sender(ingestor, gateway, sealed).send_all()
    # An old clock calls nothing future: as if the journal had been written on that day.
    assert ingestor.process.stop() == 0
    checkpoint = ingestor.directory / "state" / "standing.json"
    told = checkpoint.read_text()
    newest = told.partition('"newest_ms":')[2].partition(",")[0]
    checkpoint.write_text(told.replace(newest, str(gateway.t_ms + 20_000 * DAY_MS)))
    ingestor.start_connected()
    taken = ingestor.command("quarantine", "replay")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert taken.stdout.endswith("1 taken, 0 stay in quarantine\n")
    assert listed(ingestor) == []
    assert ingestor.segments(gateway) == [sealed[0], sealed[2], sealed[1]]
    verified = ingestor.command("journal", "verify")
    assert "3 segments, 0 tree heads, all good" in verified.stdout, verified.stderr
    with closing(sqlite3.connect(ingestor.directory / "journal.db")) as db:
        assert db.execute("SELECT count(*) FROM record WHERE kind = 'correction'").fetchone() == (
            1,
        )


def test_a_history_that_rotted_stops_nobody_and_is_made_anew(ingestor: Ingestor) -> None:
    gateway = ingestor.gateway("gw-1")

    def post(http: Client) -> None:
        sealed = gateway.seal(meters=20)
        assert http.post("/v1/s1/segments", content=sealed).status_code == 201

    def state(http: Client) -> str:
        return str(http.get("/v1/status").json()["sites"]["s1"]["sinks"]["embedded"]["state"])

    ingestor.start()
    with ingestor.client() as http:
        for _ in range(20):
            post(http)
        servers.wait_until(lambda: state(http) == "ok", "the history")
    assert ingestor.process.stop() == 0
    path = ingestor.directory / "state/history.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    ingestor.start()
    with ingestor.client() as http:
        post(http)
        servers.wait_until(lambda: "history.db is damaged" in state(http), "the word of it")
        post(http)
        asked = {"meter": "m-1", "from_ms": gateway.t_ms - 30_000, "to_ms": gateway.t_ms + 1}
        assert http.get("/v1/s1/readings", params=asked).status_code == 503
    assert ingestor.process.stop() == 0
    for file in path.parent.glob("history.db*"):
        file.rename(ingestor.directory / file.name)
    assert ingestor.command("project", "--from", "0").returncode == 0
    ingestor.start()
    with ingestor.client() as http:
        servers.wait_until(lambda: state(http) == "ok", "the history")
        found = http.get("/v1/s1/readings", params=asked).json()["series"]
        assert [len(each["t_ms"]) for each in found] == [22, 22]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full_at_the_start_is_waited_for_and_no_wrong_configuration(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    cloud = Ingestor(folder / "cloud", servers.free_port())
    try:
        gateway = cloud.gateway("gw-1")
        cloud.start()
        with cloud.client() as http:
            assert http.post("/v1/s1/segments", content=gateway.seal()).status_code == 201
        assert cloud.process.stop() == 0
        (folder / "others").write_bytes(bytes(shutil.disk_usage(folder).free))
        ended = cloud.command("run")
        assert ended.returncode == 1, "systemd starts it again, and does not after 2"
        assert "cannot be opened: " in ended.stderr
        assert "move it away" not in ended.stderr
        (folder / "others").unlink()
        cloud.start()
        with cloud.client() as http:
            assert http.post("/v1/s1/segments", content=gateway.seal()).status_code == 201
    finally:
        cloud.process.kill()
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)
