"""What a site model may not say of stores, policies, losses, outputs, versions, and of what is bought."""

import argparse
from pathlib import Path

import pytest

from calc_stream.commands import compute

from .test_refusals import COUNTED, GOOD, LINK, METER, MODEL, event, expect, outcome, with_line

STORE = '[stores.tank]\ncarrier = "air"\n'
POLICY = "[policy]\n"
SPREAD = POLICY + 'spread = "machine_hours"\n'
SHIFT = SPREAD + 'window = "shift"\n'
TRAFO = MODEL.replace("[nodes.n1]", '[utilities.trafo]\nloss = "0.01"\n[nodes.n1]')
LINKED = MODEL.replace("[buses.main]\n", '[buses.main]\nresidual = "links"\n')


def shown(text: str, words: str) -> int:
    """The line (from 1) on which the words stand last."""
    return max(n for n, row in enumerate(text.split("\n"), 1) if words in row)


# what is put behind the model, the words of the line that is at fault, the key, the reason
BEHIND = {
    "a store without a carrier": ("[stores.tank]\n", "[stores", "stores.tank.carrier", "missing"),
    "a store that gains": (STORE + 'efficiency = "1.1"\n', "effic", "stores.tank.efficiency", "1"),
    "a store that gives nothing": (STORE + 'efficiency = "0"\n', "effic", "stores.tank.eff", "0"),
    "an unknown key of a store": (
        STORE + 'loss = "0"\n',
        "loss",
        "stores.tank.loss",
        "not a known",
    ),
    "a level that carries nothing told": (
        *(STORE + 'level = "1"\n', "[stores", "stores.tank.content"),
        "level and content of a start go together",
    ),
    "a content without a level": (
        *(STORE + 'content = { grid = "1" }\n', "[stores", "stores.tank.level"),
        "content and level of a start go together",
    ),
    "content of an unknown source": (
        STORE + 'level = "1"\ncontent = { wind = "1" }\n',
        *("content", "stores.tank.content.wind", "no source is named 'wind'"),
    ),
    "a level finer than a quantum": (
        STORE + 'level = "0.0001"\ncontent = { grid = "1" }\n',
        *("level", "stores.tank.level", "finer than a quantum of air"),
    ),
    "a level below zero": (
        STORE + 'level = "-1"\ncontent = { grid = "1" }\n',
        *("level", "stores.tank.level", "below zero"),
    ),
    "a store fed by a link": (
        STORE + LINK.format("compressor", "tank"),
        *('to = "tank"', "links[0].to", "the edges of a store (tank) are metered"),
    ),
    "a store of another carrier": (
        STORE + METER.format("main", "tank", "kWh"),
        *('to = "tank"', "meters[2].to", "carriers differ along this edge"),
    ),
    "a store into a store": (
        STORE + '[stores.tank2]\ncarrier = "air"\n' + METER.format("tank", "tank2", "m3"),
        *('to = "tank2"', "meters[2].to", "no edge runs from a store to a store"),
    ),
    "a store named like a node": (
        '[stores.n1]\ncarrier = "air"\n',
        "[stores.n1]",
        "stores.n1",
        "al",
    ),
    "an unknown set-up policy": (POLICY + 'setup = "last"\n', "setup", "policy.setup", "one of"),
    "campaigns that are none": (
        POLICY + "campaign_max_s = 9\n",
        *("campaign_max", "policy.campaign_max_s", 'only with setup = "campaign"'),
    ),
    "unknown weights": (POLICY + 'weights = "size"\n', "weights", "policy.weights", "one of"),
    "an unknown measure": (POLICY + 'spread = "area"\n', "spread", "policy.spread", "one of"),
    "no window": (SPREAD, "[policy]", "policy.window", "missing"),
    "an unknown window": (SPREAD + 'window = "week"\n', "window", "policy.window", "one of"),
    "a window for nothing": (
        *(POLICY + 'window = "day"\n', "window", "policy.window"),
        'means nothing while spread = "none"',
    ),
    "shifts for days": (
        SPREAD + 'window = "day"\nshifts = ["06:00"]\n',
        *("shifts", "policy.shifts", 'only with window = "shift"'),
    ),
    "no shifts": (SHIFT, "[policy]", "policy.shifts", "must list when shifts begin"),
    "empty shifts": (SHIFT + "shifts = []\n", "shifts", "policy.shifts", "must list"),
    "no clock time": (SHIFT + 'shifts = ["24:00"]\n', "shifts", "policy.shifts", "'24:00'"),
    "shifts out of order": (
        SHIFT + 'shifts = ["14:00", "06:00"]\n',
        *("shifts", "policy.shifts", "must rise through the day"),
    ),
    "a share and a reference": (
        METER.format("compressor", "air", "m3") + 'share = "1"\nreference_efficiency = "0.5"\n',
        *("share", "meters[2].share", "are two rules for one output"),
    ),
    "a reference of zero": (
        METER.format("compressor", "air", "m3") + 'reference_efficiency = "0"\n',
        *("reference", "meters[2].reference_efficiency", "above zero"),
    ),
    "a reference for what holds no energy": (
        METER.format("compressor", "air", "m3") + 'reference_efficiency = "0.5"\n',
        *("reference", "meters[2].reference_efficiency", "carrier air tells no kwh_per_unit"),
    ),
    "a reference on a bus": (
        METER.format("main", "n2", "kWh") + 'reference_efficiency = "0.5"\n',
        *("reference", "meters[2].reference_efficiency", "only the outputs of a utility"),
    ),
    "a certificate due on no day": (
        METER.format("main", "n2", "kWh") + 'certificate_due = "2027-13-01"\n',
        *("certificate_due", "meters[2].certificate_due", "a day such as 2027-06-30"),
    ),
    "an error that is no number": (
        METER.format("main", "n2", "kWh") + 'certificate_u_percent = "0.3S"\n',
        *("certificate_u", "meters[2].certificate_u_percent", "'0.3S' is not a decimal string"),
    ),
    "a coverage factor of zero": (
        METER.format("main", "n2", "kWh") + "certificate_k = 0\n",
        *("certificate_k", "meters[2].certificate_k", "must be above zero"),
    ),
    "a power that is not told in kW": (
        METER.format("main", "n2", "kWh") + 'rated_power = "250 kVA"\n',
        *("rated_power", "meters[2].rated_power", "'250 kVA' is not a decimal string"),
    ),
    "a loss that nothing tells of": (
        LINK.format("compressor", "air") + 'loss = "0.1"\n',
        *("loss", "links[0].loss", "cannot be known: compressor declares no loss"),
    ),
    "a loss of everything": (
        LINK.format("compressor", "air") + 'loss = "1"\n',
        *("loss", "links[0].loss", 'from "0" up, below "1"'),
    ),
}


@pytest.mark.parametrize("case", BEHIND)
def test_what_stands_behind_a_model_is_refused(case, tmp_path, capfd) -> None:
    text, words, key, why = BEHIND[case]
    model = MODEL + text
    expect(outcome(tmp_path, capfd, model, "", GOOD), "model.toml", shown(model, words), key, why)


INSIDE = {
    "an unknown time zone": (
        with_line('timezone = "UTC"', 'timezone = "Chongqing"'),
        *("timezone", "timezone", "is not the name of a time zone"),
    ),
    "energy that holds energy": (
        with_line(
            'unit = "kWh"\nquanta_per_unit', 'unit = "kWh"\nkwh_per_unit = "1"\nquanta_per_unit'
        ),
        *("kwh_per_unit", "carriers.electricity.kwh_per_unit", "kWh is energy already"),
    ),
    "direct energy of what holds none": (
        MODEL.replace("[buses.main]", '[sources.bottle]\ncarrier = "air"\n[buses.main]')
        + POLICY
        + 'spread = "direct_energy"\nwindow = "day"\n',
        *("[carriers.air]", "carriers.air.kwh_per_unit", "adds up energy"),
    ),
    "a machine that serves": (
        with_line("[nodes.n2]\n", '[nodes.n2]\nserves = "site"\n'),
        *("serves", "nodes.n2.serves", "for nodes of kind"),
    ),
    "a line nobody is on": (
        with_line('kind = "overhead"\n', 'kind = "overhead"\nserves = ["L9"]\n'),
        *("serves", "nodes.office.serves", "no node is on a line 'L9'"),
    ),
    "a word that is no scope": (
        with_line('kind = "overhead"\n', 'kind = "overhead"\nserves = "all"\n'),
        *("serves", "nodes.office.serves", 'must be "site", "none" or a list of lines'),
    ),
    "a loss of what is metered": (
        TRAFO + METER.format("trafo", "main", "kWh"),
        *("loss", "utilities.trafo.loss", "is known already: m3 meters what trafo gives out"),
    ),
    "a loss between two carriers": (
        TRAFO + METER.format("main", "trafo", "kWh") + LINK.format("trafo", "air"),
        *("loss", "utilities.trafo.loss", "air and electricity are not one carrier"),
    ),
    "a loss of what is not counted": (
        LINKED.replace("[nodes.n1]", '[utilities.trafo]\nloss = "0.01"\n[nodes.n1]')
        + LINK.format("main", "trafo")
        + LINK.format("trafo", "n2"),
        *("loss", "utilities.trafo.loss", "cannot be known: main declares no loss"),
    ),
    "links that depend on themselves": (
        LINKED.replace(
            "[buses.air]", '[buses.far]\ncarrier = "electricity"\nresidual = "links"\n[buses.air]'
        )
        + LINK.format("main", "far")
        + 'loss = "0.1"\n'
        + LINK.format("far", "main")
        + 'loss = "0.2"\n',
        *('loss = "0.1"', "links[0].loss", "it depends on itself"),
    ),
}


@pytest.mark.parametrize("case", INSIDE)
def test_what_stands_inside_a_model_is_refused(case, tmp_path, capfd) -> None:
    model, words, key, why = INSIDE[case]
    number = next(n for n, row in enumerate(model.split("\n"), 1) if words in row)
    expect(outcome(tmp_path, capfd, model, "", GOOD), "model.toml", number, key, why)


LATER = "valid_from = 2026-11-21T08:05:00Z\n"
VERSIONS = {
    "two from ever": (MODEL, "valid_from", "has no valid_from, too"),
    "another site": (LATER + with_line('"s"', '"t"'), "site", "it is 's'"),
    "another quantum": (
        LATER + with_line("= 1_000_000", "= 1_000"),
        *("carriers.electricity", "give this carrier another name"),
    ),
    "another carrier of a source": (
        LATER
        + MODEL.replace(
            '[sources.grid]\ncarrier = "electricity"', '[sources.grid]\ncarrier = "air"'
        ).replace(
            'id = "m1"\nfrom = "grid"\nto = "main"\nunit = "kWh"',
            'id = "m1"\nfrom = "grid"\nto = "air"\nunit = "m3"',
        ),
        *("sources.grid.carrier", "is electricity in"),
    ),
    "another unit of a meter": (
        LATER + MODEL.replace('to = "main"\nunit = "kWh"', 'to = "main"\nunit = "MWh"'),
        *("meters", "m1 counts kWh in"),
    ),
}


@pytest.mark.parametrize("case", VERSIONS)
def test_versions_that_contradict_each_other_are_refused(case, tmp_path: Path, capfd) -> None:
    later, key, why = VERSIONS[case]
    for name, text in (("a.toml", MODEL), ("b.toml", later), ("e.jsonl", ""), ("r.jsonl", GOOD)):
        (tmp_path / name).write_text(text)
    parser = argparse.ArgumentParser()
    compute.add_arguments(parser)
    files = [
        "--model",
        "a.toml",
        "--model",
        "b.toml",
        "--events",
        "e.jsonl",
        "--readings",
        "r.jsonl",
    ]
    files = [str(tmp_path / name) if "." in name else name for name in files]
    assert compute.run(parser.parse_args(files)) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "b.toml:" in err
    assert f": {key}: " in err
    assert why in err


LOT = event(7, "lot", "lot=L", "unit=kg", "factor=2", "document=d")
EVENTS = {
    "a lot without a value": (event(1, "lot", "lot=L", "unit=kg", "document=d"), 1, "factor: is m"),
    "a lot without a document": (
        event(1, "lot", "lot=L", "unit=kg", "factor=1"),
        1,
        "document: is",
    ),
    "a lot below zero": (LOT.replace('"2"', '"-2"'), 1, "factor: may not be below zero"),
    "a lot told twice": (
        LOT + "\n" + event(8, "lot", "lot=L", "unit=kg", "factor=3", "document=d"),
        *(2, "lot: 'L' was told before and said something else"),
    ),
    "an input of nothing": (
        event(1, "input", "batch=C", "quantity=1", "unit=kg"),
        *(1, "of: an input is `of` a batch or from a `lot`: one of the two"),
    ),
    "an input of both": (
        event(1, "input", "batch=C", "of=B", "lot=L", "quantity=1", "unit=kg"),
        *(1, "of: an input is `of` a batch or from a `lot`: one of the two"),
    ),
    "scrap of a lot": (
        LOT + "\n" + event(1, "input", "batch=C", "lot=L", "quantity=1", "unit=kg", "from=scrap"),
        *(2, "from: is about batches; a lot has no scrap"),
    ),
    "an unknown lot": (
        COUNTED + "\n" + event(2, "input", "batch=C", "lot=L", "quantity=1", "unit=kg"),
        *(2, "lot: no record tells of the lot 'L'"),
    ),
    "a lot in another unit": (
        LOT + "\n" + event(2, "input", "batch=C", "lot=L", "quantity=1", "unit=t"),
        *(2, "unit: lot 'L' is counted in 'kg', not 't'"),
    ),
}


@pytest.mark.parametrize("case", EVENTS)
def test_what_was_bought_must_be_told_rightly(case, tmp_path, capfd) -> None:
    events, number, words = EVENTS[case]
    code, out, err = outcome(tmp_path, capfd, MODEL, events, GOOD)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert f"e.jsonl:{number}: {words}" in err
