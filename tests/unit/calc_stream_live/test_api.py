"""What the API answers, from a real journal: figures as they stand in the ledger, lists, forms."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest

from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0
from wire.messages import MeterEvent


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The worked example, its late reading told."""
    with door(tmp_path_factory.mktemp("served")) as made:
        made.plant.example_4()
        made.plant.the_late_reading()
        made.take()
        yield made


@pytest.fixture(scope="module")
def client(served: Door) -> httpx.Client:
    return served.client()


def got(client: httpx.Client, path: str, **headers: str) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_live_value_is_the_api_s_and_the_ledger_s(served: Door, client: httpx.Client) -> None:
    rows = served.parts.reader.rows(SITE)
    stated = {row.batch: msgspec.json.decode(msgspec.json.encode(row)) for row in rows}
    for row in got(client, "/v1/batches")["batches"]:
        assert {**row, "over_limit": None} == {**stated[row["batch"]], "over_limit": None}
    snapshot = got(client, "/v1/snapshot")
    assert [row["energy_kwh"] for row in snapshot["batches"]] == ["0.020000", "0.060000"]
    ledger = got(client, "/v1/batches/P/ledger")
    assert ledger["accounts"][0]["amounts"] == stated["P"]["by_source"] == {"grid": "0.060000"}
    explained = got(client, "/v1/batches/P/explain")
    assert explained["row"] == stated["P"]
    (account,) = explained["accounts"]
    mine = [each for part in ledger["accounts"] for each in part["intervals"]]
    assert account["intervals"] == sorted(mine, key=lambda each: each["from_ms"])
    uses = {use["account"]: use["by_source"]["grid"] for use in got(client, "/v1/flows")["uses"]}
    assert uses == {"batch:P": "0.060000", "batch:Q": "0.020000", "pool:press": "0.050000"}
    (factors,) = got(client, "/v1/products/wheel/factors")["factors"]
    assert Decimal(factors["energy_kwh"]) == Decimal("0.08")


def test_a_list_comes_in_parts_that_miss_and_repeat_nothing(client: httpx.Client) -> None:
    path, seen = "/v1/batches?limit=1", []
    for _ in range(9):
        answer = client.get(path)
        seen += [row["batch"] for row in answer.json()["batches"]]
        if "link" not in answer.headers:
            break
        target, _, rel = answer.headers["link"].partition(";")
        assert rel == ' rel="next"'
        path = "/v1/batches" + target.strip("<>")
    assert seen == ["Q", "P"]
    assert answer.json()["next"] is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("state=settled", []),
        ("state=restated", ["Q", "P"]),
        ("state=closed", ["Q", "P"]),
        ("product=wheel", ["Q", "P"]),
        ("product=axle", []),
        ("node=press", ["Q", "P"]),
        ("node=lathe", []),
        ("batch=P", ["P"]),
        ("q=WHE", ["Q", "P"]),
        ("q=q", ["Q"]),
        (f"from_ms={T0 + 120_000}", ["Q"]),
        (f"to_ms={T0 + 90_000}", ["P"]),
    ],
)
def test_lists_are_narrowed_down(client: httpx.Client, asked: str, found: list[str]) -> None:
    rows = got(client, f"/v1/batches?{asked}")["batches"]
    assert [row["batch"] for row in rows] == found
    if "from" not in asked:
        sheet = client.get(f"/v1/batches?{asked}&format=csv").text.removeprefix("\ufeff")
        stated = [line["batch"] for line in csv.DictReader(io.StringIO(sheet))]
        assert sorted(stated) == sorted(found)


def test_who_has_an_offset_s_answer_is_not_sent_it_again(client: httpx.Client) -> None:
    first = client.get("/v1/batches")
    assert first.headers["etag"] == 'W/"11"'
    again = client.get("/v1/batches", headers={"If-None-Match": '"x", W/"11"'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/v1/batches/P", headers={"If-None-Match": 'W/"10"'}).status_code == 200


def test_files_come_by_the_accept_header(client: httpx.Client) -> None:
    sheet = client.get("/v1/batches", headers={"Accept": "text/csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    assert sheet.headers["content-disposition"].endswith('"cq-test-batches-11.csv"')
    told = {"Accept": "application/vnd.apache.parquet"}
    table = pq.read_table(io.BytesIO(client.get("/v1/batches", headers=told).content))
    assert table.column("energy_kwh").to_pylist() == [Decimal("0.06"), Decimal("0.02")]
    named = client.get("/v1/products/wheel/factors?format=json").json()
    assert named["products"][0]["product"] == "wheel"


def test_the_timeline_has_states_and_the_power_of_the_registers(client: httpx.Client) -> None:
    track = got(client, "/v1/batches/P/timeline")
    (node,) = track["nodes"]
    assert (track["from_ms"], track["to_ms"]) == (T0 + 30_000, T0 + 90_000)
    assert [(s["state"], s["batches"]) for s in node["states"]] == [("producing", ["P"])]
    watts = [w for _, w in node["power"]]
    # 100 Wh in the minute to 60 s, 20 Wh in the next one.
    assert watts[0] == pytest.approx(6000, abs=5)
    assert watts[-1] == pytest.approx(1200, abs=5)


def test_readings_lead_back_to_the_sealed_segments(served: Door, client: httpx.Client) -> None:
    path = f"/v1/batches/P/readings?meter=m-press&from_ms={T0}&to_ms={T0 + 180_000}"
    found = got(client, path)
    assert found["unit"] == "kWh"
    assert [(r["t_ms"] - T0, r["register"], r["offset"]) for r in found["readings"]] == [
        (0, "1.000", 9),
        (60_000, "1.100", 9),
        (120_000, "1.120", 11),
        (180_000, "1.130", 10),
    ]
    record = served.plant.writer.read(SITE, 10, 1)[0]
    late = found["readings"][2]
    assert (late["segment"], late["hash"]) == (record.key, record.hash)
    part = got(client, path + "&limit=3")
    rest = got(client, f"{path}&limit=3&after={part['next']}")
    assert part["readings"] + rest["readings"] == found["readings"]
    assert client.get(path.replace("m-press", "nobody")).status_code == 404


def test_the_model_is_drawn_with_its_meters(client: httpx.Client) -> None:
    model = got(client, "/v1/model")
    assert [(p["id"], p["kind"]) for p in model["places"]] == [
        ("grid", "source"),
        ("main", "bus"),
        ("press", "node"),
    ]
    assert [(e["from"], e["to"], e["meter"]) for e in model["edges"]] == [
        ("grid", "main", "m"),
        ("main", "press", "m-press"),
    ]
    amounts = [edge["amount"] for edge in got(client, "/v1/flows")["edges"]]
    assert amounts == ["0.130000", "0.130000"]
    assert got(client, "/v1/sites")["sites"][0]["state"] == "running"
    words = got(client, "/v1/vocabulary")
    assert (words["nodes"], words["products"], words["units"]) == (["press"], ["wheel"], ["piece"])


def test_events_are_told_with_their_place_and_what_voided_them(tmp_path: Path) -> None:
    with door(tmp_path) as made:
        made.plant.example_4()
        made.plant.event("hand/li.wei/v1", 200, "void", of="e6")
        made.take()
        client = made.client()
        events = got(client, "/v1/events")["events"]
        assert [(e["id"], e["by"], e["voided_by"], e["offset"]) for e in events[:2]] == [
            ("hand/li.wei/v1", "li.wei", None, 11),
            ("e6", None, "hand/li.wei/v1", 8),
        ]
        starts = got(client, "/v1/events?type=start&limit=1")
        more = got(client, f"/v1/events?type=start&limit=1&after={starts['next']}")
        assert [e["id"] for e in starts["events"] + more["events"]] == ["e3", "e1"]
        assert more["next"] is None


def test_meters_say_what_the_model_and_their_gateway_know(tmp_path: Path) -> None:
    facts = 'class = "1"\ncertificate = "C-1"\ncertificate_due = 2026-12-01\nid = "m"'
    with door(tmp_path) as made:
        made.plant.model(MODEL.replace('id = "m"', facts))
        made.plant.read(*((at, 1000 + at) for at in range(0, 900, 5)), (1800, 2800))
        said = {"serial": "7", "profile": "eastron_sdm630"}
        made.plant.segment([], [MeterEvent("m", T0, "identity", said)])
        made.take()
        made.clock[0] = T0 + 1_800_000
        meters = got(made.client(), "/v1/meters")["meters"]
        first, second = meters
        assert (first["class"], first["certificate"], first["due_days"]) == ("1", "C-1", 10)
        assert (first["gateway"], first["typical_s"], second["class"]) == ("gw-1", "5", None)
        assert (first["profile"], first["serial"], second["profile"]) == (
            "eastron_sdm630",
            "7",
            None,
        )
        assert (first["from"], first["to"], first["register"]) == ("grid", "main", "2.800000")
        asked = f"/v1/meters/completeness?from_ms={T0 - 900_000}&to_ms={T0 + 1_800_000}"
        shares = got(made.client(), asked)
        assert shares["meters"]["m"] == [None, 1.0, 0.0]


def test_a_batch_id_may_hold_a_slash(tmp_path: Path) -> None:
    with door(tmp_path) as made:
        made.plant.model()
        made.plant.event("e1", 0, "start", node="press", batch="2026/11/7", product="a/b")
        made.plant.read((0, 0), (60, 100))
        made.take()
        client = made.client()
        assert got(client, "/v1/batches/2026/11/7")["state"] == "live"
        assert got(client, "/v1/batches/2026%2F11%2F7/ledger")["batch"] == "2026/11/7"
        assert got(client, "/v1/products/a/b/factors")["factors"] == []
