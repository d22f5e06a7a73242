"""The HTTP API of a running ingestor: who may, what is refused, and what its document promises."""

import re
import subprocess
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest

from tests import plain_http
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.integration.servers import PATIENCE_S
from wire.callers import Caller, Role, digest

_QUIET = "requests_per_s = 100000\nburst = 100000\n"
# What no schema says: a moment is not in the future, a model is TOML of this site, a span has an end
# behind its begin. So a request that fits the schema may be refused; all other checks hold.
_SCHEMATHESIS = """
[parameters]
"path.site" = "s1"
"query.wait_s" = 0
[checks.positive_data_acceptance]
enabled = false
"""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Ingestor]:
    """An ingestor whose broker is not there: the HTTP side needs none."""
    made = Ingestor(tmp_path / "cloud", servers.free_port(), api_keys=_QUIET)
    made.gateway("gw-1")
    made.start()
    yield made
    made.process.kill()


@pytest.mark.parametrize(
    "phases",
    ["coverage", pytest.param("examples,coverage,fuzzing,stateful", marks=pytest.mark.full)],
)
@pytest.mark.timeout(900)  # seconds on a quiet machine, minutes on a busy one
def test_schemathesis_finds_nothing(api: Ingestor, tmp_path: Path, phases: str) -> None:
    (tmp_path / "schemathesis.toml").write_text(_SCHEMATHESIS)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
        *("--header", "Authorization: Bearer secret", "--seed", "1", "--max-examples", "50"),
        *("--phases", phases, "--no-color", "--workers", "1"),
        *("--request-timeout", "120"),
    ]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=880, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    [passed] = re.findall(r"(\d+) passed", done.stdout.rpartition("Test cases")[2])
    assert int(passed) > 300
    with api.client() as http:
        assert http.get("/v1/status").status_code == 200


def as_(api: Ingestor, role: Role) -> httpx.Client:
    with (api.directory / "api.keys").open("a") as keys:
        keys.write(f"{Caller(role, (role,), digest(role), '2026-11-18')}\n")
    return plain_http.Client(base_url=api.url, headers={"Authorization": f"Bearer {role}"})


def test_a_role_opens_what_it_names(api: Ingestor) -> None:
    statuses = {}
    for role in ("viewer", "operator", "auditor"):
        with as_(api, role) as http:  # type: ignore[arg-type]
            statuses[role] = [
                http.get("/v1/status").status_code,
                http.post("/v1/s1/events", json=[]).status_code,
                http.get("/v1/journal/s1").status_code,
            ]
    assert statuses == {
        "viewer": [200, 403, 403],
        "operator": [200, 422, 403],
        "auditor": [200, 403, 200],
    }


def test_a_table_of_events_is_tried_then_taken(api: Ingestor) -> None:
    table = (
        "id;t;type;node;batch;product\n"
        "e1;2026-11-18T08:00:00Z;start;press-1;B1;wheel-18\n"
        "e2;2026-11-18T09:00:00;stop;press-1;B1;\n"
        "e3;2026-11-18T09:00:00Z;pause;press-1;B1;\n"
    )
    headers = {"Content-Type": "text/csv; charset=utf-8"}
    with api.client() as http:
        bad = http.post("/v1/s1/events", content=table, headers=headers)
        assert (bad.status_code, bad.headers["content-type"]) == (422, "application/problem+json")
        faults = [(fault["where"], fault["problem"][:15]) for fault in bad.json()["faults"]]
        assert faults == [("line 3", "event 'e2': t: "), ("line 4", "event 'e3': typ")]
        good = table.replace("09:00:00;", "09:00:00Z;").replace("pause", "stop")
        tried = http.post("/v1/s1/events?dry_run=true", content=good, headers=headers)
        assert (tried.status_code, [each["new"] for each in tried.json()]) == (200, [True] * 3)
        assert http.get("/v1/status").json()["sites"]["s1"]["events"] == 0
        taken = http.post("/v1/s1/events", content=good, headers=headers)
        assert (taken.status_code, [each["offset"] for each in taken.json()]) == (201, [2, 3, 4])
        again = http.post("/v1/s1/events", content=good, headers=headers)
        assert [each["new"] for each in again.json()] == [False] * 3


def test_a_job_response_is_taken_and_a_bomb_is_not(api: Ingestor) -> None:
    response = (
        '<JobResponse xmlns="http://www.mesa.org/xml/B2MML"><ID>J1</ID><JobOrderID>B1</JobOrderID>'
        "<StartTime>2026-11-18T08:00:00Z</StartTime>"
        "<EquipmentActual><EquipmentID>press-1</EquipmentID></EquipmentActual></JobResponse>"
    )
    headers = {"Content-Type": "application/xml"}
    with api.client() as http:
        taken = http.post("/v1/s1/events", content=response, headers=headers)
        assert [each["id"] for each in taken.json()] == ["J1/start/press-1"]
        bomb = '<!DOCTYPE a [<!ENTITY a "aa">]>' + response
        refused = http.post("/v1/s1/events", content=bomb, headers=headers)
        assert refused.status_code == 422
        assert "document type" in refused.json()["detail"]


def test_a_heartbeat_is_answered_with_what_is_missing(api: Ingestor) -> None:
    event = {"id": "e1", "t": "2026-11-18T08:00:00Z", "type": "stop", "node": "p", "batch": "B"}
    with api.client() as http:
        http.post("/v1/s1/events", json={**event, "source": "mes", "epoch": "2", "n": 2})
        beat = {"source": "mes", "epoch": "2", "n": 4, "heartbeat": 1_795_000_000_000}
        said = http.post("/v1/s1/heartbeat", json=beat).json()
        assert said == {"source": "mes", "epoch": "2", "upto": 0, "gaps": [[1, 1], [3, 4]]}
        assert http.get("/v1/status").json()["sites"]["s1"]["sources"]["mes/2"]["upto"] == 0
        assert http.post("/v1/nobody/heartbeat", json=beat).status_code == 404


def _import(api: Ingestor, word: str, file: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    key = api.directory / "tester.key"
    key.write_text("secret\n")
    command = [sys.executable, "-m", "wattprint", word, "import", str(file), "--site", "s1"]
    command += ["--url", api.url, "--key-file", str(key), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_a_clerk_sends_a_file_without_curl(api: Ingestor, tmp_path: Path) -> None:
    bills = tmp_path / "bills.csv"
    head = "id;type;from;to;source;quantity;unit;document\n"
    bill = "2026-10-01T00:00:00+08:00;2026-11-01T00:00:00+08:00;grid;48211;kWh;INV-7\n"
    bills.write_text(f"{head}b1;bill;{bill}b2;bil;{bill}", encoding="utf-8-sig")
    bad = _import(api, "readings", bills)
    assert bad.returncode == 1
    assert "bills.csv: line 3: statement 'b2': type: is one of" in bad.stderr
    assert "nothing was taken" in bad.stderr
    bills.write_text(f"{head}b1;bill;{bill}b2;bill;{bill}", encoding="utf-8-sig")
    tried = _import(api, "readings", bills, "--dry-run")
    assert (tried.returncode, tried.stdout) == (0, f"{bills}: 2 would be taken, 0 known before\n")
    assert _import(api, "readings", bills).stdout == f"{bills}: 2 taken, 0 known before\n"
    assert _import(api, "readings", bills).stdout == f"{bills}: 0 taken, 2 known before\n"
    events = tmp_path / "events.jsonl"
    events.write_text(
        '{"id": "e1", "t": "2026-11-18T08:00:00Z", "type": "stop", "node": "p", "batch": "B"}\n'
    )
    assert _import(api, "events", events).stdout == f"{events}: 1 taken, 0 known before\n"
    one = tmp_path / "one.json"
    one.write_text('{"id": "e2", "t": "2026-11-18T08:00:00Z", "type": "stop", "node": "p"}')
    said = f"{one}: event 'e2': batch: is missing\n{one}: nothing was taken\n"
    assert _import(api, "events", one).stderr == said
    journal = api.journal()
    assert [record.key for record in journal.of_kind("s1", "reading")] == ["b1", "b2"]
    journal.close()


def test_a_problem_s_title_is_its_status_and_its_detail_says_what(api: Ingestor) -> None:
    with api.client() as http, plain_http.Client(base_url=api.url) as stranger:
        answers = [
            stranger.get("/v1/status"),
            http.get("/nowhere"),
            http.delete("/v1/status"),
            http.post("/v1/s1/events", content=b"{"),
            http.post("/v1/nobody/events", json=[{"id": "e", "t": "2026-11-21T08:00:00Z", "type": "void", "of": "x"}]),
            http.post("/v1/s1/events", content=b"x", headers={"Content-Type": "multipart/mixed"}),
        ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [401, 404, 405, 422, 404, 415]
    for answer in answers:
        told = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (told["title"], told["status"]) == (
            HTTPStatus(answer.status_code).phrase,
            answer.status_code,
        )
        assert told["detail"] not in ("", told["title"])


def test_what_may_be_done_at_a_path_is_told_whichever_routes_it_has(api: Ingestor) -> None:
    with api.client() as http:
        refused = http.delete("/v1/s1/readings")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
        assert http.delete("/v1/status").headers["allow"] == "GET"
