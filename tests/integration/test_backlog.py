"""Everybody comes back after a long time at once: the ingestor's memory stays where it was, and what
is read meanwhile does not wait for it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration import servers
from tests.integration.ingestor_process import Ingestor

pytestmark = pytest.mark.mosquitto
_MOST_GROWTH_MB = 160  # the broker's window of 500 messages, a group, and what a sink has in hand


async def fleet(ingestor: Ingestor, site: str, *words: str) -> dict[str, Any]:
    """`plant-sim fleet` for one site; its figures, or its configuration with `--enrol`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", "fleet", "--site", site, "--json"),
        *("--state", str(ingestor.directory / site)),
        *("--broker", f"127.0.0.1:{ingestor.broker_port}"),
        *("--receipt-key", str(ingestor.directory / "receipt.key.pub"), *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    out, _ = await process.communicate()
    return {} if "--enrol" in words else json.loads(out)


def memory_mb(pid: int, what: str) -> float:
    """VmRSS or VmHWM, the most it ever had."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise AssertionError(what)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("gateways", "backlog", "live_s", "is_timed"),
    [(20, "12h", 6, False), pytest.param(200, "7d", 120, True, marks=pytest.mark.full)],
)
async def test_a_backlog_costs_no_memory_and_delays_nobody(
    tmp_path, gateways, backlog, live_s, is_timed
):
    old = ("--gateways", str(gateways), "--meters", "5")
    new = ("--gateways", "10", "--meters", "5")
    with servers.mosquitto(tmp_path / "mosquitto") as (_, port):
        ingestor = Ingestor(tmp_path / "cloud", port)
        for site, words in (("old", old), ("new", new)):
            await fleet(ingestor, site, *words, "--enrol")
            ingestor.extra += (ingestor.directory / site / "gateways.toml").read_text()
        try:
            await asyncio.to_thread(ingestor.start_connected)
            pid = ingestor.process.pid
            before_mb = memory_mb(pid, "VmRSS")
            often = ("--interval", "60", "--pack", "60", "--publish", "60", "--for", "1s")
            late = asyncio.create_task(fleet(ingestor, "old", *old, *often, "--backlog", backlog))
            live = await fleet(ingestor, "new", *new, "--for", f"{live_s}s")
            found = await late
            grown_mb = memory_mb(pid, "VmHWM") - before_mb
        finally:
            ingestor.process.kill()
    print(f"memory {before_mb:.0f} MB and {grown_mb:.0f} more; backlog {found}; live {live}")
    assert (found["lost"], live["lost"]) == (0, 0)
    assert found["backlog"]["receipted"] == found["backlog"]["segments"] >= 20 * 12
    assert grown_mb < _MOST_GROWTH_MB
    if is_timed:
        assert live["live"]["receipt_p99_ms"] < 5000
