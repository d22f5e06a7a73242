"""kill -9 of every process, at every step it takes and at any moment, while the whole plant runs.

Whatever is killed, everything the agent had committed arrives once: in the journal, in InfluxDB and
in the history, exactly; and the calculator's books are those of a calculator nobody disturbed.
"""

import os
import random
import shutil
import time
from pathlib import Path

import pytest

from calc_stream.ledger.store import open_store
from tests.integration import servers
from tests.integration.calculator_process import Calculator
from tests.integration.crash_plant import BOUNDARIES, METERS, Plant
from tests.unit.calc_stream_live.plant import SITE

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.influxdb,
    pytest.mark.skipif(
        shutil.which("strace") is None and os.environ.get("CI") != "true",
        reason="needs Debian's strace; scripts/test installs it as root",
    ),
]
PARTS = ("agent", "broker", "ingestor", "influxdb", "calc")


@pytest.fixture
def plant(tmp_path: Path):
    made = Plant(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.timeout(1200)  # each kill waits for what is busy
def test_twenty_kills_lose_and_double_nothing(plant: Plant) -> None:
    """Every boundary once, and every process at any moment."""
    disturb(plant, range(len(BOUNDARIES) + 8))


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(20, 220, 20))
def test_two_hundred_kills_lose_and_double_nothing(plant: Plant, first: int) -> None:
    disturb(plant, range(first, first + 20))


def disturb(plant: Plant, seeds: range) -> None:
    """One kill a seed, then every check."""
    plant.start()
    killed = [kill(plant, seed) for seed in seeds]
    plant.settle()
    # Of those on the way of a reading; the counts of calls are small, so that it comes to them.
    missed = [seed for seed, died in zip(seeds, killed, strict=True) if not died]
    assert len(missed) <= len(seeds) // 5, f"these seeds never came to their call: {missed}"
    check(plant)


def kill(plant: Plant, seed: int) -> bool:
    dice = random.Random(seed)
    if seed % 20 < len(BOUNDARIES):
        boundary = BOUNDARIES[seed % 20]
        died = plant.kill_at(boundary, dice.randint(1, 6), patience_s=90)
        part = boundary.part
    else:
        part, died = PARTS[seed % len(PARTS)], True
        time.sleep(dice.uniform(0.2, 1.5))
        plant.kill(part)
    plant.parts[part].start()
    time.sleep(dice.uniform(0, 0.3))
    return died


def check(plant: Plant) -> None:
    hashes, readings = plant.journalled()
    assert hashes == plant.sealed(), "what is in the journal is what the gateway sealed"
    for stream in {stream for stream, _ in hashes}:
        numbers = sorted(seq for its, seq in hashes if its == stream)
        assert numbers == list(range(1, len(numbers) + 1))
    assert max(readings.values()) == 1, "nothing came twice"
    lost = plant.committed - set(readings)
    assert not lost, f"{len(lost)} of {len(plant.committed)} committed readings are nowhere"
    assert plant.on_the_gateway() == set(readings)
    assert len(readings) > 20 * len(METERS)
    points: dict[tuple[object, ...], dict[str, float]] = {}
    for meter, t_ms, quality, values in readings:
        point = points.setdefault((meter, t_ms, quality), {})
        point.update({name: mantissa * 10.0**exponent for name, (mantissa, exponent) in values})
    projected = plant.projected()
    assert projected.keys() == points.keys()
    for place, fields in projected.items():
        assert fields == pytest.approx(points[place], rel=1e-12), place
    assert plant.cloud.command("reconcile").returncode == 0, "of both databases, by hash"
    verified = plant.cloud.command("journal", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    _check_the_books(plant)


def _check_the_books(plant: Plant) -> None:
    offset = plant.cloud.journal().head(SITE)[0]
    plant.calculator.reach(offset)
    assert plant.parts["calc"].stop() == 0
    disturbed = plant.cloud.directory / "calc"
    disturbed.rename(plant.cloud.directory / "disturbed")
    again = Calculator(plant.cloud.directory, servers.free_port())
    with again.running():
        again.reach(offset)
    killed = open_store(plant.cloud.directory / "disturbed")
    undisturbed = open_store(plant.cloud.directory / "calc")
    assert killed.state(SITE)[:2] == undisturbed.state(SITE)[:2]
    assert killed.rows(SITE) == undisturbed.rows(SITE)
