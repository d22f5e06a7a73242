"""The view of published footprints, in a real Chromium: what stands, what it was, and files to take."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from playwright.sync_api import Page, expect

from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import open_shelf
from calc_stream.pact import validator
from tests.browser.conftest import judged, settle, taken
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.footprints_sample import complete, sample
from tests.unit.calc_stream_live.plant import SITE

pytestmark = pytest.mark.chromium

DECLARED = """
[company]
name = "Chongqing Example Wheels"
domain = "wheels.example.com"
country = "CN"
[[product]]
id = "wheel-17"
name = "Aluminium wheel 17 in"
name_zh = "17 英寸铝车轮"
mass_kg = "11.2"
"""
PATIENCE_MS = 60_000
OLD = sample(site=SITE, period="2026-09", start_ms=1_788_192_000_000, kg_co2e="7")
NEW = complete(site=SITE, period="2026-09", start_ms=OLD.start_ms, supersedes=(OLD.id,))
LATER = sample(site=SITE, models=("another",), allocation="setup=pool", cause="drift")
LANGUAGES = pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])


@pytest.fixture(scope="module")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Three footprints of a wheel; of what the plant itself made none is published yet."""
    folder = tmp_path_factory.mktemp("products")
    (folder / "products.toml").write_text(DECLARED)
    text = f'[footprints]\ndeclaration = "{folder}/products.toml"\n'
    with door(folder, text=text) as made:
        made.plant.example_4()
        made.take()
        with closing(open_shelf(made.parts.plan.config.state)) as shelf:
            for each in (OLD, NEW, LATER):
                assert shelf.add(each)
        yield made


def opened(page: Page, at: Door, product: str = "wheel-17", query: str = "") -> Page:
    settle(page, f"{at.url}/{query}#/products/{product}")
    page.locator(".panel h2").first.wait_for(timeout=PATIENCE_MS)
    return page


def row(page: Page, of: Footprint) -> str:
    text: str = page.locator(f'#footprints tr[data-id="{of.id}"]').inner_text()
    return text


@LANGUAGES
def test_what_was_published_stands_there_the_newest_first(
    page: Page, shelved: Door, pictures: Path, locale: str
) -> None:
    words = {
        "en-GB": ("superseded", "draft", "in force", "gate to gate", "cradle to gate", "too far"),
        "zh-CN": ("已被替代", "草稿", "有效", "门到门", "摇篮到大门", "偏差过大"),
    }
    old, draft, stands, gate, cradle, drift = words[locale]
    rows = opened(page, shelved).locator("#footprints tr")
    expect(rows).to_have_count(3)
    ids = [each.get_attribute("data-id") for each in rows.all()]
    assert ids == [LATER.id, NEW.id, OLD.id]
    expect(rows.nth(0).locator(f'data[value="{LATER.kg_co2e}"]')).to_have_text("6.82")
    expect(rows.nth(0).locator(f'data[value="{LATER.u95.kg_co2e}"]')).to_have_text("0.0751")
    expect(rows.nth(1).locator('data[value="173.03"]')).to_be_visible()
    for of, said, unsaid in (
        (LATER, (stands, draft, gate, drift, "2026-10"), (old, cradle)),
        (NEW, (stands, cradle, "2026-09"), (old, draft, gate)),
        (OLD, (old, NEW.id[:8], draft, gate), (stands,)),
    ):
        text = row(page, of)
        assert [word for word in said if word not in text] == []
        assert [word for word in unsaid if word in text] == []
    page.screenshot(path=pictures / f"products-{locale}.png")


@LANGUAGES
def test_what_was_withdrawn_says_so_and_why_and_is_in_no_line(
    page: Page, tmp_path: Path, locale: str
) -> None:
    why = "meter m-7 was wired the wrong way round"
    stands = sample(site=SITE, period="2026-11")
    with door(tmp_path) as made:
        made.plant.example_4()
        made.take()
        with closing(open_shelf(made.parts.plan.config.state)) as shelf:
            shelf.add(LATER)
            shelf.add(stands)
            shelf.withdraw(LATER.id, why, "li.wei", 1_796_141_100_000)
        opened(page, made)
        withdrawn, in_force = {"en-GB": ("withdrawn", "in force"), "zh-CN": ("已撤回", "有效")}[
            locale
        ]
        told = row(page, LATER)
        assert (withdrawn in told, why in told, in_force in told) == (True, True, False)
        assert (withdrawn in row(page, stands), in_force in row(page, stands)) == (False, True)
        label = {"en-GB": "over 1 periods", "zh-CN": "近 1 个核算期"}[locale]
        assert label in (page.locator("#series").get_attribute("aria-label") or "")
        page.locator(".series summary").click()
        expect(page.locator(".series tbody tr")).to_have_count(2)
        expect(page.locator(".series tbody")).to_contain_text(withdrawn)


@LANGUAGES
def test_the_series_is_drawn_with_its_break(page: Page, shelved: Door, locale: str) -> None:
    chart = opened(page, shelved).locator("#series")
    chart.locator("canvas").wait_for(timeout=PATIENCE_MS)
    label = {"en-GB": "over 2 periods, with 1 breaks", "zh-CN": "近 2 个核算期"}[locale]
    assert label in (chart.get_attribute("aria-label") or "")
    page.locator(".series summary").click()
    points = page.locator(".series tbody tr")
    expect(points.nth(0).locator(f'data[value="{NEW.kg_co2e}"]')).to_be_visible()
    expect(points.nth(0).locator("td").nth(4)).to_have_text("1")  # it took the place of one
    broken = {"en-GB": "allocation, site model", "zh-CN": "分配规则, 厂区模型"}[locale]
    expect(points.nth(1).locator("td").nth(3)).to_have_text(broken)


@LANGUAGES
def test_a_footprint_is_taken_along_in_each_form(
    page: Page, shelved: Door, tmp_path_factory: pytest.TempPathFactory, locale: str
) -> None:
    files = opened(page, shelved).locator(f'tr[data-id="{LATER.id}"] .tools a')
    names = {"en-GB": ["Statement", "Evidence bundle"], "zh-CN": ["声明", "证据包"]}[locale]
    expect(files).to_have_text([names[0], "PACT", names[1], "JSON"])
    folder = tmp_path_factory.mktemp("taken")
    statement, pact, whole = (taken(page, files.nth(at), folder) for at in (0, 1, 3))
    head = f"wheel-17-2026-10-{LATER.id[:8]}"
    endings = ("-statement.pdf", "-pact.json", ".json")
    assert [each.name for each in (statement, pact, whole)] == [head + each for each in endings]
    first = pypdfium2.PdfDocument(statement)[0].get_textpage().get_text_range()
    assert {"en-GB": "Gate to gate", "zh-CN": "产品碳足迹实测声明"}[locale] in first
    assert validator.problems(json.loads(pact.read_text("utf-8"))) == []
    assert json.loads(whole.read_text("utf-8"))["footprints"][0]["id"] == LATER.id
    # Its batches are not in this ledger: why there is no bundle is said and not saved.
    files.nth(2).click()
    expect(page.locator("#footprints-said")).not_to_be_empty()


@LANGUAGES
def test_a_product_without_any_says_how_they_come_to_be(
    page: Page, shelved: Door, locale: str
) -> None:
    opened(page, shelved).locator("#product").select_option("wheel")
    expect(page.locator("#product-title")).to_have_text("wheel")
    how = {"en-GB": "when a period is over", "zh-CN": "自动发布"}[locale]
    expect(page.locator("#footprints-empty")).to_contain_text(how)
    expect(page.locator("#footprints-empty")).to_contain_text("[footprints]")


@LANGUAGES
def test_it_fits_a_phone_and_a_wall(page: Page, shelved: Door, pictures: Path, locale: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    expect(opened(page, shelved).locator("#footprints tr")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=pictures / f"phone-products-{locale}.png")
    page.set_viewport_size({"width": 1920, "height": 1080})
    expect(opened(page, shelved, query="?wall").locator("#footprints tr")).to_have_count(3)
    expect(page.locator("#footprints .tools").first).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.screenshot(path=pictures / f"wall-products-{locale}.png")


@pytest.mark.node
@pytest.mark.parametrize(("locale", "scheme"), [("en-GB", "light"), ("zh-CN", "dark")])
def test_it_has_no_accessibility_fault(page: Page, shelved: Door, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    expect(opened(page, shelved).locator("#footprints tr")).to_have_count(3)
    page.locator("#series canvas").wait_for(timeout=PATIENCE_MS)
    found = judged(page)
    faults = [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]
    assert faults == []
    assert len(found["passes"]) > 10
