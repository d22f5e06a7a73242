"""What accounting and auditors take along from a batch's page, in a real Chromium."""

import csv
import json
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from calc_stream.verification import verify
from tests.browser.conftest import new_page, settle, taken
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_live.proven import ProvenPlant, today, yesterday

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Yesterday's batches under their tree heads; one of today that none stands for yet."""
    with door(tmp_path_factory.mktemp("proven"), plant_in=ProvenPlant) as made:
        plant = made.plant
        assert isinstance(plant, ProvenPlant)
        yesterday(plant)
        today(plant)
        plant.event("l1", 1700, "start", node="press", batch="LATE", product="wheel")
        plant.event("l2", 1740, "stop", node="press", batch="LATE")
        plant.event("l3", 1750, "start", node="press", batch="LIVE", product="wheel")
        plant.read((1800, 5200), (1860, 5340))
        made.take()
        yield made


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    opened = new_page(chromium, locale="en-GB")
    yield opened
    opened.context.close()


def test_a_batch_is_taken_along_in_each_form(page: Page, proven: Door, tmp_path_factory) -> None:
    settle(page, f"{proven.url}/#/batches/Q")
    files = page.locator(".files a")
    expect(files).to_have_text(["CSV", "JSON", "Parquet", "Revisions", "Evidence bundle"])
    folder = tmp_path_factory.mktemp("taken")
    paths = [taken(page, files.nth(at), folder) for at in range(5)]
    names = ["Q.csv", "Q.json", "Q.parquet", "Q-revisions.json", "Q-1.zip"]
    assert [path.name for path in paths] == names
    with paths[0].open(encoding="utf-8-sig", newline="") as file:
        (line,) = csv.DictReader(file)
    row = proven.parts.reader.revisions(SITE, "Q")[-1]
    assert (line["batch"], line["kg_co2e"]) == ("Q", row.kg_co2e)
    assert json.loads(paths[1].read_text())["kg_co2e"] == row.kg_co2e
    assert pq.read_table(paths[2]).column("batch").to_pylist() == ["Q"]
    assert [r["revision"] for r in json.loads(paths[3].read_text())["revisions"]] == [1]
    assert verify(paths[4].read_bytes()).row == row


def test_why_there_is_no_bundle_yet_is_said_on_the_page(page: Page, proven: Door) -> None:
    settle(page, f"{proven.url}/#/batches/LATE")
    page.locator(".files a", has_text="Evidence bundle").click()
    expect(page.locator("#files-said")).to_contain_text("one is signed when its UTC day is over")


def test_a_batch_that_still_runs_offers_no_statement(page: Page, proven: Door) -> None:
    settle(page, f"{proven.url}/#/batches/LIVE")
    expect(page.locator(".files a")).to_have_text(["JSON"])
