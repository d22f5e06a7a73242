"""A bundle holds what a settled figure follows from, no more, and is judged by itself alone."""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from cryptography.x509 import Certificate

from calc_stream import bundling
from calc_stream.__main__ import main
from calc_stream.core.decimals import instant
from calc_stream.evidence.bundle import read_bundle
from calc_stream.evidence.bundle_file import pack, unpack
from calc_stream.evidence.stamps import authority
from calc_stream.verification import verify
from tests.time_stamps import Authority
from tests.unit.calc_stream_live.plant import MODEL, SITE, T0, Plant, run_to_end
from tests.unit.calc_stream_live.proven import (
    CERTIFIED,
    DAY_MS,
    ProvenPlant,
    made,
    proven,
    stated,
    today,
    yesterday,
)
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import heads, open_reader
from wire.messages import MeterEvent, Sample
from wire.signing import SigningKey

SHIFTS = 'window = "shift"\nshifts = ["00:00", "08:00", "08:10", "08:20"]\n'
BATTERY = (
    MODEL.replace(
        "[nodes.press]",
        '[stores.battery]\ncarrier = "electricity"\nefficiency = "0.9"\n[nodes.press]',
    )
    + '[[meters]]\nid = "m-in"\nfrom = "main"\nto = "battery"\nunit = "kWh"\n'
    + '[[meters]]\nid = "m-out"\nfrom = "battery"\nto = "main"\nunit = "kWh"\n'
)


def pools(plant: ProvenPlant, spread: str) -> None:
    plant.model(CERTIFIED + f'[policy]\nspread = "{spread}"\n{SHIFTS}', "model-2")
    today(plant)


def campaign(plant: ProvenPlant) -> None:
    plant.model(CERTIFIED + '[policy]\nsetup = "campaign"\ncampaign_max_s = 300\n', "model-2")
    plant.event("s1", 500, "state", node="press", state="setup")
    today(plant)


def set_up_ahead(plant: ProvenPlant) -> None:
    plant.model(CERTIFIED + "[policy]\nsetup_max_s = 100\n", "model-2")
    plant.event("s1", 310, "state", node="press", state="setup")
    plant.event("s2", 470, "state", node="press", state="cleaning")
    today(plant)


def exchanged(plant: ProvenPlant) -> None:
    """Once long before the batch, and once while it runs."""
    for at, register in ((100, 1_234), (630, 1_500)):
        detail = {
            "quantity": "active_energy_import",
            "closing": f"{register}.0004",
            "opening": "0.1",
        }
        answers = [
            Sample(m, instant_ms(at + 1), {"active_energy_import": (150, -3)})
            for m in ("m", "m-press")
        ]
        plant.segment(
            answers, [MeterEvent(m, instant_ms(at), "swap", detail) for m in ("m", "m-press")]
        )
    today(plant)


def by_hand(plant: ProvenPlant) -> None:
    told = {"type": "manual", "meter": "m-press", "t": instant(instant_ms(640)), "register": "2.6"}
    plant.state("reading", "h1", **told)
    span = {"from": instant(instant_ms(625)), "to": instant(instant_ms(635))}
    plant.state("correction", "c1", type="correction", meter="m-press", **span, reason="a clamp")
    today(plant)


def versions(plant: ProvenPlant) -> None:
    """Another model in the middle of the batch."""
    second = CERTIFIED.replace(
        'site = "cq-test"', 'site = "cq-test"\nvalid_from = 2026-11-21T08:10:30Z'
    )
    plant.model(second + '[policy]\nweights = "equal"\n', "model-2")
    today(plant)


def late(plant: ProvenPlant) -> None:
    """Another product quantity and a reading come when the figure is long stated."""
    today(plant, 1200)
    plant.read((645, 2517))
    plant.event("e9", 753, "quantity", batch="P", good="1", unit="piece")
    plant.close_day()


def instant_ms(second: float) -> int:
    """A second of the plant's clock."""
    return T0 + round(second * 1000)


SCENARIOS: dict[str, Callable[[ProvenPlant], None]] = {
    "plain": today,
    "machine hours": lambda plant: pools(plant, "machine_hours"),
    "pieces": lambda plant: pools(plant, "pieces"),
    "direct energy": lambda plant: pools(plant, "direct_energy"),
    "campaign": campaign,
    "set-up ahead": set_up_ahead,
    "registers exchanged": exchanged,
    "readings by hand": by_hand,
    "versions of the model": versions,
    "restated": late,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_settled_revision_comes_out_of_its_bundle_bit_for_bit(
    name: str, tmp_path: Path
) -> None:
    plant = ProvenPlant(tmp_path)
    yesterday(plant)
    SCENARIOS[name](plant)
    running = run_to_end(plant, tmp_path / "calc")
    assert running.site is not None
    rows = [row for b in "PQ" for row in running._store.revisions(SITE, b) if row.settled]
    assert {row.batch for row in rows} == {"P", "Q"}
    for row in rows:
        found = verify(made(plant, row), [plant.receipt_key.public])
        assert found.row == row
        assert found.since == "2026-11-20"  # the stretch begins there: nothing else was needed
        assert found.is_pinned


def test_a_batch_that_stops_when_it_starts_settles_with_its_set_up(tmp_path: Path) -> None:
    plant = ProvenPlant(tmp_path)
    yesterday(plant)
    plant.now_ms = T0
    plant.event("e0", 600, "state", node="press", state="setup")
    plant.event("e1", 660, "stop", node="press", batch="P")
    plant.event("e2", 660, "start", node="press", batch="P", product="wheel")
    plant.read((600, 1000), (660, 1070), (700, 1100))
    plant.close_day()
    row = stated(plant, tmp_path / "calc", "P")
    assert (row.settled, row.energy_kwh, row.nodes) == (True, "0.070000", ("press",))
    assert verify(made(plant, row)).row == row


def test_a_store_needs_everything_since_its_first_reading(tmp_path: Path) -> None:
    plant = ProvenPlant(tmp_path)
    yesterday(plant)
    plant.model(BATTERY, "model-2")
    for at in (-49_000, 0, 700, 1700):
        answers = [
            Sample(meter, instant_ms(at), {"active_energy_import": (100_000 + at, -3)})
            for meter in ("m-in", "m-out")
        ]
        plant.segment(answers)
    today(plant)
    row = stated(plant, tmp_path / "calc", "P")
    found = verify(made(plant, row))
    assert (found.row, found.since, found.left_out) == (row, "", 0)


def test_where_the_least_does_not_give_the_figure_everything_goes_in(tmp_path: Path) -> None:
    """A word about an exchange hours before, which a reading that is left out parts from it: without
    that reading it would count, and its parts of a quantum move an edge of the batch."""
    plant = ProvenPlant(tmp_path)
    yesterday(plant)
    plant.now_ms = T0 - 20_000_000
    detail = {"quantity": "active_energy_import", "closing": "0.7000004", "opening": "0.1"}
    both = ("m", "m-press")
    plant.segment([], [MeterEvent(meter, instant_ms(-20_000), "swap", detail) for meter in both])
    plant.read((-19_000, 200))
    for meter in both:
        said = {"meter": meter, "closing": "0.9", "opening": "0.05"}
        plant.event(f"word-{meter}", -18_000, "swap", **said)
    plant.now_ms = T0
    plant.event("e1", 610, "start", node="press", batch="P")
    plant.event("e2", 620, "stop", node="press", batch="P")
    plant.read((600, 1000), (630, 1070), (700, 1100))
    plant.close_day()
    row = stated(plant, tmp_path / "calc", "P")
    found = verify(made(plant, row))
    assert (found.row, found.since, found.left_out) == (row, "", 0)


def test_a_bundle_leaves_out_what_its_figure_does_not_need(tmp_path: Path) -> None:
    plant = proven(tmp_path)
    found = verify(made(plant, stated(plant, tmp_path / "calc", "P")))
    assert (found.segments, found.left_out) == (
        3,
        10,
    )  # two around the minute, one with a serial number
    assert [note.partition(" is")[0] for note in found.remarks] == [
        "what the journal got before 2026-11-21T00:00:00+00:00"
    ]
    whole = verify(made(plant, found.row, whole=True))
    assert (whole.row, whole.since, whole.remarks) == (found.row, "", ())


def test_the_meters_passports_say_class_ratio_certificate_and_serial_number(tmp_path: Path) -> None:
    plant = proven(tmp_path)
    files = unpack(made(plant, stated(plant, tmp_path / "calc", "P")))
    grid, press = json.loads(files["meters.json"])
    assert grid["facts"] == {
        "certificate": "sha256:" + "c" * 64,
        "certificate_due": "2027-06-30",
        "class": "0.5S",
        "ct": "400/5",
    }
    assert grid["identity"] == {"maker": "Eastron", "serial": "1234567"}
    assert (press["facts"], press["identity"]) == ({}, {})
    (factor,) = json.loads(files["factors.json"])["factors"]
    assert factor["series"] == "cn-grid-footprint"
    assert factor["document"]


def test_the_same_ledger_gives_the_same_bytes_and_any_zip_program_reads_them(
    tmp_path: Path,
) -> None:
    plant = proven(tmp_path)
    row = stated(plant, tmp_path / "calc", "Q")
    data = made(plant, row)
    reader = open_reader(plant.journal)
    assert bundling.make(reader, SITE, row) == data
    reader.close()
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        assert packed.testzip() is None
        assert {name: packed.read(name) for name in packed.namelist()} == unpack(data)


def test_a_figure_is_bundled_when_it_is_settled_and_a_tree_head_stands_for_it(
    tmp_path: Path,
) -> None:
    plant = ProvenPlant(tmp_path)
    yesterday(plant)
    plant.event("e1", 600, "start", node="press", batch="P")
    plant.event("e2", 660, "stop", node="press", batch="P")
    plant.read((0, 1000), (700, 1700))
    row = stated(plant, tmp_path / "calc", "P")
    with pytest.raises(TransientError, match="under no tree head yet"):
        made(plant, row)
    with pytest.raises(ConfigError, match="is closed: only settled figures"):
        made(plant, msgspec.structs.replace(row, settled=False, state="closed"))
    plant.close_day()
    assert verify(made(plant, row)).row == row
    with pytest.raises(ConfigError, match="does not give the ledger's figure: .*energy_kwh"):
        made(plant, msgspec.structs.replace(row, energy_kwh="1.000000"))


def test_the_key_is_taken_from_whoever_asks_and_else_named(tmp_path: Path) -> None:
    plant = proven(tmp_path)
    data = made(plant, stated(plant, tmp_path / "calc", "P"))
    assert verify(data).is_pinned is False
    assert verify(data).keys == (plant.receipt_key.public.id,)
    with pytest.raises(BadData, match="none of the keys given"):
        verify(data, [SigningKey.new().public])
    two = [SigningKey.new().public, plant.receipt_key.public]
    assert verify(data, two).is_pinned


def test_with_stamps_a_stretch_begins_where_one_says_that_it_did(tmp_path: Path) -> None:
    """A head's own time is its ingestor's word, which could make a head of later one of before."""
    plant = ProvenPlant(tmp_path)
    plant.now_ms = T0 - 2 * DAY_MS
    plant.model(MODEL, "model-0")
    plant.now_ms = T0 - DAY_MS
    yesterday(plant)
    today(plant)
    row, tsa = stated(plant, tmp_path / "calc", "P"), Authority(tmp_path / "tsa")
    records = plant.writer.of_kind(SITE, heads.KIND)
    early, late, end = map(heads.read_head, records)
    trusted = authority(tsa.ca.read_bytes())

    def stamped(number: int, at_ms: int) -> None:
        head = heads.read_head(records[number])
        plant._append("stamp", str(head.size), tsa.stamp(records[number].data, at_ms))

    def since(whole: bool = False, trusted: Sequence[Certificate] = trusted) -> str:
        return verify(made(plant, row, whole), [plant.receipt_key.public], trusted).since

    with pytest.raises(BadData, match=f"heads/{end.size}.tsr: is missing: .* the last head"):
        since()
    stamped(2, end.time_ms + 60_000)
    with pytest.raises(BadData, match=f"heads/{late.size}.tsr: is missing: .* stretch begins"):
        since()
    stamped(1, instant_ms(700))
    why = f"heads/{late.size}.tsr: was made at 2026-11-21T08:11:40.*; the figure needs all that"
    with pytest.raises(BadData, match=why):
        since()
    assert (since(whole=True), since(trusted=())) == ("", late.day)
    stamped(0, early.time_ms + 60_000)
    assert since() == early.day == "2026-11-19"


def test_whoever_signs_a_journal_of_his_own_is_found_out_by_the_key(tmp_path: Path) -> None:
    (tmp_path / "true").mkdir()
    (tmp_path / "forged").mkdir()
    true, forger = ProvenPlant(tmp_path / "true"), proven(tmp_path / "forged")
    data = made(forger, stated(forger, tmp_path / "calc", "P"))
    assert verify(data).is_pinned is False
    with pytest.raises(BadData, match="none of the keys given"):
        verify(data, [true.receipt_key.public])


def test_a_meter_that_was_long_silent_is_named_and_its_last_reading_is_there(
    tmp_path: Path,
) -> None:
    plant = ProvenPlant(tmp_path)
    yesterday(plant)
    plant.now_ms = T0
    plant.event("e1", 600, "start", node="press", batch="P")
    plant.event("e2", 660, "stop", node="press", batch="P")
    for at in range(0, 900, 60):
        plant.read((at, 10_000 + at), meters=["m"])
    plant.read((900, 10_900))
    plant.close_day()
    row = stated(plant, tmp_path / "calc", "P")
    found = verify(made(plant, row))
    assert found.row == row
    assert row.interpolated_share == "0"
    assert found.left_out > 5
    assert "of m-press no reading near both ends" in found.remarks[1]


@pytest.mark.parametrize("kind", ["event", "segment"])
def test_what_is_left_out_is_named(kind: str, tmp_path: Path) -> None:
    """By somebody who makes the rest of the bundle fit."""
    plant = proven(tmp_path)
    row = stated(plant, tmp_path / "calc", "P")
    bundle = read_bundle(unpack(made(plant, row)))
    at = next(
        n
        for n in bundle.data
        if n > bundle.begin and plant.writer.read(SITE, n - 1, 1)[0].kind == kind
    )
    raw = bundle.data.pop(at)
    if kind == "segment":
        line, _, rest = raw.partition(b"\n")
        stretch = list(bundle.stretch)
        its = stretch[at - bundle.begin - 1]
        stretch[at - bundle.begin - 1] = msgspec.structs.replace(
            its, header=line.decode(), signature=rest.partition(b"\n")[0].decode()
        )
        object.__setattr__(bundle, "stretch", tuple(stretch))
    with pytest.raises(BadData, match=f"records/{at}.{kind}: .* is left out"):
        verify(pack(bundle.files()))


def test_the_commands_write_a_bundle_and_judge_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant = proven(tmp_path)
    stated(plant, tmp_path / "calc", "P")
    out, key = tmp_path / "p.zip", tmp_path / "receipt.pub"
    key.write_text(f"{plant.receipt_key.public}\n")
    places = ["--ledger", str(tmp_path / "calc"), "--journal", str(plant.journal)]
    assert main(["bundle", "P", *places, "--out", str(out)]) == 0
    assert main(["verify", str(out), "--key", str(key)]) == 0
    said = capsys.readouterr().out
    assert "good: batch P, revision 1, of cq-test" in said
    assert f"signed by {plant.receipt_key.public.id}, as given" in said
    assert "readings signed by gw-1 with key " in said
    assert main(["verify", str(out)]) == 0
    assert "which you must know" in capsys.readouterr().out
    out.write_bytes(out.read_bytes().replace(b'"batch": "P"', b'"batch": "R"', 1))
    assert main(["verify", str(out), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["good"] is False
    assert found["broken"].startswith("manifest.json: byte ")
    assert main(["verify", str(tmp_path / "none.zip")]) == 2
    assert main(["bundle", "X", *places, "--out", str(out)]) == 2
    assert "no closed batch 'X'" in capsys.readouterr().err


def test_a_journal_without_keys_gives_no_bundle(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    with pytest.raises(TransientError, match="under no tree head yet"):
        bundling.make(plant.writer, SITE, stated(plant, tmp_path / "calc", "P"))
