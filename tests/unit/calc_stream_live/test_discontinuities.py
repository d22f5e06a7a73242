"""From what a meter answered to the page: each discontinuity of a register or a clock, through the
agent's judge and store, the journal and the calculator."""

import json
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from calc_stream.alarms import Alarm, alarms
from calc_stream.ledger.store import open_store
from calc_stream.web.snapshot import Snapshot, build
from calc_stream.web.view import View
from edge_agent import counters
from edge_agent.clock import Instant
from edge_agent.store import open_store as open_agent_store
from tests.unit.calc_stream_live.plant import SITE, T0, Plant, engine, rules, run_to_end
from wire.messages import BOOKED, QUALITIES, MeterEvent, Sample
from wire.segment import open_segment
from wire.signing import SigningKey

KWH = "active_energy_import"
TEN_KW = {KWH: counters.Register(per_hour=Fraction(10), modulus=Fraction(1_000_000))}
MINUTE = 60_000
TEXTS = Path(__file__).parents[3] / "calc_stream" / "web" / "page" / "src" / "texts"


class Site:
    """A plant whose two meters give the same answers, a minute apart, to an agent's judge."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.plant = folder, Plant(folder)
        self.plant.model()
        self.state: dict[str, counters.State] = {}
        self.polls = 0

    def read(self, *values_wh: int) -> None:
        for value in values_wh:
            t_ms = T0 + self.polls * MINUTE
            self.polls += 1
            for meter in ("m", "m-press"):
                sample = Sample(meter, t_ms, {KWH: (value, -3), "active_power": (5000, 0)})
                judged = counters.judge(self.state.get(meter, {}), sample, TEN_KW)
                self.state[meter] = judged.state
                self.plant.segment(judged.samples, judged.events)

    def exchange(self) -> None:
        """Another meter says who it is."""
        for meter, state in self.state.items():
            event = MeterEvent(meter, T0 + self.polls * MINUTE, "identity", {"serial": "8"})
            self.plant.segment([], [event])
            self.state[meter] = counters.replaced(state)

    def page(self) -> Snapshot:
        view = View()
        running = engine(self.plant, open_store(self.folder / "calc", create=True))
        running._seen = view.see
        while running.turn():
            pass
        assert running.site is not None
        return build(running.site, view, T0 + self.polls * MINUTE, alarms=alarms(running.site))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def grid(page: Snapshot) -> str:
    (source,) = page.sources
    assert page.closure == {"grid": "0.000000"}
    return source.kwh


def events(page: Snapshot) -> list[str]:
    return [each.event for each in page.events if each.meter == "m"]


def about(page: Snapshot, meter: str = "m") -> list[str]:
    return [alarm.kind for alarm in page.alarms if alarm.about == meter]


def row(page: Snapshot, meter: str = "m") -> tuple[str | None, str | None]:
    """(quality, last notice) of a meter's row."""
    (now,) = [now for now in page.meters if now.meter == meter]
    return now.quality, now.notice.event if now.notice else None


def words(page: Snapshot) -> None:
    """Everything shown has plain words in both languages."""
    for language in ("en", "zh"):
        texts = json.loads((TEXTS / f"{language}.json").read_text("utf-8"))
        for each in page.events:
            assert f"event.{each.event}" in texts
            assert all(f"detail.{key}" in texts for key in each.detail if key != "id")
        assert all(f"alarm.{alarm.kind}" in texts for alarm in page.alarms)


@pytest.mark.parametrize(
    ("values", "event", "alarm", "kwh"),
    [
        ([1000, 1100, 0, 1200], "zero_glitch", [], "0.200000"),
        ([1000, 1100, 950, 1200], "step_back", [], "0.200000"),
        ([1000, 1100, 9_000_000, 1200], "jump", [], "0.200000"),
        ([999_999_900, 50, 100, 150], "rollover", [], "0.250000"),
        ([50_000, 50_100, 0, 40, 90], "reset", ["reset"], "0.190000"),
    ],
)
def test_what_a_register_did_is_on_the_page_and_only_the_truth_is_booked(
    site: Site, values: list[int], event: str, alarm: list[str], kwh: str
) -> None:
    site.read(*values)
    page = site.page()
    assert (events(page), row(page), about(page)) == ([event], ("good", event), alarm)
    assert grid(page) == kwh
    words(page)


def test_an_exchanged_meter_is_on_the_page(site: Site) -> None:
    site.read(70_000, 70_100)
    site.exchange()
    site.read(5, 5, 25)
    page = site.page()
    assert events(page) == ["identity", "swap"]
    assert (row(page), about(page)) == (("good", "swap"), [])
    assert grid(page) == "0.120000"
    words(page)


@pytest.mark.parametrize(
    ("values", "event"),
    [([0, 0, 0], "zero_glitch"), ([10**8, 10**6, 10**7], "jump"), ([40_000] * 3, "step_back")],
)
def test_a_doubt_that_lasts_is_an_alarm_and_nobody_waits_for_the_meter(
    site: Site, values: list[int], event: str
) -> None:
    site.read(50_000, 50_100, *values)
    page = site.page()
    assert (events(page), row(page)) == ([event], ("suspect", event))
    assert about(page)[0] == "doubt"
    assert grid(page) == "0.100000", "only what was good"
    words(page)


def test_a_doubt_that_is_over_is_no_alarm(site: Site) -> None:
    site.read(50_000, 50_100, 0, 0, 0)
    site.read(50_300)
    assert about(site.page()) == []


def test_of_two_meters_one_in_doubt_holds_the_other_up_no_longer_than_a_silent_one(
    site: Site,
) -> None:
    site.read(50_000, 50_100, 0, 0, 0)
    for second in range(300, 450):
        site.plant.read((second, 50_000 + second), meters=("m",))
    running = run_to_end(site.plant, site.folder / "calc", rules(silent_s=30))
    assert running.site is not None
    assert running.site.state.silent == {"m-press"}


def test_a_reset_is_confirmed_by_the_true_ends_and_what_was_missing_is_booked(site: Site) -> None:
    site.read(50_000, 50_100, 0, 40, 90)
    (reset,) = [alarm for alarm in site.page().alarms if alarm.about == "m"]
    assert reset.t_ms == T0 + 4 * MINUTE
    for number, meter in enumerate(("m", "m-press")):
        said = {"meter": meter, "closing": "50.15", "opening": "0"}
        site.plant.event(f"w{number}", 4 * 60, "swap", **said)
    page = site.page()
    assert about(page) == []
    assert grid(page) == "0.240000", "150 Wh to the end of the old register, 90 since"
    words(page)


def test_a_word_that_fits_nothing_is_an_alarm(site: Site) -> None:
    site.read(50_000, 50_100, 50_200)
    site.plant.event("w1", 60, "swap", meter="m", closing="50.15", opening="0")
    page = site.page()
    assert [alarm for alarm in page.alarms if alarm.about == "w1"] == [
        Alarm(
            "event",
            "w1",
            "t: 'm': nothing is known there that ended a register and is not told already",
            T0 + MINUTE,
            {"meter": "m", "key": "t", "code": "no_end"},
        )
    ]
    assert grid(page) == "0.200000"
    words(page)


def test_the_notices_are_still_there_after_a_restart(site: Site) -> None:
    site.read(50_000, 50_100, 0, 40, 90)
    site.page()
    run_to_end(site.plant, site.folder / "kept")
    site.folder = site.folder / "again"
    (site.folder).mkdir()
    (site.folder.parent / "kept").rename(site.folder / "calc")
    page = site.page()
    assert page.events == [], "what happened is shown once"
    assert (row(page)[1], about(page)) == ("reset", ["reset"])


class Gateway:
    """An agent's store whose segments go into the journal as they are."""

    def __init__(self, site: Site) -> None:
        key = SigningKey.load_or_create(site.folder / "gw-2.key")
        self.site, self.now = site, Instant(T0, 3_600_000, "boot-1")
        path = site.folder / "store.db"
        self.store = open_agent_store(path, SITE, "gw-2", key, self.now)

    def read(self, wh: int, pause_s: int = 60, events: Sequence[MeterEvent] = ()) -> None:
        self.pass_s(pause_s)
        values = {KWH: (wh, -3)}
        samples = [Sample(meter, self.now.wall_ms, values) for meter in ("m", "m-press")]
        self.store.commit(samples, list(events), self.now, {})

    def pass_s(self, seconds: int) -> None:
        self.now = Instant(
            self.now.wall_ms + 1000 * seconds, self.now.mono_ms + 1000 * seconds, self.now.boot
        )

    def set_clock(self, by_s: int) -> None:
        self.now = Instant(self.now.wall_ms + 1000 * by_s, self.now.mono_ms, self.now.boot)

    def boot(self, wall_ms: int) -> None:
        self.now = Instant(wall_ms, 20_000, self.now.boot + "x")

    def send(self) -> None:
        while (seq := self.store.seal(self.now, "synchronized")) is not None:
            sealed = self.store.segment(self.store.current().stream, seq)
            assert sealed is not None
            self.site.plant._append("segment", f"gw-2/s/{seq}", sealed.data)


def test_a_clock_set_back_books_every_hour_once_and_is_an_alarm_while_it_lasts(site: Site) -> None:
    gateway = Gateway(site)
    for wh in (1000, 1100):
        gateway.read(wh)
        gateway.send()
    gateway.set_clock(-120)
    step = MeterEvent("gw-2", gateway.now.wall_ms, "clock_step", {"by_ms": "-120000"})
    for wh in (1200, 1300):
        gateway.read(wh, events=[step] if wh == 1200 else [])
        gateway.send()
    page = site.page()
    assert [event.event for event in page.events] == ["clock_step", "clock_behind"]
    assert about(page, "gw-2") == ["clock"]
    assert grid(page) == "0.100000"
    words(page)
    for wh in (1400, 1500):
        gateway.read(wh)
        gateway.send()
    site.polls = 5
    page = site.page()
    assert grid(page) == "0.500000", "all that was used, once"
    for _ in range(300):  # the ingestor's clock goes on by a second each record
        site.plant.segment([Sample("gw-1", T0, {"active_power": (0, 0)})])
    assert about(site.page(), "gw-2") == []


def test_readings_of_a_boot_without_time_are_kept_shown_and_not_booked(site: Site) -> None:
    gateway = Gateway(site)
    gateway.read(1000)
    gateway.send()
    gateway.boot(5_000)
    gateway.read(1100)
    gateway.read(1200)
    gateway.boot(T0 + 600_000)
    gateway.read(1500)
    gateway.send()
    page = site.page()
    assert [event.event for event in page.events] == ["undated"]
    assert grid(page) == "0.500000"
    segments = [open_segment(r.data) for r in site.plant.writer.of_kind(SITE, "segment")]
    kept = {t.quality: t.rows for s in segments for t in s.tables if t.meter == "m"}
    assert kept == {"good": 1, "estimated": 2}
    words(page)


@pytest.mark.parametrize("quality", QUALITIES)
def test_each_quality_is_booked_or_left_out_and_shown_by_its_name(site: Site, quality: str) -> None:
    site.read(1000, 1100)
    for meter in ("m", "m-press"):
        sample = Sample(meter, T0 + 2 * MINUTE, {KWH: (1200, -3)}, quality)
        site.plant.segment([sample])
    page = site.page()
    assert grid(page) == ("0.200000" if quality in BOOKED else "0.100000")
    assert row(page)[0] == quality


def test_the_quality_shown_is_the_registers_not_that_of_what_was_read_after_it(site: Site) -> None:
    site.read(1000)
    later = Sample("m", T0 + 40, {"voltage_l1": (2301, -1)})
    doubtful = Sample("m", T0 + 20, {KWH: (0, -3)}, "suspect")
    site.plant.segment([doubtful, later])
    assert row(site.page())[0] == "suspect"
    assert Decimal(grid(site.page())) == 0
