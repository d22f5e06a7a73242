"""Each view of the page in both languages, on a phone and on a wall, with the plant running."""

import re
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import calm, judged
from tests.system import System

pytestmark = pytest.mark.chromium

PATIENCE_MS = 60_000
ZONE = "Asia/Shanghai"
VIEWS = ("now", "batches", "products", "meters", "events", "model")
LANGUAGES = pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])


def settled(demo: System, least: int = 1) -> list[dict[str, Any]]:
    """Batches of which nothing is missing and whose figures will not move any more."""
    deadline = time.monotonic() + 2 * PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        rows = demo.api("/v1/batches?state=closed&limit=20")["batches"]
        over = [r for r in rows if r["state"] == "settled" and r["kg_co2e_per_unit"]]
        whole = [row for row in over if not row["incomplete"]]
        if len(whole) >= least:
            return whole
        time.sleep(1)
    pytest.fail("no batch settled")


def value(page: Page, selector: str) -> Decimal:
    return Decimal(page.locator(selector).get_attribute("value") or "NaN")


@LANGUAGES
def test_energy_flows_from_sources_to_accounts(open_page, demo: System, locale: str) -> None:
    page = open_page(locale=locale)
    flow = page.locator(".flow")
    flow.locator("canvas").wait_for(timeout=PATIENCE_MS)
    expect(flow).to_contain_text({"en-GB": "Where energy went", "zh-CN": "能源流向"}[locale])
    flow.locator("summary").click()
    rows = flow.locator("tbody tr")
    expect(rows.filter(has_text="plant-room").filter(has_text="compressor")).to_have_count(1)
    edges = {(e["from"], e["to"]) for e in demo.api("/v1/flows")["edges"] if e["by_source"]}
    assert ("plant-room", "compressor") in edges
    expect(flow.locator(".tools button")).to_have_count(2)  # kWh and Nm3 are never one drawing
    flow.locator(".tools button").filter(has_text="Nm³").click()
    expect(rows.first).to_contain_text("Nm³")


@LANGUAGES
def test_batches_are_found_and_compared(open_page, demo: System, locale: str) -> None:
    one, other = settled(demo, 2)[:2]
    page = open_page(view="#/batches", locale=locale)
    title = {"en-GB": "Batches", "zh-CN": "批次"}[locale]
    expect(page.locator("#closed-title")).to_have_text(title)
    row = page.locator(f'tr[data-batch="{one["batch"]}"]')
    expect(row.locator(f'data[value="{one["kg_co2e_per_unit"]}"]')).to_be_visible()
    page.locator("#control canvas").wait_for(timeout=PATIENCE_MS)
    for each in (one, other):
        page.locator(f'tr[data-batch="{each["batch"]}"] input').check()
    compared = page.locator("#compare")
    for each in (one, other):
        expect(compared.locator("thead")).to_contain_text(each["batch"])
        expect(compared.locator(f'data[value="{each["kg_co2e_per_unit"]}"]')).to_be_visible()
    sure = compared.locator(".u95 data[value]")  # worked out now that somebody asks
    expect(sure).to_have_count(2, timeout=2 * PATIENCE_MS)
    for each in (one, other):
        its = demo.api(f"/v1/batches/{quote(each['batch'])}/u95")
        if its["revision"] == each["revision"]:
            expect(compared.locator(f'.u95 data[value="{its["u95"]}"]')).not_to_have_count(0)
    page.get_by_role("searchbox").fill(one["batch"])
    expect(page.locator("#closed tr")).to_have_count(1)


@LANGUAGES
def test_a_batch_is_its_ledger_and_explains_itself(open_page, demo: System, locale: str) -> None:
    row = settled(demo)[0]
    page = open_page(view=f"#/batches/{row['batch']}", locale=locale, timezone_id=ZONE)
    expect(page.locator("#batch-title")).to_have_text(row["batch"])
    for source, amount in row["by_source"].items():
        posted = page.locator(f'#ledger tr[data-source="{source}"] data')
        expect(posted).to_have_attribute("value", amount)
    spent = demo.api(f"/v1/batches/{quote(row['batch'])}/ledger?limit=1")["accounts"]
    own = [each for each in spent if each["account"] == f"batch:{row['batch']}"]
    states = page.locator(".by-state li[data-state]")
    expect(states).to_have_count(len({each["state"] for each in own}))
    making = sum(Decimal(e["amounts"].get("grid", "0")) for e in own if e["state"] == "producing")
    making += sum(Decimal(e["amounts"].get("pv", "0")) for e in own if e["state"] == "producing")
    said = states.first.locator(".total data").first
    assert Decimal(said.get_attribute("value") or "NaN") == making
    expect(page.locator(".timeline .legend li")).not_to_have_count(0)
    expect(page.locator("#u95[value]")).to_be_visible(timeout=2 * PATIENCE_MS)
    expect(page.locator('#revisions tr[data-revision="1"]')).to_be_visible(timeout=PATIENCE_MS)
    page.locator("#timeline canvas").wait_for(timeout=PATIENCE_MS)
    page.locator("#explain > summary").click()
    explained = demo.api(f"/v1/batches/{quote(row['batch'])}/explain")
    tree = page.locator("#explain")
    expect(tree).to_contain_text(explained["sources"][0]["masses"][0]["factor"]["id"])
    tree.locator("> details").last.locator("summary").click()
    expect(tree).to_contain_text(explained["events"][0]["hash"])
    trail = next(t for t in explained["meters"] if t["meter"] == "m-furnace" or t["since"])
    tree.locator("> details").nth(-2).locator("> summary").click()
    tree.locator("summary").filter(has_text=f"{trail['meter']} ").first.click()
    expect(tree.get_by_text(f"offset {trail['since']['before']['offset']}").or_(
        tree.get_by_text(f"日志序号 {trail['since']['before']['offset']}")
    ).first).to_be_visible()  # fmt: skip
    # Times go by the clock of the screen, to the millisecond; which clock that is, is said once.
    moment = datetime.fromtimestamp(trail["since"]["t_ms"] / 1000, ZoneInfo(ZONE))
    expect(tree).to_contain_text(f"{moment:%H:%M:%S}.{trail['since']['t_ms'] % 1000:03}")
    told = tree.inner_text()
    assert (told.count(ZONE), re.findall(r"\d\dT\d\d:", told)) == (1, [])


@LANGUAGES
def test_registers_stand_in_their_own_units(open_page, demo: System, locale: str) -> None:
    page = open_page(view="#/meters", locale=locale)
    gas = page.locator('tr[data-meter="m-gas"]')
    expect(gas).to_contain_text("Nm³", timeout=PATIENCE_MS)
    shown = value(page, 'tr[data-meter="m-gas"] td >> nth=3 >> data[value]')
    told = next(m for m in demo.api("/v1/meters")["meters"] if m["meter"] == "m-gas")
    assert 0 < shown <= Decimal(told["register"])
    expect(gas).to_contain_text("gas → gas-main")
    expect(gas).to_contain_text(told["profile"])
    page.get_by_role("searchbox").fill("compressor")
    expect(page.locator("#meters tr")).to_have_count(3)


@LANGUAGES
def test_an_event_by_hand_is_told_and_taken_back(open_page, demo: System, locale: str) -> None:
    page = open_page(view="#/events", locale=locale)
    form = page.locator("#by-hand")
    form.locator("[name=type]").select_option("quantity")
    batch = f"hand-{locale}"
    form.locator("[name=batch]").fill(batch)
    form.locator("[name=good]").fill("12.5")
    form.locator("[name=unit]").fill("kg")
    form.locator("button").click()
    expect(page.locator("#by-hand-said")).to_contain_text("page-")
    expect(form.locator("button")).to_be_focused()  # another event may follow
    row = page.locator("#told tr").filter(has_text=batch).first
    expect(row).to_contain_text("12.5", timeout=PATIENCE_MS)
    event = next(e for e in demo.api("/v1/events")["events"] if e["batch"] == batch)
    assert (event["type"], event["good"], event["unit"]) == ("quantity", "12.5", "kg")
    row.get_by_role("button").click()
    expect(row.get_by_role("button").first).to_be_focused()
    row.get_by_role("button").last.click()  # a finger that slipped
    expect(row.get_by_role("button")).to_have_count(1)
    row.get_by_role("button").click()
    expect(row.get_by_role("button").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(row).to_have_class(re.compile("voided"), timeout=PATIENCE_MS)
    expect(page.locator("#said")).to_be_focused()
    told = demo.api("/v1/events")["events"]
    assert next(e for e in told if e["id"] == event["id"])["voided_by"] is not None


@LANGUAGES
def test_a_file_of_events_is_tried_before_it_is_handed_in(
    watched, demo: System, pictures: Path, locale: str
) -> None:
    page, _ = watched(view="#/events", locale=locale)  # a refused request is told on its console
    head = "id,t,type,batch,good,unit\n"
    file = {"name": "events.csv", "mimeType": "text/csv"}
    send = page.locator("#upload button").last
    wrong = {
        "en-GB": (
            "line 2 · good: “many” is no decimal",
            "line 3 · of: is missing",
            "no such column",
        ),
        "zh-CN": ("第 2 行 · good: “many”不是小数", "第 3 行 · of: 缺失", "没有这样的列"),
    }[locale]

    def tried(line: str, head: str = head) -> None:
        page.set_input_files("#upload input", [file | {"buffer": (head + line).encode()}])
        page.locator("#upload button").first.click()

    day = "2026-11-21T08:00:00Z"
    tried(f"f1,{day},quantity,from-a-file,many,kg\nf1,{day},void,,,\n")
    for at, text in enumerate(wrong[:2]):
        expect(page.locator(".wrong").nth(at)).to_contain_text(text, timeout=PATIENCE_MS)
    expect(send).to_be_disabled()
    page.screenshot(path=pictures / f"upload-{locale}.png", full_page=True)
    tried("f1\n", head="id,batch_no\n")
    expect(page.locator(".wrong")).to_contain_text(
        f"batch_no{'：' if wrong[0][0] == '第' else ':'}"
    )
    expect(page.locator(".wrong")).to_contain_text(wrong[2])
    expect(send).to_be_disabled()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    tried(f"f2-{locale},{now},quantity,from-a-file-{locale},3,kg\n")
    expect(page.locator(".wrong")).to_have_count(0)
    expect(page.locator("#trial")).to_contain_text("1 ", timeout=PATIENCE_MS)
    assert not [
        e for e in demo.api("/v1/events")["events"] if e["batch"] == f"from-a-file-{locale}"
    ]
    send.click()
    expect(page.locator("#told tr").filter(has_text=f"from-a-file-{locale}").first).to_be_visible(
        timeout=PATIENCE_MS
    )


@LANGUAGES
def test_the_network_is_drawn_with_its_residuals(open_page, demo: System, locale: str) -> None:
    page = open_page(view="#/model", locale=locale)
    model = demo.api("/v1/model")
    places = page.locator("#network .place")
    expect(places).to_have_count(len(model["places"]), timeout=PATIENCE_MS)
    expect(page.locator("#network .edge")).to_have_count(len(model["edges"]))
    expect(page.locator('#network text[data-of="m-grid"]')).to_contain_text("kW")
    word = {"en-GB": "residual", "zh-CN": "差额"}[locale]
    expect(page.locator('[data-place="main"]')).to_contain_text(word)
    expect(page.locator("#residuals [data-bus]")).not_to_have_count(0)


@LANGUAGES
def test_a_batch_that_is_not_there_is_said_so(watched, locale: str) -> None:
    page, _ = watched(view="#/batches/NOPE", locale=locale)  # the browser itself tells of the 404
    said = {"en-GB": "There is no batch NOPE.", "zh-CN": "没有批次 NOPE。"}[locale]
    expect(page.locator(".panel.empty")).to_have_text(said)


def test_fingers_find_what_they_press(open_page) -> None:
    page = open_page(view="#/events", viewport={"width": 820, "height": 1180}, has_touch=True)
    page.locator("#told button").first.wait_for(timeout=PATIENCE_MS)
    pressed = "main :is(button, select, input), .views a, .languages button"
    # One look at all: what is folded away, or was drawn anew just now, has no height.
    seen = "all => all.filter(e => e.checkVisibility()).map(e => e.offsetHeight)"
    assert min(page.locator(pressed).evaluate_all(seen)) >= 38


def test_figures_keep_their_distance_on_a_tablet(open_page) -> None:
    page = open_page(viewport={"width": 820, "height": 1180})
    figures = page.locator("#now .figure")
    expect(figures).not_to_have_count(0)
    cut = "all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)"
    assert figures.evaluate_all(cut) == []


@LANGUAGES
def test_who_acknowledged_an_alarm_and_why_can_be_looked_up(
    open_page, demo: System, locale: str
) -> None:
    seen = {"by": "li.wei", "reason": "being exchanged", "t_ms": 1_795_651_300_000}
    alarm = {"kind": "certificate", "about": "m-oven", "text": "", "t_ms": None}
    snapshot = calm(demo) | {"alarms": [alarm | {"id": "a", "acknowledged": seen}]}
    page = open_page(snapshot, locale=locale)
    expect(page.locator('[data-kind="certificate"]')).to_have_count(0)
    page.locator("#alarms .seen button").click()
    told = page.locator('#alarms li[data-kind="certificate"]')
    for word in ("m-oven", "li.wei", "being exchanged"):
        expect(told).to_contain_text(word)


def test_an_alarm_is_acknowledged_by_keyboard(open_page, demo: System) -> None:
    alarm = {"kind": "certificate", "about": "m-oven", "text": "", "t_ms": None, "id": "a/b"}
    page = open_page(calm(demo) | {"alarms": [alarm]})
    asked: list[str] = []

    def answer(route: Any) -> None:
        asked.append(f"{route.request.url} {route.request.post_data}")
        route.fulfill(json={})

    page.route("**/v1/alarms/**", answer)
    page.locator("#alarms button").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("being exchanged")
    page.keyboard.press("Enter")
    expect(page.locator("#alarms")).to_be_focused()
    (told,) = asked
    assert "a%2Fb/acknowledge" in told
    assert "being exchanged" in told


def test_a_revision_that_is_not_on_disk_yet_is_asked_for_again(open_page, demo: System) -> None:
    batch = quote(settled(demo)[0]["batch"])
    page = open_page()
    early: list[str] = []

    def answer(route: Any) -> None:
        if early:
            route.continue_()
            return
        early.append(route.request.url)
        route.fulfill(json={"batch": batch, "revisions": []})

    page.route("**/revisions", answer)
    page.evaluate(f"location.hash = '#/batches/{batch}'")
    expect(page.locator('#revisions tr[data-revision="1"]')).to_be_visible(timeout=PATIENCE_MS)
    assert early


def test_an_address_that_is_none_shows_the_page_all_the_same(open_page) -> None:
    page = open_page(view="#/%")
    expect(page.locator("#now")).to_be_visible()


@LANGUAGES
def test_a_question_nobody_answers_is_said_in_words(watched, locale: str) -> None:
    page, _ = watched(view="#/batches", locale=locale)  # the browser itself tells of the lost line
    page.route(re.compile(r"/v1/batches\?.*product="), lambda route: route.abort())
    choice = page.get_by_role("combobox").first
    expect(choice.locator("option")).not_to_have_count(1, timeout=PATIENCE_MS)
    page.get_by_role("searchbox").fill("no such batch")
    choice.select_option(index=1)
    said = {"en-GB": "the calculator does not answer", "zh-CN": "核算服务没有应答"}[locale]
    expect(page.locator("#closed-empty")).to_have_text(said)


@pytest.mark.parametrize("view", VIEWS)
def test_a_phone_needs_no_sideways_scrolling(open_page, pictures: Path, view: str) -> None:
    page = open_page(view=f"#/{view}", viewport={"width": 390, "height": 844})
    page.locator(".panel").first.wait_for(timeout=PATIENCE_MS)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=pictures / f"phone-{view}.png")


def test_a_wall_shows_everything_without_scrolling(open_page, pictures: Path) -> None:
    page = open_page(view="?wall", viewport={"width": 1920, "height": 1080})
    page.locator("#chart canvas").wait_for(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    expect(page.locator(".views")).to_be_hidden()
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") >= 18
    page.screenshot(path=pictures / "wall.png")


@pytest.mark.parametrize(("width", "says"), [(1920, True), (820, False)])
def test_what_has_no_room_on_a_wall_is_counted(
    open_page, demo: System, width: int, says: bool
) -> None:
    snapshot = demo.api("/v1/snapshot")
    (one, *_), many = snapshot["batches"], range(10)
    running = [one | {"batch": f"B-{n}", "state": "live", "ended_ms": None} for n in many]
    viewport = {"width": width, "height": 1080}
    page = open_page(snapshot | {"batches": running}, view="?wall", viewport=viewport)
    expect(page.locator("#running > li").filter(visible=True)).to_have_count(8 if says else 10)
    assert page.get_by_text("2 more batches run").is_visible() == says


@pytest.mark.parametrize("view", VIEWS)
def test_views_can_be_reached_and_left_by_keyboard(open_page, view: str) -> None:
    page = open_page(view="#/model" if view == "now" else "")
    link = page.locator(f'.views a[href="#/{view}"]')
    link.focus()
    page.keyboard.press("Enter")
    expect(link).to_have_attribute("aria-current", "page")
    expect(page.locator("main")).to_be_focused()


@pytest.mark.node
@pytest.mark.timeout(900)  # every view, looked at whole
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_accessibility_fault(open_page, demo: System, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    batch = settled(demo)[0]["batch"]
    for view in (*VIEWS, f"batches/{batch}"):
        page.goto(f"{demo.url}/#/{view}")
        here = page.locator(f'.views a[href="#/{view.partition("/")[0]}"]')
        expect(here).to_have_attribute("aria-current", "page")
        page.locator("main .panel h2").first.wait_for(timeout=PATIENCE_MS)
        page.wait_for_timeout(500)
        found = judged(page)
        grave = [
            (
                view,
                fault["id"],
                fault["nodes"][0]["html"][:200],
                fault["nodes"][0]["failureSummary"],
            )
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert grave == []
        assert len(found["passes"]) > 10
