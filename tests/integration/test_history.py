"""What a real InfluxDB has gathered, in the journal: exact, once, however often it was interrupted."""

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from ingestor import history
from ingestor.commands.history import _sender
from ingestor.sinks.influxdb.server import Server
from tests import plain_http
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from wire.errors import BadData, TransientError
from wire.segment import open_segment

T0_MS = 1_790_000_000_000
POINTS = 3_000
_MAP = """
site = "s1"
state = "{place}"
[influxdb]
url = "{influx}"
database = "energy"
[ingestor]
url = "{url}"
key_file = "{place}/api.key"
[[series]]
measurement = "power"
field = "kwh_total"
tags = {{ device = "pm 1's" }}
meter = "m-1"
quantity = "active_energy_import"
unit = "MWh"
[[series]]
measurement = "power"
field = "watts"
tags = {{ device = "pm 1's" }}
meter = "m-1"
quantity = "active_power"
"""


def register(n: int) -> Decimal:
    """In MWh, with decimals a double has no exact form for; begins anew at 1500."""
    return Decimal(n if n < 1_500 else n - 1_500) / 10_000


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.influxdb(tmp_path_factory.mktemp("influx")) as (_, url):
        plain_http.post(f"{url}/query", params={"q": 'CREATE DATABASE "energy"'}).raise_for_status()
        lines = [
            f"power,device=pm\\ 1's kwh_total={register(n)},watts={n % 7} {T0_MS + n * 1000}"
            for n in range(POINTS)
        ]
        lines.append(f"power,device=other kwh_total=1 {T0_MS}")
        for begin in range(0, len(lines), 10_000):
            body = "\n".join(lines[begin : begin + 10_000])
            asked = {"db": "energy", "precision": "ms"}
            plain_http.post(f"{url}/write", params=asked, content=body).raise_for_status()
        yield url


@pytest.fixture
def cloud(tmp_path: Path, influx: str) -> Iterator[Ingestor]:
    made = Ingestor(tmp_path / "cloud", servers.free_port())
    place = made.directory / "history"
    place.mkdir()
    (place / "api.key").write_text("secret\n")
    (made.directory / "history.toml").write_text(
        _MAP.format(place=place, influx=influx, url=made.url)
    )
    told = command(made, "key")
    assert told.stdout.startswith("ed25519:"), told.stderr
    gateway = made.gateway("history")
    (made.directory / f"{gateway.name}.pub").write_text(told.stdout)
    made.start()
    yield made
    made.process.kill()


def command(cloud: Ingestor, word: str) -> "subprocess.CompletedProcess[str]":
    words = [
        sys.executable,
        "-m",
        "wattprint",
        "history",
        word,
        str(cloud.directory / "history.toml"),
    ]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def imported(cloud: Ingestor) -> dict[str, dict[int, Decimal]]:
    """Every reading of the journal; none twice."""
    found: dict[str, dict[int, Decimal]] = {}
    with closing(cloud.journal()) as journal:
        for record in journal.of_kind("s1", "segment"):
            for table in open_segment(record.data).tables:
                assert table.quality == "backfilled"
                for sample in table.samples():
                    for quantity, (mantissa, exponent) in sample.values.items():
                        readings = found.setdefault(quantity, {})
                        assert sample.t_ms not in readings
                        readings[sample.t_ms] = Decimal(mantissa).scaleb(exponent)
    return found


@pytest.mark.influxdb
def test_all_of_it_comes_exactly_and_only_once(cloud: Ingestor) -> None:
    surveyed = command(cloud, "survey")
    assert surveyed.stdout.count(f"{POINTS} points from 2026-09-21") == 2
    done = command(cloud, "import")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"done: {2 * POINTS} points\n")
    found = imported(cloud)
    expected = {T0_MS + n * 1000: register(n) * 1000 for n in range(POINTS)}
    assert found["active_energy_import"] == expected
    assert found["active_power"] == {T0_MS + n * 1000: Decimal(n % 7) for n in range(POINTS)}
    with closing(cloud.journal()) as journal:
        events = [
            event
            for record in journal.of_kind("s1", "segment")
            for event in open_segment(record.data).events
        ]
    [fell] = events
    assert (fell.event, fell.t_ms) == ("reset", T0_MS + 1_500_000)
    assert (fell.detail["closing"], fell.detail["opening"]) == ("149.9", "0")
    assert command(cloud, "import").stdout == "done: 0 points\n"


@pytest.mark.influxdb
def test_times_finer_than_a_millisecond_end_and_repeat_nothing(cloud: Ingestor) -> None:
    plan = history.load(cloud.directory / "history.toml")
    text = (cloud.directory / "history.toml").read_text().replace('"power"', '"fine"')
    (cloud.directory / "history.toml").write_text(text)
    lines = [
        f"fine,device=pm\\ 1's kwh_total={n},watts={n} {(T0_MS + n * 1000) * 10**6 + 345_678}"
        for n in range(10)
    ]
    asked = {"url": f"{plan.influxdb.url}/write", "params": {"db": "energy"}}
    plain_http.post(**asked, content="\n".join(lines)).raise_for_status()
    plan = history.load(cloud.directory / "history.toml")
    with closing(Server(plan.influxdb.url, "energy", 30.0)) as server:
        steps = list(itertools.islice(history.run(plan, server, _sender(plan), points=4), 9))
        assert [step.points for step in steps] == [4, 4, 2] * 2
        assert {name: len(found) for name, found in imported(cloud).items()} == {
            "active_energy_import": 10,
            "active_power": 10,
        }


@pytest.mark.influxdb
def test_of_points_within_one_millisecond_the_last_is_taken_and_the_others_are_counted(
    cloud: Ingestor,
) -> None:
    path = cloud.directory / "history.toml"
    path.write_text(path.read_text().replace('"power"', '"often"'))
    plan = history.load(path)
    # Two within a ms, none beside, more than a page within one; the register falls to 5 in the last.
    times = [(0, 0), (1, 100), (1, 900_000), (2, 0), *((3, n) for n in range(7)), (4, 1), (4, 2)]
    values = [*range(len(times) - 1), 5]
    lines = [
        f"often,device=pm\\ 1's kwh_total={n},watts={n} {(T0_MS + ms) * 10**6 + ns}"
        for n, (ms, ns) in zip(values, times, strict=True)
    ]
    asked = {"url": f"{plan.influxdb.url}/write", "params": {"db": "energy"}}
    plain_http.post(**asked, content="\n".join(lines)).raise_for_status()
    with closing(Server(plan.influxdb.url, "energy", 30.0)) as server:
        steps = [s for _ in range(2) for s in history.run(plan, server, _sender(plan), points=2)]
        assert sum(step.points for step in steps) == 2 * 5
        assert list(history.left_out(plan, server)) == [
            f"m-1 {name}: 8 points with a later one in their millisecond"
            for name in ("active_energy_import", "active_power")
        ]
    expected = {T0_MS + ms: Decimal(n) for ms, n in enumerate([0, 2, 3, 10, 5])}
    assert imported(cloud)["active_power"] == expected
    # Nanoseconds apart, and still two meters.
    path.write_text(path.read_text().replace('{ device = "pm 1\'s" }', "{}"))
    plan = history.load(path)
    lines = [
        f"often,device={device} kwh_total=9,watts=9 {(T0_MS + 60_000) * 10**6 + ns}"
        for ns, device in enumerate(("one", "other"))
    ]
    plain_http.post(**asked, content="\n".join(lines)).raise_for_status()
    with (
        closing(Server(plan.influxdb.url, "energy", 30.0)) as server,
        pytest.raises(BadData, match="two values at one time: name more tags"),
    ):
        list(history.run(plan, server, _sender(plan), points=1))


@pytest.mark.influxdb
def test_points_of_a_clock_that_was_wrong_are_left_out_and_counted(cloud: Ingestor) -> None:
    path = cloud.directory / "history.toml"
    plan = history.load(path)
    path.write_text(path.read_text().replace('"power"', '"odd"'))
    times = [1000, 2000, T0_MS, T0_MS + 1000, 4_000_000_000_000]
    lines = [f"odd,device=pm\\ 1's kwh_total={n},watts={n} {t}" for n, t in enumerate(times)]
    asked = {"db": "energy", "precision": "ms"}
    url = f"{plan.influxdb.url}/write"
    plain_http.post(url, params=asked, content="\n".join(lines)).raise_for_status()
    told = command(cloud, "import")
    assert told.returncode == 0, told.stderr
    assert [line for line in told.stdout.splitlines() if line.startswith("left out")] == [
        "left out: m-1 active_energy_import: 2 points before the year 2000",
        "left out: m-1 active_energy_import: 1 points later than now",
        "left out: m-1 active_power: 2 points before the year 2000",
        "left out: m-1 active_power: 1 points later than now",
    ]
    assert imported(cloud)["active_power"] == {T0_MS: Decimal(2), T0_MS + 1000: Decimal(3)}


@pytest.mark.influxdb
def test_a_series_imported_and_kept_no_longer_holds_up_no_other(cloud: Ingestor) -> None:
    path = cloud.directory / "history.toml"
    plan = history.load(path)
    text = path.read_text().replace('"power"', '"gone"', 1).replace('"power"', '"stays"')
    path.write_text(text)
    url, t_ms = plan.influxdb.url, T0_MS

    def write(measurement: str, field: str, t_ms: int) -> None:
        asked = {"db": "energy", "precision": "ms"}
        line = f"{measurement},device=pm\\ 1's {field}=1 {t_ms}"
        plain_http.post(f"{url}/write", params=asked, content=line).raise_for_status()

    write("gone", "kwh_total", t_ms)
    write("stays", "watts", t_ms)
    assert command(cloud, "import").stdout.endswith("done: 2 points\n")
    asked = {"db": "energy", "q": "DROP MEASUREMENT gone"}
    plain_http.post(f"{url}/query", params=asked).raise_for_status()
    write("stays", "watts", t_ms + 1000)
    told = command(cloud, "import")
    assert told.stdout.endswith("done: 1 points\n"), told.stderr


class Crash(Exception):
    pass


@pytest.mark.influxdb
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_a_segment_loses_and_repeats_nothing(cloud: Ingestor, when: str) -> None:
    plan = history.load(cloud.directory / "history.toml")
    sent = 0

    def failing(send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def work(data: bytes) -> None:
            nonlocal sent
            sent += 1
            if when == "after":
                send(data)
            if sent % 2:
                raise Crash
            if when == "before":
                send(data)

        return work

    with closing(Server(plan.influxdb.url, "energy", 30.0)) as server:
        for _ in range(20):
            try:
                for _ in history.run(plan, server, failing(_sender(plan)), points=1000):
                    pass
                break
            except Crash:
                continue
    assert {name: len(found) for name, found in imported(cloud).items()} == {
        "active_energy_import": POINTS,
        "active_power": POINTS,
    }


@pytest.mark.influxdb
def test_what_cannot_be_one_meter_is_refused(cloud: Ingestor) -> None:
    path = cloud.directory / "history.toml"
    text = path.read_text()
    path.write_text(text.replace('tags = { device = "pm 1\'s" }', ""))
    refused = command(cloud, "import")
    assert refused.returncode == 1
    assert "two values at one time: name more tags" in refused.stderr
    path.write_text(text.replace('"watts"', '"wats"'))
    missing = "m-1 active_power: the database has no point of it; are measurement, field and tags"
    surveyed, refused = command(cloud, "survey"), command(cloud, "import")
    assert (surveyed.returncode, surveyed.stdout.count(missing)) == (1, 1)
    assert f"m-1 active_energy_import: {POINTS} points" in surveyed.stdout
    assert (refused.returncode, refused.stderr.count(missing)) == (1, 1)
    path.write_text(text.replace('unit = "MWh"', 'unit = "m3"'))
    assert "series[0].unit" in command(cloud, "import").stderr
    assert imported(cloud) == {}


@pytest.mark.influxdb
def test_a_key_that_is_not_known_is_said_so(cloud: Ingestor) -> None:
    plan = history.load(cloud.directory / "history.toml")
    (plan.state / "gateway.key").unlink()
    with (
        closing(Server(plan.influxdb.url, "energy", 30.0)) as server,
        pytest.raises(BadData, match="is not known for site s1"),
    ):
        next(history.run(plan, server, _sender(plan)))
    cloud.process.kill()
    with (
        closing(Server("http://127.0.0.1:9", "energy", 3.0)) as nobody,
        pytest.raises(TransientError),
    ):
        next(history.survey(plan, nobody))
