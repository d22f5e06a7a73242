"""A plant whose pools are spread, in a real Chromium: what its figures stand on, and what is not known yet."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import settle
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.test_closing import HOURS
from tests.unit.calc_stream_live.test_how_sure import work

pytestmark = pytest.mark.chromium
LANGUAGES = pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])


@pytest.fixture
def spread(tmp_path: Path) -> Iterator[Door]:
    """60 Wh a minute: 30 before P; from 08:02 on P runs a minute, Q three, and then 30 Wh are idle."""
    with door(tmp_path) as made:
        its = made.plant
        its.model(HOURS)
        its.factors()
        for batch, begin, end in (("P", 30, 180), ("Q", 180, 330)):
            its.event(f"{batch}1", begin, "start", node="press", batch=batch, product="wheel")
            its.event(f"{batch}2", end, "stop", node="press", batch=batch)
        its.event("P3", 180, "quantity", batch="P", good="2", unit="piece")
        its.read((0, 1000), (360, 1360))
        made.take()
        yield made


@LANGUAGES
def test_what_pools_gave_is_said_window_by_window(page: Page, spread: Door, locale: str) -> None:
    settle(page, f"{spread.url}/#/batches/P")
    page.locator("#explain > summary").click()
    words = {"en-GB": "parts of pools and campaigns", "zh-CN": "笔公用池与生产活动的分摊"}[locale]
    pools = page.locator("#explain > details", has_text=words)
    pools.locator("summary").click()
    expect(pools.locator("li")).to_have_count(2)
    early, late = pools.locator("li").all()
    grid, pool = {"en-GB": ("Grid", "Pool"), "zh-CN": ("电网", "公用池")}[locale]
    expect(early).to_contain_text(f"{pool} press · ")
    expect(early).to_contain_text("100%")
    expect(late).to_contain_text(f"{grid} 0.008571 kWh = ")
    expect(late).to_contain_text(
        {"en-GB": "28.5714% by machine hours", "zh-CN": "按机时的 28.5714%"}[locale]
    )
    expect(late).to_contain_text(f"{grid} 0.03 kWh")


@LANGUAGES
def test_what_is_still_worked_out_is_not_said_to_be_unknown(
    page: Page, spread: Door, locale: str
) -> None:
    settle(page, f"{spread.url}/#/batches")
    page.locator(".control details summary").click()
    sure = page.locator(".control tbody tr", has_text="P").locator("data").first
    asking, unknown = {
        "en-GB": ("Asking …", "not known: a meter has neither class nor certificate"),
        "zh-CN": ("正在查询…", "未知：有表计既无准确度等级也无检定/校准证书"),
    }[locale]
    expect(sure).to_have_attribute("title", asking)
    with ThreadPoolExecutor() as elsewhere:  # this thread has Playwright's event loop
        elsewhere.submit(work, spread, "P").result()
    expect(sure).to_have_attribute("title", unknown)
