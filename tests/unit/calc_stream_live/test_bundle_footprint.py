"""A footprint's bundle: its batches' content once, all computed again, what was left out or changed
named."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from calc_stream import bundling, redrawn
from calc_stream.__main__ import main
from calc_stream.bundling import Figure
from calc_stream.evidence.bundle import pretty, read_bundle
from calc_stream.evidence.bundle_file import pack, unpack
from calc_stream.factors import load_method
from calc_stream.footprints.footprint import Footprint, Upstream
from calc_stream.footprints.identity import identified
from calc_stream.ledger.rows import BatchRow
from calc_stream.restated import ground
from calc_stream.verification import asked, verify
from tests.unit.calc_stream_live import forged
from tests.unit.calc_stream_live.attested_days import AUDITOR, Sound, attested
from tests.unit.calc_stream_live.days import BY_ENERGY, DAY_2, HOUR_S, MODEL
from tests.unit.calc_stream_live.forged_footprint import KINDS
from tests.unit.calc_stream_live.plant import SITE, T0
from tests.unit.calc_stream_live.proven_days import ProvenDays, bundled, figure, published
from tests.unit.calc_stream_live.test_bundle_forged import unnoticed_by
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import heads
from wire.messages import Sample

MOST_BY_DEFAULT = 5


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sound]:
    made = attested(tmp_path_factory.mktemp("days"))
    yield made
    made.plant.writer.close()


def test_each_batch_and_the_footprint_come_out_bit_for_bit(sound: Sound) -> None:
    for footprint, since in ((sound.first, ""), (sound.second, "2026-11-20")):
        found = sound.verify(bundled(sound.plant, footprint))
        assert found.footprint == footprint
        assert [row.batch for row in found.rows] == [used.batch for used in footprint.batches]
        assert (found.since, found.is_pinned, found.is_stamp_trusted) == (since, True, True)
        assert found.cosigners == (AUDITOR.public.id,)
        assert found.stamped > "2026"
    assert found.left_out > 5  # of the night between, and of what comes after
    assert found.footprint is not None
    assert found.footprint.u95.kg_co2e is not None


BATTERY = (
    MODEL.replace('from = "grid"\nto = "press"', 'from = "grid"\nto = "main"').replace(
        "[nodes.press]",
        '[buses.main]\ncarrier = "electricity"\n'
        '[stores.battery]\ncarrier = "electricity"\nefficiency = "0.9"\n[nodes.press]',
    )
    + '[[meters]]\nid = "m-in"\nfrom = "main"\nto = "battery"\nunit = "kWh"\n'
    + '[[meters]]\nid = "m-out"\nfrom = "battery"\nto = "main"\nunit = "kWh"\n'
    + '[[meters]]\nid = "m-press"\nfrom = "main"\nto = "press"\nunit = "kWh"\n'
)


class _Battery(ProvenDays):
    """What the battery takes it gives again at once, less what it loses."""

    def meters(self, hour: float, wh: int = 0, litres: int = 0) -> None:
        super().meters(hour, wh, litres)
        t_ms = T0 + round(hour * HOUR_S * 1000)
        through = {"active_energy_import": (9000 + round(hour * 100), -3)}
        pressed = {"active_energy_import": (self._wh, -3)}
        both = [Sample(meter, t_ms, through) for meter in ("m-in", "m-out")]
        self.segment([*both, Sample("m-press", t_ms, pressed)])


def _restated(plant: ProvenDays) -> None:
    """A batch is counted anew after its footprint was published."""
    published(plant)
    plant.told("quantity", 11.5, batch="D", good="12", scrap="1", unit="piece")


def _another_model(plant: ProvenDays) -> None:
    """In force from an hour before the second day's first batch, as far back as set-up may reach."""
    from_then = MODEL.replace(
        'site = "cq-test"', 'site = "cq-test"\nvalid_from = 2026-11-21T18:00:00Z'
    )
    plant.model(from_then, "model-2")


@pytest.mark.parametrize(
    ("made", "model", "then", "left_out"),
    [
        (ProvenDays, MODEL + '[policy]\nspread = "machine_hours"\nwindow = "day"\n', None, True),
        (ProvenDays, BY_ENERGY, None, True),
        (_Battery, BATTERY, None, False),  # what is in a store goes back to the first reading
        (ProvenDays, MODEL, _restated, True),
        (ProvenDays, MODEL, _another_model, True),
    ],
)
def test_pools_stores_restated_batches_and_models_come_out_too(
    made: type[ProvenDays],
    model: str,
    then: Callable[[ProvenDays], None] | None,
    left_out: bool,
    tmp_path: Path,
) -> None:
    plant = made(tmp_path, model)
    plant.two_days()
    if then is not None:
        then(plant)
    footprint = published(plant)[-1]
    assert (footprint.period, footprint.cause) == (
        DAY_2,
        "restated" if then is _restated else "period",
    )
    found = verify(bundled(plant, footprint))
    assert found.footprint == footprint
    assert (found.left_out > 0) is left_out
    plant.writer.close()


def test_what_batches_share_is_in_it_once(sound: Sound) -> None:
    rows = figure(sound.plant, sound.first).rows
    each = [unpack(bundling.make(sound.plant.writer, SITE, row, whole=True)) for row in rows]
    together = unpack(bundled(sound.plant, sound.first, whole=True))
    apart = set[str]().union(*each)
    assert {name for name in together if name.startswith("records/")} >= {
        name for name in apart if name.startswith("records/")
    }
    sizes = [sum(map(len, files.values())) for files in (*each, together)]
    assert sizes[-1] < sum(sizes[:-1]) / 2
    assert [name for name in sorted(together) if name.startswith("results/")] == [
        f"results/{n}.json" for n in (1, 2, 3)
    ]


def redrawn_of(plant: ProvenDays, footprint: Footprint, rows: tuple[BatchRow, ...]) -> Footprint:
    """The figure of these alone, drawn up in the one right way."""
    names = {row.batch for row in rows}
    used = tuple(each for each in footprint.batches if each.batch in names)
    fewer = msgspec.structs.replace(footprint, batches=used)
    method = load_method(footprint.method)
    basis = ground(list(plant.writer.walk(SITE)), method, asked(rows, fewer))
    made = redrawn._redrawn(fewer, rows, basis, method)
    return msgspec.structs.replace(made, upto=fewer.upto)


def test_a_stretch_that_begins_within_the_period_hides_nothing(
    sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a head of before the one batch that is shown, and after the other that is kept out."""
    rows = figure(sound.plant, sound.second).rows[1:]
    without = redrawn_of(sound.plant, sound.second, rows)
    within = [
        head
        for head in map(heads.read_head, sound.plant.writer.of_kind(SITE, heads.KIND))
        if sound.second.start_ms < head.time_ms < (rows[0].started_ms or 0)
    ]
    monkeypatch.setattr(bundling._Making, "_begin", lambda _: within[0])
    monkeypatch.setattr(bundling, "verify", lambda _: None)
    data = bundling.make(sound.plant.writer, SITE, Figure(rows, without))
    with pytest.raises(BadData, match="which batches ended from .* on is not shown"):
        verify(data)


def test_a_batch_that_is_kept_out_of_a_period_that_is_over_is_named(sound: Sound) -> None:
    """The figure of the others alone, drawn up in the one right way, and everything made to fit."""
    its = figure(sound.plant, sound.second)
    without = redrawn_of(sound.plant, sound.second, its.rows[1:])
    with pytest.raises(
        ConfigError, match="footprint.json: batches: of wheel were made in its time"
    ):
        bundling.make(sound.plant.writer, SITE, Figure(its.rows[1:], without))
    running = identified(msgspec.structs.replace(without, end_ms=(its.rows[1].ended_ms or 0) + 1))
    running = identified(msgspec.structs.replace(running, valid_from_ms=running.end_ms))
    found = verify(bundling.make(sound.plant.writer, SITE, Figure(its.rows[1:], running)))
    assert any("were made in its time, too: D" in remark for remark in found.remarks)


class _Begun(ProvenDays):
    """X begins before the head with which the second day's stretch begins, and ends within that day."""

    def close_day(self) -> None:
        if self._told == 0:
            self.told("start", -9, node="press", batch="X", product="wheel")
        super().close_day()


def test_a_batch_whose_beginning_is_kept_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its product is told where it begins: without that it would pass for none of the product."""
    plant = _Begun(tmp_path)
    plant.now_ms = T0 + 18 * HOUR_S * 1000
    plant.meters(18, 90_000, 5)
    plant.told("stop", 18, node="press", batch="X")
    plant.told("quantity", 18, batch="X", good="3", scrap="0", unit="piece")
    plant.batch("D", 20, 60_000, 11_000, "11")
    plant.meters(33, 5, 7)
    (footprint,) = published(plant)
    its = figure(plant, footprint)
    assert [row.batch for row in its.rows] == ["D", "X"]
    rows = its.rows[:1]
    without = redrawn_of(plant, footprint, rows)
    needed = bundling._needed_events
    monkeypatch.setattr(bundling, "_needed_events", lambda ground: needed(ground) - {"e1"})
    monkeypatch.setattr(bundling, "verify", lambda _: None)  # a forger does not look
    data = bundling.make(plant.writer, SITE, Figure(rows, without))
    with pytest.raises(BadData, match="how they began is not shown: X"):
        verify(data)


def test_what_is_counted_in_another_unit_is_named_in_both_figures(tmp_path: Path) -> None:
    """C, which nobody counted, is in the figure of the unit that most are counted in."""
    plant = ProvenDays(tmp_path)
    plant.batch("A", 1, 57_300, 12_345, "10")
    plant.batch("B", 2, 57_300, 12_345, "10")
    plant.batch("C", 3, 9_999, 777, "")
    plant.batch("K", 4, 81_001, 20_001, "")
    plant.told("quantity", 4.5, batch="K", good="13", scrap="0", unit="kg")
    plant.meters(8.5)
    by_unit = {each.unit: each for each in published(plant)}
    assert [used.batch for used in by_unit["piece"].batches] == ["A", "B", "C"]
    for unit, others in (("kg", "A, B, C"), ("piece", "K")):
        found = verify(bundled(plant, by_unit[unit]))
        said = f"of wheel are counted in another unit, so not in this figure: {others}"
        assert said in found.remarks
    both = [figure(plant, by_unit[unit]) for unit in ("piece", "kg")]
    rows = tuple(row for its in both for row in its.rows)
    used = tuple(used for its in both for used in (its.footprint or by_unit["kg"]).batches)
    mixed = msgspec.structs.replace(by_unit["piece"], batches=used)
    method = load_method(mixed.method)
    basis = ground(list(plant.writer.walk(SITE)), method, asked(rows, mixed))
    drawn = redrawn._redrawn(mixed, rows, basis, method)
    with pytest.raises(BadData, match="batches: K: is counted in kg"):
        redrawn.check_footprint(drawn, rows, basis, method)


def test_what_was_declared_is_taken_and_said_so(sound: Sound) -> None:
    """Purchased inputs stand in no journal."""
    its = figure(sound.plant, sound.second)
    bought = Upstream("ingot", "2", "kg", "20", "Example", "", "0.5", "their word")
    told = msgspec.structs.replace(
        sound.second, upstream=(bought,), upstream_kg_co2e="20", boundary="cradle_to_gate"
    )
    method = load_method(told.method)
    records = list(sound.plant.writer.walk(SITE))
    basis = ground(records, method, asked(its.rows, told))
    drawn = redrawn._redrawn(told, its.rows, basis, method)
    assert (drawn.draft, drawn.upstream_kg_co2e) == (False, "20")
    drawn = msgspec.structs.replace(drawn, upto=told.upto)
    found = verify(bundling.make(sound.plant.writer, SITE, Figure(its.rows, drawn)))
    assert "what was bought, and what came with it, is as people declare it" in found.remarks
    wrong = identified(msgspec.structs.replace(drawn, upstream_kg_co2e="19"))
    with pytest.raises(ConfigError, match="upstream_kg_co2e is stated as '19'"):
        bundling.make(sound.plant.writer, SITE, Figure(its.rows, wrong))
    for name, text in (("kg_co2e", "-20"), ("kg_co2e", "few"), ("primary_share", "2")):
        odd = msgspec.structs.replace(bought, **{name: text})
        wrong = identified(msgspec.structs.replace(drawn, upstream=(odd,)))
        with pytest.raises(ConfigError, match=rf"upstream\[0\]: {name}: .*{text}"):
            bundling.make(sound.plant.writer, SITE, Figure(its.rows, wrong))


def test_what_was_known_after_the_last_head_is_not_shown(sound: Sound) -> None:
    bundle = read_bundle(unpack(sound.data))
    later = pretty(msgspec.structs.replace(sound.second, upto=bundle.end + 1))
    with pytest.raises(BadData, match=f"was drawn up at {bundle.end + 1}, after the last head"):
        verify(pack(replace(bundle, figure=later).files()))


def test_a_head_of_no_time_at_all_is_judged_all_the_same(sound: Sound) -> None:
    """By somebody who signs what he likes, and whose key nobody asked for."""
    bundle = read_bundle(unpack(sound.data))
    head = msgspec.structs.replace(bundle.heads[bundle.begin], time_ms=10**15)
    head = heads.sign_head(head, sound.plant.receipt_key)
    told = replace(bundle, heads={**bundle.heads, bundle.begin: head}, stamps={}, cosignatures=())
    with pytest.raises(BadData, match=r"was signed at 10{15} ms; the figure needs"):
        verify(pack(told.files()))


def test_a_footprint_drawn_up_after_the_last_head_waits_for_the_next(tmp_path: Path) -> None:
    plant = ProvenDays(tmp_path)
    plant.two_days()
    first, _ = published(plant)
    its = figure(plant, first)
    later = msgspec.structs.replace(first, upto=plant.writer.head(SITE)[0] + 1)
    with pytest.raises(TransientError, match="under no tree head yet"):
        bundling.make(plant.writer, SITE, replace(its, footprint=later))


def test_the_commands_write_and_judge_it(
    sound: Sound, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "wheel.zip"
    ledger = sound.plant.folder / "calc"
    places = ["--ledger", str(ledger), "--journal", str(sound.plant.journal)]
    assert main(["bundle", "--footprint", sound.second.id, *places, "--out", str(out)]) == 0
    (tmp_path / "auditor.pub").write_text(f"{AUDITOR.public}\n")
    asked = [
        *("--key", str(sound.plant.receipt_key.public), "--tsa-ca", str(sound.tsa.ca)),
        *("--cosigner", str(tmp_path / "auditor.pub")),
    ]
    assert main(["verify", str(out), *asked]) == 0
    said = capsys.readouterr().out
    assert f"good: footprint {sound.second.id} of wheel, 2026-11-22, of cq-test" in said
    assert "the last head was there at 20" in said
    assert f"signed by {AUDITOR.public.id}, too" in said
    assert main(["bundle", "--footprint", "nothing", *places, "--out", str(out)]) == 2
    assert "there is no footprint 'nothing'" in capsys.readouterr().err
    assert main(["bundle", *places, "--out", str(out)]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_is_found_where_it_was_made(kind: str, sound: Sound) -> None:
    its = KINDS[kind](sound.data, sound.plant.receipt_key)
    changes = [change for change in its if change.data != sound.data]
    assert changes
    some = random.Random(8).sample(changes, min(len(changes), MOST_BY_DEFAULT))
    assert unnoticed_by(some, sound.verify) == []


def test_without_a_stamp_a_conspiring_ingestor_is_found_by_what_gateways_signed(
    sound: Sound,
) -> None:
    bare = replace(read_bundle(unpack(sound.data)), stamps={}, cosignatures=())
    key = sound.plant.receipt_key
    changes = forged.conspired(pack(bare.files()), key)
    changes = [change for change in changes if change.what.startswith("segment")]
    assert len(changes) == 4
    assert unnoticed_by(changes, lambda data: verify(data, [key.public])) == []


@pytest.mark.full
@pytest.mark.timeout(900)
def test_every_change_is_found_where_it_was_made(sound: Sound) -> None:
    key = sound.plant.receipt_key
    changes = [c for kind in KINDS.values() for c in kind(sound.data, key) if c.data != sound.data]
    print(f"{len(changes)} changes of {len(KINDS)} kinds")
    assert len(changes) >= 200
    assert unnoticed_by(changes, sound.verify) == []
