"""A commissioning report in a real browser, as it lies on A4."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.integration.meters_on_site import Load, configuration, line, line_a, model

pytestmark = pytest.mark.chromium
A4_PX = {"width": 703, "height": 1009}  # 186 mm by 267 mm between the margins, at 96 to the inch


@pytest.fixture(params=["en", "zh"])
def page(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Path:
    """A report of a good meter, one to look at and one that is silent."""
    config = configuration(
        tmp_path,
        line_a(tmp_path / "line"),
        press=(2, "eastron_sdm630"),
        a_meter_with_a_long_name_in_hall_7=(3, "carlo_gavazzi_em24_din"),
        mixer=(9, "eastron_sdm630"),
    )
    meters = {
        2: "eastron_sdm630",
        3: model("carlo_gavazzi_em24_din", load=Load(other={"active_power_l2": "-1093.4"})),
    }
    out = tmp_path / f"report-{request.param}"
    command = [sys.executable, "-m", "edge_agent", "report", "--config", str(config)]
    with line(tmp_path / "line", meters):
        done = subprocess.run(
            [*command, "--out", str(out), "--language", request.param, "--rounds", "2"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done.stderr
    return out.with_suffix(".html")


def test_the_report_prints_on_a4_and_asks_for_nothing(
    chromium: Browser, page: Path, pictures: Path
) -> None:
    shown = chromium.new_page(viewport=A4_PX)
    asked: list[str] = []
    faults: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("console", lambda message: faults.append(message.text))
    shown.on("pageerror", lambda error: faults.append(str(error)))
    shown.emulate_media(media="print")
    shown.goto(page.as_uri())
    assert shown.locator("section.meter").count() == 3
    assert shown.locator(".mark.bad").first.is_visible()
    wide = "[...document.querySelectorAll('*')].filter(e => e.scrollWidth > e.clientWidth + 1 &&"
    wide += " getComputedStyle(e).display !== 'inline').map(e => e.outerHTML.slice(0, 80))"
    assert shown.evaluate(wide) == []
    tallest = (
        "Math.max(...[...document.querySelectorAll('section.meter')].map(e => e.offsetHeight))"
    )
    assert shown.evaluate(tallest) < A4_PX["height"]  # none is torn over two sheets
    printed = shown.pdf(prefer_css_page_size=True)
    assert 2 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 4
    assert b"595" in printed  # points of A4's width
    shown.screenshot(path=pictures / f"{page.stem}.png", full_page=True)
    shown.close()
    assert (asked, faults) == ([page.as_uri()], [])
