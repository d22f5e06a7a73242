"""Debian's Chromium, looking at the page of the running demo as people do."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.page_folder import installed
from tests.system import System, running

# A busy machine paints late; what is wrong stays wrong.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class OpenPage(Protocol):
    def __call__(self, instead: Any = None, view: str = "", **context: Any) -> Page: ...


def new_page(chromium: Browser, **context: Any) -> Page:
    """A page of a context of its own, which closes with it."""
    made = chromium.new_context(**context)
    made.set_default_timeout(PATIENCE_MS)
    return made.new_page()


def settle(page: Page, url: str) -> Page:
    """The page at `url`, once its first figures stand there."""
    page.goto(url)
    page.wait_for_selector("body[data-offset]")
    return page


def sign_in(page: Page, url: str, key: str) -> None:
    """With a key that is known: the page begins anew."""
    page.goto(url)
    page.locator("#sign-in input").fill(key)
    with page.expect_navigation():
        page.locator("#sign-in button").click()


def calm(demo: System) -> dict[str, Any]:
    """A snapshot of the demo with no alarm of its own, which a busy machine's meters may raise."""
    snapshot: dict[str, Any] = demo.api("/v1/snapshot")
    snapshot |= {"alarms": [], "latest_reading_ms": snapshot["now_ms"]}
    for meter in snapshot["meters"]:
        meter["health"] = "ok"
    return snapshot


def judged(page: Page) -> dict[str, Any]:
    """What axe finds. A page that hears nothing for a while is greyed, and that is not looked at."""
    page.evaluate("document.querySelector('main').style.setProperty('opacity', 1, 'important')")
    axe = installed() / "node_modules" / "axe-core" / "axe.min.js"
    page.evaluate(axe.read_text("utf-8"))
    found: dict[str, Any] = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return found


def taken(page: Page, link: Locator, into: Path) -> Path:
    """The file behind a link, as the browser saves it."""
    with page.expect_download() as waiting:
        link.click()
    path = into / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


# Playwright keeps an event loop of its own while it runs: a module's worth, so that asynchronous
# tests elsewhere find the thread without one.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = shutil.which("chromium")  # Debian's: playwright's own is not downloaded
        browser = playwright.chromium.launch(
            executable_path=program, args=FLAGS, timeout=2 * PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, locale: str) -> Iterator[Page]:
    """An empty one, for tests that have a `locale`."""
    opened = new_page(chromium, locale=locale, viewport={"width": 1600, "height": 900})
    yield opened
    opened.context.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system with its simulated plant, running for the browser to look at."""
    with running(tmp_path_factory.mktemp("demo") / "state") as system:
        system.wait_up()
        system.wait_until(lambda: system.api("/v1/snapshot")["batches"], "the first batch")
        yield system


@pytest.fixture
def watched(chromium: Browser, demo: System) -> Iterator[Callable[..., tuple[Page, list[str]]]]:
    """Opens the demo's page and keeps what its console complains of and where it asks.

    `instead`: a snapshot the page gets in place of the live ones; `view`: the address behind #.
    """
    opened = []

    def open_watched(instead: Any = None, view: str = "", **context: Any) -> tuple[Page, list[str]]:
        settings = {"locale": "en-GB", "viewport": {"width": 1600, "height": 900}} | context
        page = new_page(chromium, **settings)
        opened.append(page)
        faults: list[str] = []
        origin = urlsplit(demo.url).netloc

        def asks(url: str) -> None:
            if urlsplit(url).netloc != origin:
                faults.append(f"asked elsewhere: {url}")

        page.on("request", lambda request: asks(request.url))
        page.on("pageerror", lambda error: faults.append(f"uncaught: {error}"))
        page.on(
            "console",
            lambda message: (
                faults.append(f"{message.type}: {message.text}")
                if message.type in ("error", "warning")
                else None
            ),
        )
        if instead is not None:
            body = f"event: snapshot\ndata: {json.dumps(instead)}\n\n"
            page.route(
                "**/v1/live",
                lambda route: route.fulfill(body=body, content_type="text/event-stream"),
            )
        return settle(page, f"{demo.url}/{view}"), faults

    yield open_watched
    for page in opened:
        page.context.close()


@pytest.fixture
def open_page(
    watched: Callable[..., tuple[Page, list[str]]],
) -> Iterator[OpenPage]:
    """Opens the page; afterwards nothing may have been wrong on its console or asked elsewhere."""
    kept: list[list[str]] = []

    def open_clean(instead: Any = None, view: str = "", **context: Any) -> Page:
        page, faults = watched(instead, view, **context)
        kept.append(faults)
        return page

    yield open_clean
    assert kept, "a page was opened"
    assert [fault for faults in kept for fault in faults] == []


@pytest.fixture(scope="session")
def pictures() -> Path:
    folder = Path(__file__).parents[2] / ".test-output"
    folder.mkdir(exist_ok=True)
    return folder
