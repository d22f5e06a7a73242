"""The calculator's API beside a real ingestor: events by hand; what its document promises."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from calc_stream.config import Ingestor as Address
from calc_stream.footprints.shelf import open_shelf
from calc_stream.web import guard
from calc_stream.web.forward import Forward
from calc_stream.web.problems import Problem
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.integration.servers import Process
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.footprints_sample import sample
from tests.unit.calc_stream_live.plant import SITE
from wire.messages import ProductionEvent

PUBLISHED = sample(site=SITE, product="wheel")
_QUIET = "requests_per_s = 100000\nburst = 100000\n"
# What no schema says: a span has an end behind its begin, a key is known here.
_SCHEMATHESIS = f"""
[parameters]
"path.footprint" = "{PUBLISHED.id}"
"path.batch" = "P"
"path.product" = "wheel"
"query.meter" = "m"
[checks.positive_data_acceptance]
enabled = false
"""


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The worked example; ingestor and calculator share a machine and a keys file."""
    monkeypatch.setattr(guard, "_TRIES", 100_000)  # schemathesis guesses many keys
    ingestor = Ingestor(tmp_path, servers.free_port())
    ingestor.gateway("gw-9", site=SITE)
    callers = [("otto", "operator"), ("ada", "admin")]
    with door(tmp_path, *callers, text=_QUIET, ingestor_port=ingestor.api_port) as made:  # type: ignore[arg-type]
        made.plant.example_4()
        made.plant.the_late_reading()
        ingestor.start()
        made.take()
        made.look()
        with closing(open_shelf(made.parts.plan.config.state)) as shelf:
            shelf.add(PUBLISHED)
        yield made
        ingestor.process.kill()


def event(id_: str, type_: str, at: str = "08:04:00", **said: str) -> dict[str, str]:
    return {"id": id_, "t": f"2026-11-21T{at}Z", "type": type_} | said


def told(client: httpx.Client, *events: dict[str, str], dry_run: bool = False) -> httpx.Response:
    return client.post("/v1/events", json=list(events), params={"dry_run": dry_run})


def batch(client: httpx.Client, name: str) -> Any:
    answer = client.get(f"/v1/batches/{name}")
    return answer.json() if answer.status_code == 200 else None


def test_an_event_by_hand_enters_the_journal_and_is_undone_by_a_void(beside: Door) -> None:
    client = beside.client("otto-otto")
    start = event("k1", "start", node="press", batch="R", product="wheel")
    answer = told(client, start, event("k2", "quantity", batch="R", good="3", unit="piece"))
    assert answer.status_code == 201
    assert [placed["id"] for placed in answer.json()] == ["hand/otto/k1", "hand/otto/k2"]
    first = answer.json()[0]["offset"]
    record = beside.plant.writer.find(SITE, "event", "hand/otto/k1")
    assert record is not None
    assert record.offset == first
    assert told(client, start).json()[0]["offset"] == first, "told twice is told once"
    beside.take()
    assert (batch(client, "R")["state"], batch(client, "R")["good"]) == ("live", "3")
    assert told(client, event("k1", "start", node="press", batch="S")).status_code == 409
    undone = told(client, event("k3", "void", of="hand/otto/k1"))
    assert undone.status_code == 201
    beside.take()
    assert (batch(client, "R") or {}).get("started_ms") is None
    newest, _, start_told = client.get("/v1/events").json()["events"][:3]
    assert (newest["id"], newest["by"]) == ("hand/otto/k3", "otto")
    assert start_told["voided_by"] == "hand/otto/k3"


def test_a_dry_run_says_what_would_become_and_writes_nothing(beside: Door) -> None:
    client = beside.client("otto-otto")
    before = beside.plant.writer.head(SITE)
    good = told(client, event("k1", "void", of="e1"), dry_run=True)
    assert (good.status_code, good.json()["accepted"]) == (200, 1)
    assert {"batch": "P", "what": "gone"} in good.json()["effects"]
    wrong = told(
        client,
        event("k2", "stop", node="nowhere", batch="P"),
        event("k3", "void", of="e99"),
        event("k4", "start", node="press"),
        dry_run=True,
    ).json()
    assert wrong["accepted"] == 0
    assert {problem["line"] for problem in wrong["problems"]} == {1, 2, 3}
    assert all(problem["text"] for problem in wrong["problems"])
    assert beside.plant.writer.head(SITE) == before


def test_a_table_is_taken_whole_or_not_at_all(beside: Door) -> None:
    client = beside.client("otto-otto")
    csv = {"Content-Type": "text/csv"}
    table = "\ufeffid;t;type;node;batch;product\nk1;2026-11-21T08:04:00Z;start;press;R;wheel\n"
    bad = table + "k2;yesterday;stop;press;R;\n"
    refused = client.post("/v1/events", content=bad.encode(), headers=csv)
    assert refused.status_code == 422
    tried = client.post("/v1/events?dry_run=true", content=bad.encode(), headers=csv).json()
    assert [problem["line"] for problem in tried["problems"]] == [3]
    assert beside.plant.writer.find(SITE, "event", "hand/otto/k1") is None
    taken = client.post("/v1/events", content=table.encode(), headers=csv)
    assert taken.status_code == 201
    beside.take()
    assert batch(client, "R")["product"] == "wheel"
    for body, problem in (
        (b"id;t;colour\n", "colour"),
        (b"\xff\xfe", "UTF-8"),
        (b"", "no column"),
        (b"id,t,type\n", "there are none"),
    ):
        answer = client.post("/v1/events", content=body, headers=csv)
        assert (answer.status_code, problem in answer.json()["detail"]) == (422, True)
    strange = client.post("/v1/events", content=b"x", headers={"Content-Type": "text/plain"})
    assert strange.status_code == 415


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_only_the_ingestor_refuses_has_a_code_too(beside: Door, dry_run: bool) -> None:
    client = beside.client("otto-otto")
    answer = told(
        client,
        event("k1", "start", node="press", batch="R"),
        event("k2", "stop", node="press", batch="R", t="2999-11-21T08:00:00Z"),
        event("k3", "start", node="press", batch="R" * 129, t="1999-11-21T08:00:00Z"),
        event("k4", "stop", node="press", batch="R", t="1999-11-21T08:00:00Z"),
        dry_run=dry_run,
    )
    wanted = [("2", "t", "future"), ("3", "batch", "printable"), ("4", "t", "past")]
    if dry_run:
        said = [(str(p["line"]), p["key"], p["code"]) for p in answer.json()["problems"]]
    else:
        assert answer.status_code == 422
        faults = answer.json()["faults"]
        said = [(f["values"]["line"], f["values"]["key"], f["code"]) for f in faults]
    assert said == wanted


def test_what_stands_between_the_two_has_a_code(beside: Door, tmp_path: Path) -> None:
    client, its = beside.client("otto-otto"), beside.parts.plan.config.ingestor
    start = ProductionEvent("k1", "2026-11-21T08:04:00Z", "start", node="press", batch="R")

    def refused(where: Address, site: str = SITE) -> tuple[int, list[str]]:
        with pytest.raises(Problem) as told:
            Forward(where, site).events([start], True)
        return told.value.details.status, [fault.code for fault in told.value.details.faults]

    (tmp_path / "wrong").write_text("wrong\n")
    wrong = msgspec.structs.replace(its, token_file=tmp_path / "wrong")
    assert refused(wrong) == (502, ["not_allowed"])
    assert refused(its, "elsewhere") == (502, ["no_site"])
    gone = msgspec.structs.replace(its, url=f"http://127.0.0.1:{servers.free_port()}")
    assert refused(gone) == (503, ["no_ingestor"])
    large = client.post("/v1/events", content=b" " * 5_000_000).json()
    assert (large["status"], large["faults"][0]["code"]) == (413, "too_large")


def test_an_ingestor_on_https_is_trusted_by_the_authority_that_is_named(tmp_path: Path) -> None:
    place, port = tmp_path / "authority", servers.free_port()
    made = [sys.executable, "-m", "ingestor", "ca", "init", str(place), "--host", "127.0.0.1"]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    https = f'cert_file = "{place}/services/api.pem"\nrequests_per_s = 0.001\nburst = 1\n'
    ingestor = Ingestor(tmp_path / "cloud", servers.free_port(), api_keys=https, api_port=port)
    ingestor.gateway("gw-9", site=SITE)
    (tmp_path / "token").write_text("secret\n")
    where = Address(f"https://127.0.0.1:{port}", tmp_path / "token", place / "ca.pem")
    start = ProductionEvent("k1", "2026-11-21T08:04:00Z", "start", node="press", batch="R")
    log = tmp_path / "ingestor.log"
    process = Process("ingestor", ingestor.configure(), log, lambda: servers.listens(port))
    process.start()
    try:
        assert [each.id for each in Forward(where, SITE).events([start], False)] == ["k1"]
        with pytest.raises(Problem, match="tester asks too often") as busy:
            Forward(where, SITE).events([start], False)
        assert [fault.code for fault in busy.value.details.faults] == ["not_now"]
        blind = msgspec.structs.replace(where, ca_file=None)
        with pytest.raises(Problem, match="does not answer.*CERTIFICATE_VERIFY_FAILED"):
            Forward(blind, SITE).events([start], False)
    finally:
        process.kill()


@pytest.mark.parametrize(
    "phases",
    ["coverage", pytest.param("examples,coverage,fuzzing,stateful", marks=pytest.mark.full)],
)
@pytest.mark.timeout(900)  # seconds on a quiet machine, minutes on a busy one
def test_schemathesis_finds_nothing(beside: Door, tmp_path: Path, phases: str) -> None:
    (tmp_path / "schemathesis.toml").write_text(_SCHEMATHESIS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{beside.url}/openapi.json"),
        *("--header", "Authorization: Bearer ada-ada", "--seed", "1", "--max-examples", "30"),
        *("--phases", phases, "--no-color", "--workers", "1"),
        *("--request-timeout", "120"),  # a statement is set in print while one waits
        *("--exclude-path", "/v1/live"),  # it never ends
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=880, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    [passed] = re.findall(r"(\d+) passed", done.stdout.rpartition("Test cases")[2])
    assert int(passed) > 300
