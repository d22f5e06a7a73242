"""The calculator as a process: a real journal file, a real socket, kill -9, Ctrl-C."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from calc_stream.engines.embedded import Engine, Settings
from calc_stream.ledger.store import open_store
from calc_stream.web import app
from calc_stream.web.live import Live
from calc_stream.web.view import View
from tests.integration.calculator_process import Calculator
from tests.unit.calc_stream_live.plant import SITE, Plant, rules, run_to_end

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(tmp_path)
    yield plant
    plant.writer.close()


def next_snapshot(lines: Iterator[str]) -> tuple[str, dict[str, Any]]:
    """(id, snapshot) of the next event of a stream."""
    identity = name = ""
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "id":
            identity = value
        elif key == "event":
            name = value
        elif key == "data":
            assert name == "snapshot"
            return identity, json.loads(value)
    raise AssertionError("the stream ended")


def test_a_late_reading_restates_on_the_open_page(plant: Plant, tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    with calculator.running():
        calculator.reach(10)
        with httpx.stream("GET", f"{calculator.base}/v1/live", timeout=20) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            identity, before = next_snapshot(lines)
            assert identity == "10"
            energies = {row["batch"]: row["energy_kwh"] for row in before["batches"]}
            assert energies == {"P": "0.057500", "Q": "0.022500"}
            assert before["accounts"] == [
                {"account": "pool:press", "kwh": "0.050000", "by_source": {"grid": "0.050000"}}
            ]
            plant.the_late_reading()
            began = time.monotonic()
            while identity != "11":
                identity, after = next_snapshot(lines)
            assert time.monotonic() - began < 2
        batches = {row["batch"]: row for row in after["batches"]}
        assert batches["P"]["energy_kwh"] == "0.060000"
        assert batches["Q"]["energy_kwh"] == "0.020000"
        assert batches["P"]["revision"] == batches["Q"]["revision"] == 2
        assert batches["P"]["cause"] == "segment gw-1/s1/3 (offset 11)"
        assert after["accounts"] == before["accounts"]
        assert after["closure"] == {"grid": "0.000000"}
        assert after["machines"][0]["power_w"] == 5000
        assert after["machines"][0]["power_history"][-1][1] == 5000
        assert {meter["meter"]: meter["energy_kwh"] for meter in after["meters"]} == {
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
        with httpx.stream("GET", f"{calculator.base}/v1/live", timeout=20) as stream:
            lines = stream.iter_lines()
            first, one = next_snapshot(lines)
            _, two = next_snapshot(lines)
            assert 0 < two["now_ms"] - one["now_ms"] <= 6000
        again = {"Last-Event-ID": first}
        with httpx.stream("GET", f"{calculator.base}/v1/live", headers=again, timeout=20) as stream:
            began = time.monotonic()
            assert next_snapshot(stream.iter_lines())[0] == "10"
            assert time.monotonic() - began < 1


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
            assert calculator.get("/v1/snapshot")["site"] == SITE
            time.sleep(0.6)
            assert calculator.get("/v1/snapshot")["offset"] == 50


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
        time.sleep(1.2)  # the ledger on disk may be a second behind
        revisions = calculator.get("/v1/batches/P/revisions")["revisions"]
        assert [row["energy_kwh"] for row in revisions] == ["0.057500", "0.060000"]
        (factor,) = calculator.get("/v1/products/wheel/factors")["factors"]
        assert (factor["batches"], factor["good"], factor["energy_kwh"]) == (2, "6", "0.08")
        assert factor["kwh_per_unit"] == "0.0133333333333"
        assert len(calculator.get("/v1/meters")["meters"]) == 2
        answer = httpx.get(f"{calculator.base}/v1/batches", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.text.splitlines()) == 3
        answer = httpx.get(f"{calculator.base}/v1/products/wheel/factors?format=json")
        assert answer.json()["products"][0]["product"] == "wheel"


def test_the_page_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    with calculator.running():
        page = httpx.get(f"{calculator.base}/")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'self'" in page.headers["content-security-policy"]
        script = httpx.get(f"{calculator.base}/static/app.js")
        assert "javascript" in script.headers["content-type"]
        assert httpx.get(f"{calculator.base}/static/../app.py").status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/batches/none", 404),
        ("/v1/batches/none/revisions", 404),
        ("/v1/products/none/factors", 404),
        ("/v1/nothing", 404),
        ("/v1/batches?limit=0", 422),
        ("/v1/batches?after=none", 422),
        ("/v1/batches?format=papyrus", 422),
        ("/v1/results", 503),
        ("/v1/snapshot", 503),
    ],
)
async def test_errors_are_problem_documents(tmp_path: Path, path: str, status: int) -> None:
    store, view = open_store(tmp_path / "calc", create=True), View()
    engine = Engine(tmp_path / "journal.db", rules(), store, Settings(), view.see)
    if status != 503:
        Plant(tmp_path).example_4()
        engine.turn()
    web = app.build(engine, store, Live(), view, lambda: 0)
    transport = httpx.ASGITransport(app=web)
    async with httpx.AsyncClient(transport=transport, base_url="http://calc") as client:
        answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert set(problem) == {"type", "title", "status", "detail"}


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

    journal = ("--journal", str(plant.journal))
    told = calculator.command("explain", "P", *ledger, *journal, "--json")
    assert told.returncode == 0, told.stderr
    trail = json.loads(told.stdout)["trail"]
    assert [offset for offset, _, _ in trail["events"]] == [3, 4, 7]
    meters = {meter["meter"]: meter for meter in trail["meters"]}
    assert set(meters) == {"m", "m-press"}
    # 30 s to 90 s stands on the readings at 0 s, 60 s and, told late, 120 s.
    assert [part["offset"] for part in meters["m-press"]["segments"]] == [9, 11]
    assert meters["m-press"]["readings"] == 3
    tree = calculator.command("explain", "P", *ledger, *journal)
    assert "segment gw-1/s1/3" in tree.stdout
    assert "0.060000 kWh" in tree.stdout


def test_what_a_person_must_change_is_one_line_and_exit_2(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    good = calculator.config.read_text()
    assert calculator.command("check", "--config", str(calculator.config)).returncode == 0
    for old, new, key in (
        ("lateness_s = 0", 'lateness_s = "x"', "lateness_s"),
        ("lateness_s = 0", 'method = "alchemy"', "alchemy"),
        ("lateness_s = 0", "tempo = 1", "tempo"),
        ('site = "cq-test"', 'site = "other"', "site"),
        ("[web]", "[engine]\nkind = 'perpetual'\n[web]", "perpetual"),
    ):
        assert old in good
        calculator.config.write_text(good.replace(old, new))
        refused = calculator.command("check", "--config", str(calculator.config))
        assert refused.returncode == 2
        assert key in refused.stderr
        assert refused.stderr.count("\n") == 1
    for words in (
        ("export", "--ledger", str(tmp_path / "no"), "--format", "csv"),
        ("factors", "show", "nothing"),
    ):
        refused = calculator.command(*words)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", calculator.port))
        taken.listen()
        refused = calculator.command("run", "--config", str(calculator.config))
    assert refused.returncode == 2
    assert "web.port" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr


def test_sigterm_ends_it_cleanly_while_somebody_looks(plant: Plant, tmp_path: Path) -> None:
    calculator = Calculator(tmp_path)
    plant.example_4()
    process = calculator.start()
    calculator.reach(10)
    with httpx.stream("GET", f"{calculator.base}/v1/live", timeout=20) as stream:
        next_snapshot(stream.iter_lines())
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert open_store(tmp_path / "calc").state(SITE)[0] == 10
