"""The calculator as a process: a real journal file, a real socket, kill -9, Ctrl-C."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from calc_stream.ledger.store import open_store
from tests import plain_http
from tests.integration.calculator_process import Calculator, Follower
from tests.integration.servers import wait_until
from tests.unit.calc_stream_live.plant import SITE, Plant, run_to_end
from tests.unit.ingestor.test_config import sample

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(tmp_path)
    yield plant
    plant.writer.close()


def test_a_late_reading_restates_on_the_open_page(plant: Plant, tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    with calculator.running():
        calculator.reach(10)
        with plain_http.stream("GET", f"{calculator.base}/v1/live") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            page = Follower(stream.iter_lines())
            page.next()
            assert page.event == "snapshot"
            before = page.until(10)  # the ledger is told of a record before the page is
            assert page.offset == 10
            energies = {row["batch"]: row["energy_kwh"] for row in before["batches"]}
            assert energies == {"P": "0.057500", "Q": "0.022500"}
            assert before["accounts"] == [
                {
                    "account": "pool:press",
                    "kwh": "0.050000",
                    "by_source": {"grid": "0.050000"},
                    "units": {"grid": "kWh"},
                }
            ]
            plant.the_late_reading()
            after = page.until(11)
            assert page.event == "change"
        batches = {row["batch"]: row for row in after["batches"]}
        assert batches["P"]["energy_kwh"] == "0.060000"
        assert batches["Q"]["energy_kwh"] == "0.020000"
        assert batches["P"]["revision"] == batches["Q"]["revision"] == 2
        assert batches["P"]["cause"] == "segment gw-1/s1/3 (offset 11)"
        assert after["accounts"] == before["accounts"]
        assert after["closure"] == {"grid": "0.000000"}
        assert after["machines"][0]["power_w"] == 5000
        assert after["machines"][0]["power_history"][-1][1] == 5000
        assert {meter["meter"]: meter["register"] for meter in after["meters"]} == {
            "m": "1.130000",
            "m-press": "1.130000",
        }


def test_the_stream_speaks_without_news_and_after_reconnecting(
    plant: Plant, tmp_path: Path
) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    with calculator.running():
        calculator.reach(10)
        with plain_http.stream("GET", f"{calculator.base}/v1/live") as stream:
            page = Follower(stream.iter_lines())
            first = page.until(10)["now_ms"]
            for _ in range(3):  # the first may tell of an alarm
                second = page.next()["now_ms"]
            assert page.event == "change"
            assert 0 < second - first < 60_000  # three of 5 s; who speaks may be late
        again = {"Last-Event-ID": page.id}
        plant.the_late_reading()
        with plain_http.stream("GET", f"{calculator.base}/v1/live", headers=again) as stream:
            rest = Follower(stream.iter_lines(), known=page.known)
            rest.until(11)
            assert rest.event == "change", "what it knows is enough"
            assert {row["batch"]: row["revision"] for row in rest.known["batches"]} == {
                "P": 2,
                "Q": 2,
            }


def test_a_reader_finds_nothing_lost_after_the_server_was_killed(
    plant: Plant, tmp_path: Path
) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    process = calculator.start()
    calculator.reach(10)
    with plain_http.stream("GET", f"{calculator.base}/v1/live") as stream:
        page = Follower(stream.iter_lines())
        page.until(10)
    process.kill()
    process.communicate()
    plant.the_late_reading()
    with calculator.running():
        again = {"Last-Event-ID": page.id}
        with plain_http.stream("GET", f"{calculator.base}/v1/live", headers=again) as stream:
            rest = Follower(stream.iter_lines())
            rest.next()
            assert rest.event == "snapshot"
            assert rest.offset >= page.offset, "never older than what was seen"
            known = rest.until(11)
        assert {row["batch"]: row["revision"] for row in known["batches"]} == {"P": 2, "Q": 2}
        happened = [(each["t_ms"], each["event"]) for each in known["events"]]
        assert happened == [(each["t_ms"], each["event"]) for each in page.known["events"]]
        assert [point[1] for point in known["machines"][0]["power_history"]] == [5000, 5000]
        assert calculator.get("/v1/events")["events"][0]["id"] == "e6"


def test_a_slow_reader_loses_old_snapshots_and_holds_nobody_up(
    plant: Plant, tmp_path: Path
) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    with calculator.running():
        calculator.reach(10)
        with socket.create_connection(("127.0.0.1", calculator.port)) as lazy:
            lazy.sendall(b"GET /v1/live HTTP/1.1\r\nHost: x\r\n\r\n")
            for second in range(200, 240):
                plant.read((second, 1130))
            calculator.reach(50)
            assert calculator.shown(50)["site"] == SITE


def test_kill_and_resume_gives_the_same_bytes(plant: Plant, tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    process = calculator.start()
    calculator.reach(10)
    process.kill()
    process.communicate()
    plant.the_late_reading()
    process = calculator.start()
    calculator.reach(11)
    process.kill()
    process.communicate()
    with calculator.running():
        calculator.reach(11)
    run_to_end(plant, tmp_path / "undisturbed")
    killed, undisturbed = open_store(tmp_path / "calc"), open_store(tmp_path / "undisturbed")
    assert killed.state(SITE) == undisturbed.state(SITE)
    assert killed.rows(SITE) == undisturbed.rows(SITE)
    for batch in ("P", "Q"):
        assert killed.revisions(SITE, batch) == undisturbed.revisions(SITE, batch)
        assert len(killed.revisions(SITE, batch)) == 2


def test_the_api_answers_as_promised(plant: Plant, tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    plant.the_late_reading()
    with calculator.running():
        calculator.reach(11)
        results = calculator.get("/v1/results")
        assert results["accounts"] == {
            "batch:P": {"grid": "60000"},
            "batch:Q": {"grid": "20000"},
            "pool:press": {"grid": "50000"},
        }
        assert results["closure"] == {"grid": "0"}
        assert results["span"][1] - results["span"][0] == 180_000
        assert results["intervals"] == 5  # cut at 0 30 60 90 120 180
        status = calculator.get("/v1/status")
        assert (status["meters"], status["segments"], status["batches_closed"]) == (2, 3, 2)
        assert status["readings"] == 16  # 4 answers x 2 meters x 2 quantities
        page = calculator.get("/v1/batches?limit=1")
        rest = calculator.get(f"/v1/batches?limit=1&after={page['next']}")
        assert [r["batch"] for r in page["batches"] + rest["batches"]] == ["Q", "P"]
        assert rest["next"] is None
        assert calculator.get("/v1/batches?state=live")["batches"] == []
        assert calculator.get("/v1/batches/P")["revision"] == 2
        wait_until(
            lambda: calculator.get("/v1/status")["committed_offset"] == 11, "the ledger on disk"
        )
        revisions = calculator.get("/v1/batches/P/revisions")["revisions"]
        assert [row["energy_kwh"] for row in revisions] == ["0.057500", "0.060000"]
        (factor,) = calculator.get("/v1/products/wheel/factors")["factors"]
        assert (factor["batches"], factor["good"], factor["energy_kwh"]) == (2, "6", "0.08")
        assert factor["kwh_per_unit"] == "0.0133333333333"
        assert len(calculator.get("/v1/meters")["meters"]) == 2
        answer = plain_http.get(f"{calculator.base}/v1/batches", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.text.splitlines()) == 3
        answer = plain_http.get(f"{calculator.base}/v1/products/wheel/factors?format=json")
        assert answer.json()["products"][0]["product"] == "wheel"


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    with calculator.running():
        page = plain_http.get(f"{calculator.base}/")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        script = plain_http.get(f"{calculator.base}/static/app.js")
        assert "javascript" in script.headers["content-type"]
        assert plain_http.get(f"{calculator.base}/static/../app.py").status_code == 404


def problem(answer: httpx.Response, status: int) -> str:
    """The detail of a refusal in the usual form."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert {"type", "title", "status", "detail"} <= set(told) | {"type"}
    return str(told["detail"])


def test_errors_are_problem_documents(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    with calculator.running():
        for path in ("/v1/results", "/v1/snapshot", "/v1/batches"):
            answer = plain_http.get(f"{calculator.base}{path}")
            assert "journal" in problem(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
        Plant(tmp_path).example_4()
        calculator.reach(10)
        for path, status in (
            ("/v1/batches/none", 404),
            ("/v1/batches/none/revisions", 404),
            ("/v1/products/none/factors", 404),
            ("/v1/nothing", 404),
            ("/v1/batches?limit=0", 422),
            ("/v1/batches?after=none", 422),
            ("/v1/batches?format=papyrus", 422),
        ):
            assert problem(plain_http.get(f"{calculator.base}{path}"), status)
        posted = plain_http.post(f"{calculator.base}/v1/batches")
        assert problem(posted, 405)
        assert posted.headers["allow"] == "GET"
        changed = plain_http.put(f"{calculator.base}/v1/events")
        assert problem(changed, 405)
        assert changed.headers["allow"] == "GET, POST"
        strange = plain_http.get(f"{calculator.base}/v1/batches", headers={"Accept": "image/png"})
        assert "application/json" in problem(strange, 406)


def test_export_and_explain_read_the_ledger(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.the_late_reading()
    run_to_end(plant, tmp_path / "calc")
    calculator = Calculator(tmp_path)
    ledger = ("--ledger", str(tmp_path / "calc"))
    exported = calculator.command("export", *ledger, "--format", "csv")
    assert exported.returncode == 0
    assert [line.split(",")[1] for line in exported.stdout.splitlines()] == ["batch", "P", "Q"]
    out = tmp_path / "factors.json"
    done = calculator.command(
        *("export", *ledger, "--format", "json", "--what", "products", "--out", str(out))
    )
    assert done.returncode == 0
    assert json.loads(out.read_text())["products"][0]["basis"]


def test_explain_walks_back_to_registers_and_segments(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    plant.the_late_reading()
    run_to_end(plant, tmp_path / "calc")
    calculator = Calculator(tmp_path)
    config = ("--config", str(calculator.config))
    told = calculator.command("explain", "P", *config, "--json")
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert [(e["offset"], e["event"]["type"]) for e in found["events"]] == [
        (3, "start"),
        (4, "stop"),
        (7, "quantity"),
    ]
    meters = {meter["meter"]: meter for meter in found["meters"]}
    assert set(meters) == {"m", "m-press"}
    # 30 s to 90 s stands on the readings at 0 s, 60 s and, told late, 120 s.
    press = meters["m-press"]
    assert [part["offset"] for part in press["segments"]] == [9, 11]
    assert press["readings"] == 3
    assert (press["since"]["total"], press["until"]["total"]) == ("1.050000", "1.110000")
    around = [press["since"][side] for side in ("before", "after")]
    assert [(r["register"], r["offset"]) for r in around] == [("1.000", 9), ("1.100", 9)]
    assert (press["counted"], press["to_batch"], press["share"]) == ("0.060000", "0.060000000", "1")
    (source,) = found["sources"]
    assert (source["amount"], source["entered"], source["rounding"]) == (
        *("0.060000", "0.060000000", "0"),
    )
    (mass,) = source["masses"]
    assert (mass["factor"]["id"], mass["kg"]) == ("cn-grid-footprint-2024", "0.034662")
    assert (mass["column"], mass["counted"]) == ("life_cycle", True)
    tree = calculator.command("explain", "P", *config).stdout
    assert "segment gw-1/s1/3" in tree
    assert "0.060000 kWh × 0.5777 kgCO2e/kWh = 0.034662 kg" in tree
    overridden = ("--ledger", str(tmp_path / "calc"), "--journal", str(plant.journal))
    assert calculator.command("explain", "P", *overridden).stdout == tree
    first = json.loads(calculator.command("explain", "P", *config, "--revision=1", "--json").stdout)
    assert first["sources"][0]["entered"] == "0.057500000"  # without the late reading


def test_a_segment_that_explain_names_can_be_shown(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    config = sample(tmp_path)
    config.write_text(config.read_text().replace('"journal.db"', f'"{plant.journal}"'))

    def show(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "ingestor", "segment", "show", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    shown = show("--config", str(config), "--offset", "9", "--json")
    assert shown.returncode == 0, shown.stderr
    header, *answers = map(json.loads, shown.stdout.splitlines())
    assert (header["stream"], header["seq"], header["readings"]) == ("s1", 1, 8)
    assert [(a["meter"], a["values"]["active_energy_import"]) for a in answers] == [
        *(("m", "1.000"), ("m", "1.100"), ("m-press", "1.000"), ("m-press", "1.100")),
    ]
    packet = tmp_path / "packet.seg"
    packet.write_bytes(plant.writer.read(SITE, 8, 1)[0].data)
    assert show(str(packet), "--json").stdout == shown.stdout
    for words, problem in (
        (("--offset", "3"), "no segment but of kind event"),
        (("--offset", "99"), "no record 99"),
        (("--offset", "9", "--site", "x"), "no record 9"),
        ((), "FILE, or --config and --offset"),
    ):
        refused = show("--config", str(config), *words)
        assert refused.returncode == 2
        assert problem in refused.stderr


def test_explain_without_a_configuration_names_the_cure(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "calc_stream", "explain", "P"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    refused = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("calc-stream: --config: ")
    assert refused.stderr.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error(plant: Plant, tmp_path: Path) -> None:
    plant.example_4()
    run_to_end(plant, tmp_path / "calc")
    calculator = Calculator(tmp_path)
    words = ("export", "--ledger", str(tmp_path / "calc"), "--format", "csv")
    with subprocess.Popen(
        [sys.executable, "-m", "calc_stream", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert calculator.command(*words).stdout
