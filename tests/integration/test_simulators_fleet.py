"""`plant-sim fleet` against a real broker and a real ingestor: everything is signed for, exactly."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.fleet.gateway import meter_name, values
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from wire.segment import open_segment

pytestmark = pytest.mark.mosquitto
GATEWAYS, METERS = 5, 3


@pytest.fixture
def ingestor(tmp_path: Path) -> Iterator[Ingestor]:
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        made = Ingestor(tmp_path / "cloud", port)
        yield made
        made.process.kill()


async def plant_sim(*words: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", "fleet", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, log = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, out.decode(), log.decode()


def words(ingestor: Ingestor) -> tuple[str, ...]:
    return (
        *("--state", str(ingestor.directory / "fleet"), "--gateways", str(GATEWAYS)),
        *("--meters", str(METERS), "--broker", f"127.0.0.1:{ingestor.broker_port}"),
        *("--receipt-key", str(ingestor.directory / "receipt.key.pub")),
    )


async def enrol(ingestor: Ingestor) -> None:
    code, out, _ = await plant_sim(*words(ingestor), "--enrol")
    assert code == 0
    assert "5 keys in" in out
    ingestor.extra = (ingestor.directory / "fleet" / "gateways.toml").read_text()
    await asyncio.to_thread(ingestor.start_connected)


def check_journal(ingestor: Ingestor) -> int:
    """Every value is the one that its gateway, meter and instant give; how many segments."""
    journal = ingestor.journal()
    records = journal.of_kind("load", "segment")
    journal.close()
    for record in records:
        segment = open_segment(record.data)
        number = int(segment.header.gateway.removeprefix("gw-")) - 1
        names = {meter_name(n): n for n in range(METERS)}
        for table in segment.tables:
            for sample in table.samples():
                assert sample.values == values(number, names[sample.meter], sample.t_ms)
    return len(records)


async def test_a_backlog_and_what_follows_arrive_whole_and_exact(ingestor):
    await enrol(ingestor)
    load = ("--backlog", "1h", "--interval", "10", "--publish", "10", "--pack", "90")
    code, out, log = await plant_sim(*words(ingestor), *load, "--for", "50s", "--fast", "--json")
    assert code == 0, log
    figures: dict[str, Any] = json.loads(out)
    assert (figures["lost"], figures["refused"]) == (0, 0)
    backlog, live = figures["backlog"], figures["live"]
    assert (backlog["segments"], backlog["receipted"]) == (20, 20)
    assert backlog["readings"] == GATEWAYS * METERS * 2 * 360
    assert (live["segments"], live["readings"]) == (25, GATEWAYS * METERS * 2 * 5)
    for phase in (backlog, live):
        assert 0 < phase["receipt_p50_ms"] <= phase["receipt_p99_ms"] <= phase["receipt_max_ms"]
        assert phase["readings_per_s"] > 0
    assert check_journal(ingestor) == 45


async def test_an_ingestor_that_is_killed_meanwhile_costs_nothing(ingestor):
    await enrol(ingestor)
    sending = asyncio.create_task(plant_sim(*words(ingestor), "--for", "6s", "--json"))
    for _ in range(2):
        await asyncio.sleep(2)
        await asyncio.to_thread(ingestor.process.kill)
        await asyncio.to_thread(ingestor.process.start)
    code, out, log = await sending
    assert code == 0, log
    figures = json.loads(out)
    assert figures["lost"] == 0
    assert figures["live"]["receipted"] == figures["live"]["segments"] == 30
    assert check_journal(ingestor) == 30


async def test_gateways_nobody_knows_are_told_that_nothing_was_signed_for(ingestor):
    await enrol(ingestor)
    strangers = ("--site", "load", "--state", str(ingestor.directory / "others"))
    load = ("--for", "2s", "--fast", "--patience", "2s")
    code, out, _ = await plant_sim(*words(ingestor), *strangers, *load)
    assert code == 1
    assert "nothing was signed for: are these gateways enrolled" in out
    assert "lost: 10 segments" in out
