"""What the page is told: the stream keeps the newest, alarms name what needs a person."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from calc_stream.alarms import alarms
from calc_stream.ledger.store import open_store
from calc_stream.web.change import change_between
from calc_stream.web.live import KEPT_MS, Live
from calc_stream.web.snapshot import Snapshot, build
from calc_stream.web.view import View
from tests.integration.calculator_process import merged
from tests.unit.calc_stream_live.plant import MODEL, T0, Plant, engine, run_to_end
from wire.messages import MeterEvent, Sample
from wire.quantities import QUANTITIES


def snapshot(offset: int, now_ms: int = 0) -> Snapshot:
    return Snapshot("s", now_ms, None, offset, None, "gbt24067")


def publish(live: Live, offset: int, now_ms: int = 0) -> None:
    after = snapshot(offset, now_ms)
    before = live.newest
    change = None if before is None else msgspec.json.encode(change_between(before, after))
    live.publish(after, change)


async def heads(reader: AsyncIterator[bytes], count: int) -> list[str]:
    """`<id> <event>` of the next ones."""
    found = []
    while len(found) < count:
        lines = (await anext(reader)).decode().splitlines()
        if lines[0].startswith("id: "):
            found.append(f"{lines[0][4:]} {lines[1][7:]}")
    return found


async def test_a_reader_gets_the_whole_then_every_change() -> None:
    live = Live("0000b007")
    publish(live, 1)
    reader = live.follow()
    assert await heads(reader, 1) == ["1-0000b007-1 snapshot"]
    publish(live, 2)
    publish(live, 3)
    assert await heads(reader, 2) == ["2-0000b007-2 change", "3-0000b007-3 change"]
    waiting = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    assert not waiting.done()
    live.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_reader_that_comes_back_gets_what_it_missed() -> None:
    live = Live("0000b007")
    for offset in range(1, 6):
        publish(live, offset)
    back = live.follow("3-0000b007-3")
    assert await heads(back, 2) == ["4-0000b007-4 change", "5-0000b007-5 change"]
    publish(live, 6, KEPT_MS + 1)  # what came before is kept no longer
    late = live.follow("3-0000b007-3")
    assert await heads(late, 1) == ["6-0000b007-6 snapshot"]
    here = live.follow("6-0000b007-6")
    publish(live, 7, KEPT_MS + 2)
    assert await heads(here, 1) == ["7-0000b007-7 change"]


async def test_after_a_restart_nobody_is_shown_an_older_state_than_they_have_seen() -> None:
    live = Live("0000b008")
    publish(live, 2)
    back = live.follow("4-0000b007-99")
    waiting = asyncio.ensure_future(heads(back, 1))
    await asyncio.sleep(0.05)
    publish(live, 3)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    publish(live, 4)
    assert await waiting == ["4-0000b008-3 snapshot"]


@pytest.mark.parametrize("told", ["", "nonsense", "1-0000b007-999", "1-zzzzzzzz-1"])
async def test_an_id_that_is_none_begins_anew(told: str) -> None:
    live = Live("0000b007")
    publish(live, 1)
    assert await heads(live.follow(told), 1) == ["1-0000b007-1 snapshot"]


def seen(plant: Plant, folder: Path) -> Snapshot:
    view = View()
    running = engine(plant, open_store(folder, create=True))
    running._seen = view.see
    while running.turn():
        pass
    assert running.site is not None
    site = running.site
    return build(site, view, T0 + 125_000)


def test_a_snapshot_shows_machines_meters_and_what_happened(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model(MODEL.replace('to = "press"', 'to = "press"\nmultiplier = "40"'))
    plant.event("e1", 0, "start", node="press", batch="P", product="wheel")
    plant.read((0, 1000), (60, 1100))
    plant.segment(
        [Sample("m", T0 + 120_000, {"active_energy_import": (1200, -3)})],
        [MeterEvent("m-press", T0 + 90_000, "silent", {"reason": "no answer"})],
    )
    shown = seen(plant, tmp_path / "calc")
    (machine,) = shown.machines
    assert (machine.state, machine.batches, machine.power_w) == ("producing", ("P",), 200_000)
    assert machine.power_history == [(T0, 200_000), (T0 + 60_000, 200_000)]
    health = {meter.meter: (meter.health, meter.register) for meter in shown.meters}
    assert health == {"m": ("ok", "1.200000"), "m-press": ("silent", "44.000000")}
    assert [(h.kind, h.event) for h in shown.events] == [
        ("production", "start"),
        ("meter", "silent"),
    ]
    assert shown.sources[0].power_w == 5000
    assert shown.latest_reading_ms == T0 + 120_000
    assert msgspec.json.decode(msgspec.json.encode(shown), type=Snapshot) == shown


def test_a_change_applied_to_what_was_known_gives_what_is(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    before = seen(plant, tmp_path / "before")
    plant.the_late_reading()
    plant.read((240, 1150))
    after = seen(plant, tmp_path / "after")
    moved = change_between(before, after)
    told = merged(msgspec.to_builtins(before), msgspec.to_builtins(moved))
    assert told == msgspec.to_builtins(after)
    change = msgspec.to_builtins(moved)
    assert [len(machine["power_history"]) for machine in change["machines"]] == [1]
    assert "sources" in change
    assert "method" not in change
    nothing = msgspec.to_builtins(change_between(after, after))
    assert nothing == {"now_ms": after.now_ms}


def test_a_site_without_a_model_can_be_shown(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.read((0, 1000))
    shown = seen(plant, tmp_path / "calc")
    assert (shown.offset, shown.machines, shown.closure) == (1, [], {})


def test_alarms_name_what_needs_a_person(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model(
        MODEL + '[nodes.spare]\n[[meters]]\nid="m-2"\nfrom="main"\nto="spare"\nunit="kWh"\n'
    )
    plant.factors("broken", b"{}")
    plant.read((0, 1000), (60, 1100))
    plant.read((0, 5), meters=("m-stray",))
    site = run_to_end(plant, tmp_path / "calc").site
    assert site is not None
    assert [(alarm.kind, alarm.about) for alarm in alarms(site)] == [
        ("record", "factor broken"),
        ("unread", "m-2"),
        ("unmapped", "m-stray"),
    ]


def test_a_gateway_that_tells_of_itself_is_no_meter_of_the_page(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model()
    plant.read((0, 1000), (60, 1100))
    before = seen(plant, tmp_path / "before")
    own = {name: (7, 0) for name, quantity in QUANTITIES.items() if quantity.gateway}
    plant.segment([Sample("gw-1", T0 + 600_000, own)])
    after = seen(plant, tmp_path / "after")
    assert after.alarms == before.alarms
    assert [now.meter for now in after.meters] == ["m", "m-press"]
    assert after.latest_reading_ms == before.latest_reading_ms, "no meter has answered since"


def test_a_board_that_gives_more_than_it_gets_is_an_alarm(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.model()
    plant.read((0, 1000), (60, 1100), meters=("m",))
    plant.read((0, 1000), (60, 1110), meters=("m-press",))
    site = run_to_end(plant, tmp_path / "calc").site
    assert site is not None
    assert [(alarm.kind, alarm.about) for alarm in alarms(site)] == [("residual", "residual:main")]


@pytest.mark.parametrize(("wh", "alarmed"), [(1016, False), (1018, True)])
def test_a_board_may_give_more_by_what_its_meters_may_differ(
    tmp_path: Path, wh: int, alarmed: bool
) -> None:
    """Two meters of class 1 at 1 kWh: 2 x 1 % / sqrt 3 x sqrt 2 is 16.3 Wh."""
    plant = Plant(tmp_path)
    plant.model(MODEL.replace('id = "m', 'class = "1"\nid = "m'))
    plant.read((0, 0), (60, 1000), meters=("m",))
    plant.read((0, 0), (60, wh), meters=("m-press",))
    site = run_to_end(plant, tmp_path / "calc").site
    assert site is not None
    assert bool(alarms(site)) is alarmed
