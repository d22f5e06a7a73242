"""The page in a real Chromium while the demo's batches run."""

import csv
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from simulators.plant import find
from tests.browser.conftest import taken
from tests.system import System

pytestmark = pytest.mark.chromium

PATIENCE_MS = 60_000
# One look: the offset and the figures of one and the same snapshot.
LOOK = """() => ({
  offset: Number(document.body.dataset.offset),
  energy: Object.fromEntries([...document.querySelectorAll("article.batch")].map(
    (card) => [card.dataset.batch, card.querySelector("data.energy").value])),
})"""

# Whether one of the batches that run has more energy than when this was first asked.
GROWN = """() => {
  window.first ??= new Map();
  return [...document.querySelectorAll("article.batch[data-state=live]")].some((card) => {
    const [batch, now] = [card.dataset.batch, Number(card.querySelector("data.energy").value)];
    if (!window.first.has(batch)) window.first.set(batch, now);
    return now > window.first.get(batch);
  });
}"""

# Notes every state of the connection, with "stale" where the figures were greyed.
KEEP_STATES = """() => {
  window.states = [];
  new MutationObserver(() => window.states.push(
    `${document.getElementById("connection").dataset.state} ${document.body.className}`.trim(),
  )).observe(document.body, { attributes: true, subtree: true, attributeFilter: ["data-state", "class"] });
}"""

# How many pixels of the chart have each machine's own colour, once it is drawn.
DRAWN = """() => {
  const canvas = document.querySelector("#chart canvas");
  if (!canvas) return null;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const counts = new Map();
  for (let at = 0; at < data.length; at += 4) {
    const colour = `rgb(${data[at]}, ${data[at + 1]}, ${data[at + 2]})`;
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const rows = [...document.querySelectorAll("#machines li")];
  const pixels = (row) => counts.get(getComputedStyle(row.querySelector("i")).backgroundColor) ?? 0;
  const drawn = Object.fromEntries(rows.map((row) => [row.dataset.node, pixels(row)]));
  return Object.values(drawn).some((count) => count > 0) ? drawn : null;
}"""


FAILING = "m-furnace"


def wait_no_longer(demo: System, seconds: int) -> None:
    """For a meter its gateway calls silent; the calculator starts anew with it."""
    config = demo.state / "calc.toml"
    config.write_text(f"silent_after_s = {seconds}\n{config.read_text()}")
    demo.kill("calc")
    demo.wait_up()


@contextmanager
def failing(demo: System, meter: str) -> Iterator[None]:
    """The plant goes on, but this meter of it answers nothing."""
    told = {name: demo.state / name for name in ("plant.toml", "plant/run.json")}
    as_it_was = {name: path.read_text() for name, path in told.items()}
    scenario = demo.state / "one-silent.toml"
    fault = f'\n[[faults]]\nmeter = "{meter}"\nkind = "silent"\nevery = 1\n'
    scenario.write_text(find("demo_plant").read_text() + fault)
    for name, path in told.items():
        path.write_text(as_it_was[name].replace('"demo_plant"', f'"{scenario}"'))
    demo.kill("plant")
    try:
        yield
    finally:
        for name, path in told.items():
            path.write_text(as_it_was[name])
        demo.kill("plant")


def a_running_batch(page: Page) -> None:
    """Wait for one."""
    page.locator("article.batch[data-state=live]").first.wait_for(timeout=PATIENCE_MS)


@contextmanager
def journal_stands(demo: System) -> Iterator[None]:
    """Nothing is added to it meanwhile."""
    ingestor = demo.pid("ingestor")
    os.kill(ingestor, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(ingestor, signal.SIGCONT)


def figures_at(page: Page, demo: System) -> tuple[dict[str, str], dict[str, Any]]:
    """What the page shows and what /v1/snapshot says of the same journal offset."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < deadline:
        before = demo.api("/v1/snapshot")
        page.wait_for_function(
            "offset => Number(document.body.dataset.offset) >= offset",
            arg=before["offset"],
            timeout=PATIENCE_MS,
        )
        seen = page.evaluate(LOOK)
        # The page notes its offset a frame after its figures: they may be of the next one already.
        stood = before["offset"] == seen["offset"] == demo.api("/v1/snapshot")["offset"]
        if stood and seen["energy"]:
            return seen["energy"], before
    pytest.fail("page and API never stood at the same offset")


def test_a_running_batch_grows_and_equals_the_snapshot(open_page, demo: System) -> None:
    page = open_page()
    page.wait_for_function(GROWN, timeout=PATIENCE_MS)
    with journal_stands(demo):
        shown, snapshot = figures_at(page, demo)
    is_open = ("live", "provisional")
    told = {b["batch"]: b["energy_kwh"] for b in snapshot["batches"] if b["state"] in is_open}
    assert shown == told


def test_closure_is_shown_as_zero_with_a_tick(open_page, demo: System) -> None:
    page = open_page()
    closure = page.locator("#closure")
    expect(closure).to_have_attribute("data-state", "closed", timeout=PATIENCE_MS)
    expect(closure.locator("data")).to_have_text("0")
    for source in demo.api("/v1/snapshot")["sources"]:
        name = {"grid": "Grid", "pv": "PV", "gas": "Gas"}[source["source"]]
        unit = {"kWh": "kWh", "Nm3": "Nm³"}[source["unit"]]
        expect(closure).to_contain_text(f"{name}\u00a00.000000\u00a0{unit}")
    expect(page.locator("#alarms .grave")).to_have_count(0)


def test_machines_and_sources_show_their_power(open_page, demo: System) -> None:
    page = open_page()
    powers = page.locator("#machines li data[value]")
    expect(powers.nth(5)).to_be_visible(timeout=PATIENCE_MS)
    page.wait_for_function(
        "() => [...document.querySelectorAll('#machines li data')].filter(e => e.value > 0).length > 5",
        timeout=PATIENCE_MS,
    )
    machines = {m["node"]: m["power_w"] or 0 for m in demo.api("/v1/snapshot")["machines"]}
    strong = {machine for machine, watts in machines.items() if watts >= 6000}
    assert strong
    drawn: dict[str, int] = {}
    for _ in range(PATIENCE_MS // 500):  # one that began just now is drawn a little later
        drawn = page.wait_for_function(DRAWN, timeout=PATIENCE_MS).json_value()
        if all(drawn[machine] > 0 for machine in strong):
            break
        page.wait_for_timeout(500)
    assert drawn.keys() == machines.keys()
    assert {machine for machine in strong if not drawn[machine]} == set(), "no layer in the chart"
    for source in ("grid", "pv"):
        shown = page.locator(f'.figure[data-source="{source}"] data')
        expect(shown).to_have_attribute("value", re.compile("^[^-]*[1-9]"))


def test_the_chart_can_be_read_as_a_table(open_page) -> None:
    page = open_page()
    machines = page.locator("#machines li")
    expect(machines).not_to_have_count(0)
    page.locator("#power-table summary").focus()
    page.keyboard.press("Enter")
    rows = page.locator("#power-rows tr")
    expect(rows).to_have_count(machines.count(), timeout=PATIENCE_MS)
    assert all(len(row.locator("td").all()) == 4 for row in rows.all())


def test_every_meter_is_listed_with_its_health(open_page, demo: System) -> None:
    page = open_page(view="#/meters")
    meters = [meter["meter"] for meter in demo.api("/v1/snapshot")["meters"]]
    assert len(meters) >= 24
    for meter in meters:
        row = page.locator(f'tr[data-meter="{meter}"]')
        expect(row).to_have_attribute("data-health", "ok", timeout=PATIENCE_MS)


def test_the_latency_from_meter_to_page_is_shown(open_page) -> None:
    page = open_page()
    # Of one reading a busy machine may take longer, but not of each.
    page.wait_for_function(
        "() => document.querySelector('#latency[value]')?.value < 10_000", timeout=PATIENCE_MS
    )
    assert Decimal(page.get_attribute("#latency", "value") or "-1") >= 0


def test_both_languages_are_whole_and_the_choice_is_kept(open_page, pictures: Path) -> None:
    page = open_page()
    a_running_batch(page)
    expect(page.locator("#running-title")).to_have_text("Running batches")
    page.wait_for_selector("article.batch .headline data[value]", timeout=PATIENCE_MS)
    page.screenshot(path=pictures / "page-en.png")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#running-title")).to_have_text("运行中的批次")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    a_running_batch(page)
    page.screenshot(path=pictures / "page-zh.png")
    for text in (page.inner_text("body"), page.get_by_role("main").inner_text()):
        for wrong in ("undefined", "NaN", "null", "[object"):
            assert wrong not in text


def test_the_browsers_language_is_spoken_first(open_page) -> None:
    page = open_page(locale="zh-CN")
    expect(page.locator("#power-title")).to_have_text("各设备功率")


def test_batches_and_product_factors_can_be_taken_along(open_page, tmp_path: Path) -> None:
    page = open_page(view="#/batches")
    page.wait_for_selector("#products a", timeout=PATIENCE_MS)
    for link in ("#batches-csv", "#products a >> nth=0"):
        path = taken(page, page.locator(link), tmp_path)
        assert path.suffix == ".csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file))
        assert {"product", "method", "revision"} <= set(header)


def test_a_phone_shows_the_page_without_scrolling_sideways(open_page) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    a_running_batch(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_restarted_calculator_is_found_again(watched, demo: System) -> None:
    page, _ = watched()  # the browser itself complains of the lost line on the console
    page.evaluate(KEEP_STATES)
    demo.kill("calc")
    page.wait_for_function("window.states.includes('reconnecting stale')", timeout=PATIENCE_MS)
    offset = int(page.get_attribute("body", "data-offset") or 0)
    page.wait_for_function(
        "offset => Number(document.body.dataset.offset) > offset",
        arg=offset,
        timeout=2 * PATIENCE_MS,
    )
    expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    expect(page.locator("body")).not_to_have_class("stale")


def test_a_meter_that_fails_is_shown_as_silent_until_it_answers_again(
    open_page, demo: System
) -> None:
    """The last test of the plant: its machine's batches close without the meter."""
    wait_no_longer(demo, 8)
    words = {
        "en-GB": (f"Meter {FAILING} is silent since", "silent", "ok"),
        "zh-CN": (f"表计 {FAILING} 自", "无应答", "正常"),
    }
    pages = {locale: open_page(locale=locale) for locale in words}
    alarms = {
        locale: page.locator("#alarms .alarm[data-kind=silent]", has_text=words[locale][0])
        for locale, page in pages.items()
    }
    for alarm in alarms.values():
        expect(alarm).to_have_count(0, timeout=PATIENCE_MS)
    with failing(demo, FAILING):
        for locale, page in pages.items():
            expect(alarms[locale]).to_be_visible(timeout=2 * PATIENCE_MS)
            page.goto(f"{demo.url}/#/meters")
            page.locator(".filters .tools button").last.click()  # those that need attention
            row = page.locator(f'tr[data-meter="{FAILING}"]')
            expect(row).to_have_attribute("data-health", "silent")
            expect(row.locator(".badge")).to_have_text(words[locale][1])
            # The others of the plant, whose process began anew, are back.
            expect(page.locator('tr[data-meter="m-grid"]')).to_have_count(0, timeout=PATIENCE_MS)
        told: list[tuple[str, str]] = []
        for _ in range(PATIENCE_MS // 500):  # the book of alarms looks every few seconds
            told = [(a["kind"], a["about"]) for a in demo.api("/v1/alarms")["alarms"]]
            if ("silent", FAILING) in told:
                break
            time.sleep(0.5)
        assert ("silent", FAILING) in told
    for locale, page in pages.items():
        expect(alarms[locale]).to_have_count(0, timeout=2 * PATIENCE_MS)
        page.locator(".filters .tools button").first.click()
        row = page.locator(f'tr[data-meter="{FAILING}"]')
        expect(row).to_have_attribute("data-health", "ok", timeout=PATIENCE_MS)
        expect(row.locator(".badge")).to_have_text(words[locale][2])
