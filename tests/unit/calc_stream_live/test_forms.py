"""A published footprint over the API in the forms others read, or why it is not to be had."""

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pypdfium2
import pytest

from calc_stream import exporters
from calc_stream.exporters import Export
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import open_shelf
from calc_stream.pact import validator
from calc_stream.pact.upstream import read_declaration
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.footprints_sample import complete, sample
from tests.unit.calc_stream_live.plant import SITE
from wire.problem import MEDIA_TYPE

DECLARED = """
[company]
name = "Chongqing Example Wheels"
domain = "wheels.example.com"
country = "CN"
ids = ["urn:bpn:id:BPNL000000000DWF"]
[installation]
name = "Plant 1"
[[product]]
id = "wheel-17"
name = "Aluminium wheel 17 in"
mass_kg = "11.2"
cn_code = "8708 70 50"
cpc = "49129"
[[product]]
id = "alloy/1"
name = "Alloy"
mass_kg = "1000"
cn_code = "7601 20 80"
"""
OLD = complete(site=SITE, kg_co2e="7")
WHOLE = complete(site=SITE, supersedes=(OLD.id,), cause="restated")
DRAFT = sample(site=SITE, period="2026-11")
GOOD = sample(site=SITE, period="2026-12", product="alloy/1", unit="t", method="cbam", gwp="AR5")
NEW = sample(site=SITE, product="hub")
FIRST = complete(site=SITE, period="2027-01")
BETWEEN = sample(site=SITE, period="2027-01", supersedes=(FIRST.id,))
LAST = complete(site=SITE, period="2027-01", supersedes=(BETWEEN.id,))
ZIP, JSON = "application/zip", "application/json"


def shelve(at: Door, *footprints: Footprint) -> None:
    with closing(open_shelf(at.parts.plan.config.state)) as shelf:
        for each in footprints:
            assert shelf.add(each)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("forms")
    (folder / "products.toml").write_text(DECLARED)
    text = f'[footprints]\ndeclaration = "{folder}/products.toml"\n'
    with door(folder, ("boss", "viewer"), text=text) as found:
        shelve(found, OLD, WHOLE, DRAFT, GOOD, NEW, FIRST, BETWEEN, LAST)
        yield found


@pytest.fixture
def client(opened: Door) -> httpx.Client:
    return opened.client("boss-boss")


def asked(client: httpx.Client, footprint: Footprint, form: str, **more: str) -> httpx.Response:
    return client.get(f"/v1/footprints/{footprint.id}/export", params={"form": form, **more})


def refused(answer: httpx.Response) -> str:
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, MEDIA_TYPE)
    detail: str = answer.json()["detail"]
    return detail


@pytest.mark.parametrize("form", ["openlca", "tidas", "ilcd", "catenax", "json"])
def test_a_form_is_what_the_command_writes_of_this_one(
    opened: Door, client: httpx.Client, form: str
) -> None:
    answer = asked(client, WHOLE, form)
    assert answer.status_code == 200, answer.text
    exporter = exporters.find(form)
    assert answer.headers["Content-Type"] == exporter.MEDIA_TYPE
    declaration = read_declaration(opened.plant.folder / "products.toml")
    export = Export("footprints", SITE, WHOLE.evidence.offset, [WHOLE], declaration)
    assert answer.content == exporter.write(export, exporter.Settings())
    ending = ".json" if form == "json" else f"-{form}.zip"
    name = f"wheel-17-2026-10-{WHOLE.id[:8]}{ending}"
    assert answer.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''{name}"


def test_what_cbam_asks_for_is_taken_of_a_footprint_by_its_method(client: httpx.Client) -> None:
    answer = asked(client, GOOD, "cbam")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, ZIP), answer.text
    assert f"alloy-1-2026-12-{GOOD.id[:8]}-cbam.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert json.loads(packed.read("communication.json"))["footprints"] == [GOOD.id]
    assert "by the method cbam" in refused(asked(client, WHOLE, "cbam"))


def test_a_statement_is_a_pdf_in_the_language_asked_for(client: httpx.Client) -> None:
    answer = asked(client, WHOLE, "statement", lang="zh")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"].endswith("-statement.pdf")
    first = pypdfium2.PdfDocument(answer.content)[0].get_textpage().get_text_range()
    assert "产品碳足迹实测声明" in first


def test_customers_get_the_document_of_pact(client: httpx.Client) -> None:
    answer = asked(client, WHOLE, "pact")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, JSON), answer.text
    document = answer.json()
    assert validator.problems(document) == []
    assert (document["id"], document["status"]) == (WHOLE.id, "Active")
    assert document["companyName"] == "Chongqing Example Wheels"
    assert asked(client, OLD, "pact").json()["status"] == "Deprecated"


def test_a_document_taken_before_it_is_offered_names_no_draft_either(client: httpx.Client) -> None:
    assert asked(client, LAST, "pact").json()["precedingPfIds"] == [FIRST.id]


def test_a_document_that_was_offered_stays_what_it_was(opened: Door, client: httpx.Client) -> None:
    document = asked(client, DRAFT, "pact").json() | {"companyName": "As It Was Called Then"}
    offered = opened.parts.plan.config.state / "offered"
    offered.mkdir()
    (offered / f"{DRAFT.id}.json").write_bytes(msgspec.json.encode(document))
    assert asked(client, DRAFT, "pact").json() == document


def test_what_others_took_the_place_of_is_not_handed_on_as_if_it_stood(
    client: httpx.Client,
) -> None:
    assert f"ask for {WHOLE.id}" in refused(asked(client, OLD, "openlca"))
    assert asked(client, OLD, "json").json()["superseded"] == [OLD.id]


def test_what_a_form_cannot_say_is_refused_in_its_own_words(client: httpx.Client) -> None:
    assert "is gate to gate, which Catena-X does not know" in refused(
        asked(client, DRAFT, "catenax")
    )
    assert "hub: is not declared; add it" in refused(asked(client, NEW, "pact"))


def test_a_statement_that_cannot_be_laid_out_here_says_what_to_install(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    assert "wattprint[statement]" in refused(asked(client, WHOLE, "statement"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/footprints/nobody/export?form=json", 404),
        (f"/v1/footprints/{WHOLE.id}/export", 422),
        (f"/v1/footprints/{WHOLE.id}/export?form=xlsx", 422),
        (f"/v1/footprints/{WHOLE.id}/export?form=statement&lang=de", 422),
    ],
)
def test_what_is_not_there_is_a_problem(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, MEDIA_TYPE)


def test_who_has_no_key_gets_none(opened: Door) -> None:
    assert asked(opened.client(), WHOLE, "json").status_code == 401


def test_where_nothing_is_declared_the_forms_that_need_it_say_so(tmp_path: Path) -> None:
    with door(tmp_path) as found:
        shelve(found, NEW)
        client = found.client()
        assert "footprints.declaration: is missing" in refused(asked(client, NEW, "pact"))
        assert "declaration" in refused(asked(client, NEW, "ilcd"))
        assert asked(client, NEW, "json").json()["declaration"] is None
