"""The page shows what it is told: snapshots that a running plant cannot be asked for."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import calm
from tests.system import System

pytestmark = pytest.mark.chromium


def test_an_open_closure_is_a_grave_alarm(open_page, demo: System) -> None:
    snapshot = demo.api("/v1/snapshot")  # a closure that is off cannot be had of a running plant
    snapshot["closure"]["grid"] = "-0.000003"
    page = open_page(snapshot)
    expect(page.locator("#closure")).to_have_attribute("data-state", "off")
    expect(page.locator("#closure .big data")).to_have_text("-0.000003")
    alarms = page.get_by_role("status")
    expect(alarms).to_contain_text("Closure is off: Grid -0.000003 kWh")


@pytest.mark.parametrize(
    ("locale", "alarms", "notice", "events", "cause"),
    [
        (
            "en",
            ["in doubt since", "went on from another place at", "clock of gateway gw-1 is behind"],
            "register reset",
            ["m-1 register reset", "gw-1 clock was set", "closing 50.1", "quantity energy drawn"],
            "node: press-9 is no machine of the model",
        ),
        (
            "zh-CN",
            ["起存疑", "从别处重新开始", "网关 gw-1 的时钟落后"],
            "表底数重置",
            ["m-1 表底数重置", "gw-1 时钟被调整", "止码 50.1", "用电量"],
            "node: 模型中没有设备 press-9",
        ),
    ],
)
def test_what_registers_and_clocks_did_is_said_in_words(
    open_page,
    demo: System,
    locale: str,
    alarms: list[str],
    notice: str,
    events: list[str],
    cause: str,
) -> None:
    snapshot = calm(demo)
    t_ms = snapshot["now_ms"] - 1000
    detail = {"quantity": "active_energy_import", "closing": "50.1", "opening": "0"}
    reset = {"t_ms": t_ms, "kind": "meter", "event": "reset", "meter": "m-1", "detail": detail}
    step = {"event": "clock_step", "meter": "gw-1", "detail": {"by_ms": "-3600000"}}
    snapshot["events"] = [reset, reset | step]
    snapshot["meters"][0] |= {"quality": "suspect", "notice": reset}
    snapshot["alarms"] = [
        {"kind": kind, "about": about, "text": "", "t_ms": t_ms}
        for kind, about in (("doubt", "m-1"), ("reset", "m-1"), ("clock", "gw-1"))
    ]
    coded = {"key": "node", "code": "no_node", "node": "press-9"}
    text = "node: 'press-9' is no node of the model"
    snapshot["alarms"].insert(
        0, {"kind": "event", "about": "e1", "text": text, "t_ms": t_ms, "detail": coded}
    )
    page = open_page(snapshot, locale=locale)
    for text in alarms:
        expect(page.get_by_role("status")).to_contain_text(text)
    for text in events:
        expect(page.locator("#events")).to_contain_text(text)
    expect(page.get_by_role("status")).to_contain_text(cause)
    page.goto(f"{demo.url}/#/meters")
    row = page.locator(f'tr[data-meter="{snapshot["meters"][0]["meter"]}"]')
    expect(row.locator('[data-event="reset"]')).to_contain_text(notice)


def test_names_from_outside_stay_text(open_page, demo: System) -> None:
    snapshot = demo.api("/v1/snapshot")
    evil = "<img src=x onerror=document.title='evil'>"
    snapshot["site"] = evil
    for batch in snapshot["batches"]:
        batch["product"] = evil
    for machine in snapshot["machines"]:
        machine["node"] += evil
    page = open_page(snapshot)
    expect(page.locator("#site")).to_have_text(evil)
    assert page.locator("img").count() == 0
    assert page.title() == f"{evil} · wattprint"


def test_a_site_without_batches_says_what_will_come(open_page, demo: System) -> None:
    lists = ("sources", "batches", "accounts", "machines", "meters", "events")
    nothing = {name: [] for name in lists} | {"closure": {}, "latest_reading_ms": None}
    page = open_page(demo.api("/v1/snapshot") | nothing | {"frontier_ms": None})
    expect(page.locator("#running-empty")).to_contain_text("No batch is running.")
    expect(page.locator("#closure")).to_have_attribute("data-state", "none")
    expect(page.locator("#closure .big data")).to_contain_text("–")
    expect(page.locator("#machines-empty")).to_be_visible()
    page.goto(f"{demo.url}/#/meters")
    expect(page.locator("#meters-empty")).to_be_visible()


def test_a_missing_factor_says_why(open_page, demo: System) -> None:
    snapshot = demo.api("/v1/snapshot")
    fresh = snapshot["batches"][0] | {
        "state": "live",
        "ended_ms": None,
        "incomplete": False,
        "good": "0",
        "kg_co2e": "0.026850",
        "kg_co2e_per_unit": None,
        "kwh_per_unit": None,
        "factor_status": "verified",
    }
    page = open_page(snapshot | {"batches": [fresh]})
    factor = page.locator("article.batch dl div", has_text="Footprint per unit").locator("data")
    expect(factor).to_contain_text("–")
    expect(factor).to_have_attribute("title", "no good piece reported yet")
    total = page.locator("article.batch .headline data")
    expect(total).to_have_attribute("value", fresh["kg_co2e"])


@pytest.mark.parametrize("width", [390, 1280, 1400, 1600])
def test_no_figure_runs_out_of_its_card(open_page, demo: System, width: int) -> None:
    snapshot = demo.api("/v1/snapshot")
    one = snapshot["batches"][0] | {
        "state": "live",
        "unit": "piece",
        "good": "3",
        "kg_co2e": "0.026850",
        "kg_co2e_per_unit": "0.00895",
        "factor_status": "verified",
    }
    cards = [one | {"batch": f"B-{number}"} for number in range(6)]
    page = open_page(snapshot | {"batches": cards}, viewport={"width": width, "height": 900})
    expect(page.locator("article.batch .headline .big").first).to_contain_text("0.00895")
    too_wide = page.evaluate(
        """() => [...document.querySelectorAll(".big, .measures div, .mix-words")]
          .filter((part) => part.scrollWidth > part.clientWidth).map((part) => part.textContent)"""
    )
    assert too_wide == []


def test_a_batch_that_stopped_everywhere_is_not_said_to_run(open_page, demo: System) -> None:
    snapshot = demo.api("/v1/snapshot")
    one = snapshot["batches"][0] | {"kg_co2e": "1.000000", "factor_status": "secondary"}
    live = one | {"batch": "B-live", "state": "live", "ended_ms": None, "incomplete": False}
    stopped = live | {"batch": "B-stopped", "state": "provisional"}
    stopped["ended_ms"] = stopped["started_ms"] + 61_000
    page = open_page(snapshot | {"batches": [live, stopped]})
    running, waiting = (page.locator(f'[data-batch="B-{word}"]') for word in ("live", "stopped"))
    expect(running.locator(".note")).to_have_text("so far · second-hand emission factor")
    expect(waiting.locator(".badge")).to_have_text("provisional")
    expect(waiting.locator(".note")).not_to_contain_text("so far")
    expect(waiting.locator(".note")).to_contain_text("stopped; waiting for late readings")
    expect(waiting.locator(".elapsed")).to_have_text("01:01")
