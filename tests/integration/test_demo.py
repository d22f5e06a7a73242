"""The whole way of one reading, through real processes, and what survives the death of each."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter

import pytest

from tests.integration import servers
from tests.system import running
from wire.journal import open_reader, verify_chain
from wire.segment import open_segment

SITE = "cq-demo"


def journal_facts(state):
    """What the journal holds, after its chain was verified."""
    reader = open_reader(state / "journal.db")
    verify_chain(reader.walk(SITE))
    segments, readings, numbers = [], Counter(), []
    for record in reader.walk(SITE):
        if record.kind == "segment":
            segment = open_segment(record.data)
            segments.append((segment.header.stream, segment.header.seq, segment.hash))
            for table in segment.tables:
                for sample in table.samples():
                    readings.update((sample.meter, q, sample.t_ms) for q in sample.values)
        elif record.kind == "event":
            numbers.append(json.loads(record.data)["n"])
    reader.close()
    return segments, readings, numbers


def are_dense(numbers):
    return sorted(numbers) == list(range(1, len(numbers) + 1))


def assert_nothing_lost_or_doubled(state):
    segments, readings, numbers = journal_facts(state)
    streams = {stream for stream, _, _ in segments}
    for stream in streams:
        seqs = [seq for s, seq, _ in segments if s == stream]
        assert seqs == list(range(1, len(seqs) + 1)), "segments are dense and in order"
    assert len(streams) == 1, "a killed agent goes on with its own stream"
    assert readings, "there were readings"
    assert max(readings.values()) == 1, "no reading came twice"
    assert are_dense(numbers), "production events are dense"
    assert_the_agent_agrees(state, {(s, q): h for s, q, h in segments})


def assert_the_agent_agrees(state, journalled):
    import sqlite3

    db = sqlite3.connect(f"file:{state / 'agent/store.db'}?mode=ro", uri=True)
    receipted = 0
    for stream, seq, digest, when in db.execute(
        "SELECT stream, seq, hash, receipted_ms FROM segment"
    ):
        if when is not None:
            receipted += 1
            assert journalled[stream, seq] == digest, "what was signed for is in the journal"
    db.close()
    assert receipted > 3


def assert_good(found):
    assert found["meters"] >= 24
    assert set(found["closure"]) == {"grid", "pv", "gas"}
    assert found["readings"] > 100
    assert found["receipts"] >= 1
    assert found["quarantined"] == 0
    assert found["closure"], "every source is listed"
    assert all(float(rest) == 0 for rest in found["closure"].values())
    assert float(found["oracle"]["difference_quanta"]) <= found["oracle"]["allowed_quanta"]
    assert found["oracle"]["allowed_quanta"] == found["intervals"] > 0
    for row in found["truth"]:
        assert abs(float(row["difference_kwh"])) <= float(row["bound_kwh"])
        for held in row["carriers"].values():
            assert abs(float(held["difference"])) <= float(held["bound"])


def closed_of(told):
    return [b for b in told["batches"] if b["state"] in ("closed", "settled", "restated")]


def test_the_demo_runs_and_its_figures_hold(tmp_path):
    with running(tmp_path / "state", "--json") as system:
        system.wait_up()
        time.sleep(40)

        def are_closed() -> bool:
            batches = closed_of(system.api("/v1/batches?limit=200"))
            return {b["product"] for b in batches} >= {"wheel-18", "bracket-7"}

        system.wait_until(are_closed, "a batch of each product to close", patience_s=150)
        found = system.end()
    assert system.process.returncode == 0
    assert_good(found)
    closed = closed_of(found)
    assert all(float(b["energy_kwh"]) > 0 for b in closed)
    assert {b["product"] for b in found["batches"]} >= {"wheel-18", "bracket-7"}
    assert all(float(b["kg_co2e"]) > 0 for b in closed), "gas and electricity have factors"
    assert found["truth"], "closed batches were compared with the plant's own truth"
    carriers = {carrier for row in found["truth"] for carrier in row["carriers"]}
    assert carriers == {"electricity", "natural_gas"}
    assert found["latency_ms"]["readings"] > 100
    assert_nothing_lost_or_doubled(tmp_path / "state")


ALONE = [("agent",), ("broker",), ("ingestor",), ("calc",), ("plant",)]


@pytest.mark.mosquitto
@pytest.mark.parametrize(
    ("names", "broker"),
    [
        (("plant", "agent", "broker", "ingestor", "calc"), "auto"),
        (("broker",), "embedded"),
        *(pytest.param(name, "auto", marks=pytest.mark.full) for name in ALONE),
    ],
    ids=lambda said: said if isinstance(said, str) else "-".join(said),
)
def test_kill_9_of_any_process_loses_and_doubles_nothing(tmp_path, names, broker):
    with running(tmp_path / "state", "--json", "--broker", broker) as system:
        system.wait_up()
        time.sleep(4)
        for name in names * 2:
            system.kill(name)
            time.sleep(2)
        system.wait_up()
        reached = system.api("/v1/snapshot")["offset"]
        system.wait_until(
            lambda: system.is_up() and system.api("/v1/snapshot")["offset"] > reached + 10,
            "readings behind the last kill",
        )
        # What a broker took with it is sent again when no receipt has come for a while.
        system.wait_until(lambda: are_dense(journal_facts(tmp_path / "state")[2]), "all events")
        found = system.end()
    assert_good(found)
    assert_nothing_lost_or_doubled(tmp_path / "state")


@pytest.mark.influxdb
def test_readings_are_projected_into_the_database_named_in_the_environment(tmp_path, monkeypatch):
    with servers.influxdb(tmp_path / "influxdb") as (_, url):
        monkeypatch.setenv("WATTPRINT_INFLUXDB_URL", url)
        with running(tmp_path / "state", "--for", "10", "--json") as system:
            found = system.finish()
        # Up to where it was projected, every reading must be there; the rest follows at the next start.
        compared = subprocess.run(
            [
                *(sys.executable, "-m", "wattprint", "reconcile", "--sink", "influxdb"),
                *("--config", str(tmp_path / "state/ingestor.toml")),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert compared.returncode == 0, compared.stdout + compared.stderr
        question = urllib.parse.urlencode({"db": "wattprint", "q": "SELECT count(*) FROM reading"})
        with urllib.request.urlopen(
            f"{url}/query?{question}", timeout=servers.PATIENCE_S
        ) as answer:
            (series,) = json.load(answer)["results"][0]["series"]
    assert sum(series["values"][0][1:]) > 25
    assert found["readings"] > 50


def test_one_ctrl_c_stops_everything(tmp_path):
    with running(tmp_path / "state") as system:
        system.wait_up()
        pids = json.loads((tmp_path / "state/processes.json").read_text())
        assert system.stop() == 0
    alive = subprocess.run(
        ["ps", "-o", "pid=", "-p", ",".join(map(str, pids.values()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alive.stdout.split() == []
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(system.url, timeout=2)
