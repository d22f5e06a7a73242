"""Withdrawing a published footprint on the page, in a real Chromium: who may, why, and what then stands."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import open_shelf
from tests.browser.conftest import sign_in
from tests.unit.calc_stream_live.door import Door, door
from tests.unit.calc_stream_live.footprints_sample import sample
from tests.unit.calc_stream_live.plant import SITE
from wire.callers import Role

pytestmark = pytest.mark.chromium

WHY = "meter m-7 was wired the wrong way round"
KEYS: tuple[tuple[str, Role], ...] = (
    *(("vera", "viewer"), ("otto", "operator"), ("gone", "operator")),
)
# A page that does not look by itself what has become of the footprints, and of its key.
LOOKS_ONCE = "setInterval = () => 0"
WORDS = {
    "en-GB": ("Withdraw", "withdrawn", "superseded", "by an operator"),
    "zh-CN": ("撤回", "已撤回", "已被替代", "由操作员撤回"),
}


@pytest.fixture(scope="module")
def shelved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Keys are asked for."""
    with door(tmp_path_factory.mktemp("withdrawn"), *KEYS) as made:
        made.plant.example_4()
        made.take()
        yield made


def published(at: Door, product: str) -> tuple[Footprint, Footprint]:
    """Two footprints in force of a product of the test's own."""
    first = sample(site=SITE, product=product)
    following = sample(site=SITE, product=product, period="2026-11", kg_co2e="7")
    with closing(open_shelf(at.parts.plan.config.state)) as shelf:
        assert shelf.add(first)
        assert shelf.add(following)
    return first, following


def opened(page: Page, at: Door, of: Footprint, name: str) -> Locator:
    """Its line, as somebody signed in sees it."""
    sign_in(page, f"{at.url}/#/products/{of.product}", f"{name}-{name}")
    return line(page, of)


def line(page: Page, of: Footprint) -> Locator:
    return page.locator(f'#footprints tr[data-id="{of.id}"]')


def is_struck(row: Locator) -> list[bool]:
    """The period and both figures."""
    struck = "part => getComputedStyle(part).textDecorationLine.includes('line-through')"
    return [bool(each.evaluate(struck)) for each in row.locator("th, .figure").all()]


@pytest.mark.parametrize("locale", WORDS)
def test_an_operator_withdraws_one_with_a_reason_and_it_stays_struck(
    page: Page, shelved: Door, pictures: Path, locale: str
) -> None:
    ask, withdrawn, _, who = WORDS[locale]
    first, following = published(shelved, f"struck-{locale}")
    row = opened(page, shelved, first, "otto")
    expect(page.locator("#footprints button")).to_have_text([ask, ask])
    expect(page.locator(".panel", has=page.locator("#footprints"))).not_to_contain_text(who)
    row.get_by_role("button").click()
    reason = row.locator("input")
    expect(reason).to_be_focused()
    row.get_by_role("button").last.click()  # a finger that slipped
    expect(row.get_by_role("button")).to_be_focused()
    row.get_by_role("button").click()
    reason.fill("   ")
    page.keyboard.press("Enter")
    expect(reason).to_be_visible()  # spaces are no reason
    assert is_struck(row) == [False, False, False]
    page.screenshot(path=pictures / f"withdraw-{locale}.png")
    reason.fill(WHY)
    page.keyboard.press("Enter")
    expect(row).to_contain_text(WHY)
    expect(row).to_contain_text(withdrawn)
    expect(page.locator("#footprints-said")).to_contain_text(first.id[:8])
    expect(page.locator("#footprints-said")).to_be_focused()
    assert (is_struck(row), is_struck(line(page, following))) == ([True] * 3, [False] * 3)
    expect(page.locator("#footprints button")).to_have_count(1)  # only what stands has one
    page.reload()  # the series is asked for now and then only
    page.locator(".series summary").click()
    expect(page.locator(f'.series tr[data-period="{first.period}"]')).to_contain_text(WHY)
    with closing(open_shelf(shelved.parts.plan.config.state)) as shelf:
        made = shelf.withdrawn(SITE)[first.id]
    assert (made.by, made.withdrawn.reason) == ("otto", WHY)


@pytest.mark.parametrize("locale", WORDS)
def test_where_somebody_was_faster_its_line_says_why(
    page: Page, shelved: Door, locale: str
) -> None:
    _, withdrawn, superseded, _ = WORDS[locale]
    one, other = published(shelved, f"faster-{locale}")
    page.add_init_script(LOOKS_ONCE)
    first, following = opened(page, shelved, one, "otto"), line(page, other)
    for row in (first, following):
        row.get_by_role("button").click()
        row.locator("input").fill("mine")
    after = sample(
        site=SITE, product=one.product, period="2026-11", kg_co2e="8", supersedes=(other.id,)
    )
    with closing(open_shelf(shelved.parts.plan.config.state)) as shelf:
        shelf.withdraw(one.id, WHY, "li.wei", 1_796_141_100_000)
        first.get_by_role("button").first.click()
        expect(first).to_contain_text(WHY)
        expect(first).to_contain_text(withdrawn)
        expect(page.locator("#footprints-said")).to_contain_text(one.id[:8])
        assert shelf.add(after)
        following.get_by_role("button").first.click()
        expect(following).to_contain_text(f"→ {after.id[:8]}")
        expect(following).to_contain_text(superseded)
        expect(page.locator("#footprints-said")).to_contain_text(other.id[:8])
        assert list(shelf.withdrawn(SITE)).count(other.id) == 0
    expect(page.locator("#footprints form")).to_have_count(0)


@pytest.mark.parametrize("locale", ["en-GB"])
def test_whose_key_has_ended_is_told_so_and_keeps_the_reason(page: Page, shelved: Door) -> None:
    first, _ = published(shelved, "ended")
    page.add_init_script(LOOKS_ONCE)
    row = opened(page, shelved, first, "gone")
    row.get_by_role("button").click()
    row.locator("input").fill(WHY)
    shelved.keys.revoke("gone")
    row.get_by_role("button").first.click()
    expect(row.get_by_role("alert")).not_to_be_empty()
    expect(row.locator("input")).to_have_value(WHY)
    with closing(open_shelf(shelved.parts.plan.config.state)) as shelf:
        assert first.id not in shelf.withdrawn(SITE)


@pytest.mark.parametrize("locale", WORDS)
def test_a_viewer_is_told_who_may(page: Page, shelved: Door, locale: str) -> None:
    first, _ = published(shelved, f"looked-at-{locale}")
    expect(opened(page, shelved, first, "vera")).to_be_visible()
    panel = page.locator(".panel", has=page.locator("#footprints"))
    expect(panel).to_contain_text(WORDS[locale][-1])
    expect(panel.locator("tbody button")).to_have_count(0)
