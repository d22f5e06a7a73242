"""Signing in with a key, in a real Chromium: what a role sees and may do. A real ingestor takes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import new_page, settle, sign_in
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.unit.calc_stream_live.door import BY_HAND, Door, door
from tests.unit.calc_stream_live.plant import SITE
from wire.callers import CallersFile

pytestmark = pytest.mark.chromium


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The worked example; ingestor and calculator share a machine and a keys file."""
    folder: Path = tmp_path_factory.mktemp("keyed")
    ingestor = Ingestor(folder, servers.free_port())
    ingestor.gateway("gw-9", site=SITE)
    callers = (("vera", "viewer"), ("otto", "operator"))
    with door(folder, *callers, ingestor_port=ingestor.api_port) as made:  # type: ignore[arg-type]
        made.plant.example_4()
        ingestor.start()
        made.take()
        yield made
        ingestor.process.kill()


@pytest.fixture(params=["en-GB", "zh-CN"])
def page(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    opened = new_page(chromium, locale=request.param)
    yield opened
    opened.context.close()


def test_without_a_key_nothing_but_the_door_is_shown(page: Page, keyed: Door) -> None:
    page.goto(f"{keyed.url}/#/batches")
    title = page.locator("#sign-in-title")
    expect(title).to_have_text(
        "登录" if page.locator("html").get_attribute("lang") == "zh-CN" else "Sign in"
    )
    assert SITE not in page.inner_text("body")
    assert page.locator(".panel").count() == 1


def test_a_wrong_key_is_refused_and_said(page: Page, keyed: Door) -> None:
    page.goto(keyed.url)
    page.locator("#sign-in input").fill("wrong")
    page.locator("#sign-in button").click()
    expect(page.locator("#sign-in [role=alert]")).to_have_text("this key is not known here")
    assert page.context.cookies() == []
    expect(page.locator("#sign-in")).to_be_visible()


def test_a_viewer_sees_everything_and_can_change_nothing(page: Page, keyed: Door) -> None:
    sign_in(page, keyed.url, "vera-vera")
    expect(page.locator("#site")).to_have_text(SITE)
    settle(page, f"{keyed.url}/#/events")
    expect(page.locator("#told tr").first).to_be_visible()
    for part in ("#by-hand", "#upload", "#told button"):
        expect(page.locator(part)).to_have_count(0)
    # Nor by the cookie alone, past the page.
    event = {"id": "v1", "t": "2026-11-21T08:04:00Z", "type": "void", "of": "e1"}
    refused = page.request.post(f"{keyed.url}/v1/events", data=event, headers=BY_HAND)
    assert (refused.status, "operator" in refused.json()["detail"]) == (403, True)
    (cookie,) = page.context.cookies()
    assert cookie["httpOnly"]
    assert page.evaluate("document.cookie") == ""


def test_an_operator_tells_an_event_that_enters_the_journal(page: Page, keyed: Door) -> None:
    sign_in(page, keyed.url, "otto-otto")
    expect(page.locator("#site")).to_have_text(SITE)
    settle(page, f"{keyed.url}/#/events")
    batch = f"by-otto-{page.locator('html').get_attribute('lang')}"
    form = page.locator("#by-hand")
    form.locator("[name=type]").select_option("quantity")
    form.locator("[name=batch]").fill(batch)
    form.locator("[name=good]").fill("3")
    form.locator("[name=unit]").fill("piece")
    form.locator("button").click()
    expect(page.locator("#by-hand-said")).to_contain_text("hand/otto/")
    keyed.take()
    (event,) = keyed.client("otto-otto").get("/v1/events", params={"batch": batch}).json()["events"]
    assert (event["by"], event["good"]) == ("otto", "3")
    assert keyed.plant.writer.find(SITE, "event", event["id"]) is not None


def test_what_the_ingestor_refuses_is_said_in_the_pages_language(page: Page, keyed: Door) -> None:
    sign_in(page, keyed.url, "otto-otto")
    expect(page.locator("#site")).to_have_text(SITE)
    settle(page, f"{keyed.url}/#/events")
    chinese = page.locator("html").get_attribute("lang") == "zh-CN"
    form = page.locator("#by-hand")
    form.locator("[name=type]").select_option("stop")
    form.locator("[name=node]").select_option("press")
    form.locator("[name=batch]").fill("P")
    form.locator("[name=at]").fill("2999-11-21T08:00:00")
    form.locator("button").click()
    said = "时间: 比现在晚一天以上" if chinese else "time: is more than a day in the future"
    expect(page.locator("#by-hand-said")).to_have_text(said)
    table = b"id,t,type,node,batch\n" + b"k1,1999-11-21T08:00:00Z,stop,press,P\n"
    upload = page.locator("#upload")
    upload.locator("input").set_input_files(
        [{"name": "e.csv", "mimeType": "text/csv", "buffer": table}]
    )
    upload.locator("[type=submit]").click()
    said = "第 2 行 · t: 早于 2000 年" if chinese else "line 2 · t: is before the year 2000"
    expect(page.locator(".wrong")).to_have_text(said)


def test_a_key_that_is_revoked_ends_what_it_opened(chromium: Browser, keyed: Door) -> None:
    CallersFile(keyed.plant.folder / "api.keys", lambda: "gone-gone").add("gone", ("viewer",), 0)
    page = new_page(chromium, locale="en-GB")
    sign_in(page, keyed.url, "gone-gone")
    expect(page.locator("#site")).to_have_text(SITE)
    keyed.keys.revoke("gone")
    page.reload()
    expect(page.locator("#sign-in")).to_be_visible()
    page.context.close()
