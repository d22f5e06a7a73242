"""A bad file exits 2 with one line on stderr naming file, line and key."""

import argparse
from pathlib import Path

import pytest

from calc_stream.commands import compute

MODEL = """format = 1
site = "s"
timezone = "UTC"
slot_s = 60
[carriers.electricity]
unit = "kWh"
quanta_per_unit = 1_000_000
[carriers.air]
unit = "m3"
quanta_per_unit = 1_000
[sources.grid]
carrier = "electricity"
[buses.main]
carrier = "electricity"
[buses.air]
carrier = "air"
[utilities.compressor]
[nodes.n1]
[nodes.n2]
[nodes.office]
kind = "overhead"
[exports.out]
[[meters]]
id = "m1"
from = "grid"
to = "main"
unit = "kWh"
[[meters]]
id = "m2"
from = "main"
to = "n1"
unit = "kWh"
"""

METER = '[[meters]]\nid = "m3"\nfrom = "{}"\nto = "{}"\nunit = "{}"\n'
LINK = '[[links]]\nfrom = "{}"\nto = "{}"\n'


def line(name: str, *fields: str) -> str:
    """One JSON line from key=value pairs, all values text."""
    pairs = [field.split("=", 1) for field in fields]
    return "{" + ", ".join(f'"{key}": "{value}"' for key, value in pairs) + "}"


def reading(meter: str = "m1", at: str = "08:00:00", register: str = "1", *more: str) -> str:
    return line("r", f"meter={meter}", f"t=2026-11-21T{at}Z", f"register={register}", *more)


def swap(at: str, closing: str, opening: str) -> str:
    return line(
        *("s", "meter=m1", f"t=2026-11-21T{at}Z", "event=swap"),
        *(f"closing={closing}", f"opening={opening}"),
    )


def event(number: int, kind: str, *fields: str, at: str = "08:00:00") -> str:
    return line("e", f"id=e{number}", f"t=2026-11-21T{at}Z", f"type={kind}", *fields)


def start(number: int, *more: str, at: str = "08:00:00", node: str = "n1") -> str:
    return event(number, "start", f"node={node}", "batch=B", *more, at=at)


def outcome(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], model: str, events: str, readings: str
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command."""
    for name, text in (("model.toml", model), ("e.jsonl", events), ("r.jsonl", readings)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    parser = argparse.ArgumentParser()
    compute.add_arguments(parser)
    files = ["--model", "model.toml", "--events", "e.jsonl", "--readings", "r.jsonl", "--json"]
    files = [str(tmp_path / name) if "." in name else name for name in files]
    code = compute.run(parser.parse_args(files))
    out, err = capfd.readouterr()
    return code, out, err


def expect(result: tuple[int, str, str], file: str, number: int, key: str, words: str) -> None:
    code, out, err = result
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1, err
    assert f"{file}:{number}: {key}" in err
    assert words in err


def with_line(old: str, new: str) -> str:
    assert MODEL.count(old) == 1
    return MODEL.replace(old, new)


BAD_MODELS = {
    "no TOML": ("format = 1\nsite = \n", 2, "site", "Invalid value"),
    "a key twice": ('format = 1\nsite = "a"\nsite = "b"\n', 3, "site", "Cannot overwrite"),
    "no table": ("format = 1\n[[[\n", 2, "TOML", "Invalid"),
    "another format": (with_line("format = 1", "format = 2"), 1, "format", "2 is not supported"),
    "no format": (with_line("format = 1\n", ""), 1, "format", "missing"),
    "no site": (with_line('site = "s"\n', ""), 1, "site", "missing"),
    "unknown key on top": (with_line("slot_s", "slots"), 4, "slots", "not a known key"),
    "fractional slot": (with_line("slot_s = 60", "slot_s = 0.5"), 4, "slot_s", "whole number"),
    "zero slot": (with_line("slot_s = 60", "slot_s = 0"), 4, "slot_s", "from 1 up"),
    "unknown unit of a carrier": (with_line('"m3"', '"gal"'), 9, "carriers.air.unit", "gal"),
    "quantum that is no decimal": (
        with_line("= 1_000\n", "= 3\n"),
        *(10, "carriers.air.quanta_per_unit", "decimal"),
    ),
    "unknown carrier": (
        with_line('[buses.air]\ncarrier = "air"', '[buses.air]\ncarrier = "steam"'),
        *(16, "buses.air.carrier", "steam"),
    ),
    "unknown key of a bus": (
        with_line("[buses.air]\n", "[buses.air]\nloss = 1\n"),
        *(16, "buses.air.loss", "not a known key"),
    ),
    "bad residual": (
        with_line("[buses.air]\n", '[buses.air]\nresidual = "x"\n'),
        *(16, "buses.air.residual", "one of"),
    ),
    "name used twice": (
        with_line("[exports.out]", "[exports.n1]"),
        *(22, "exports.n1", "already"),
    ),
    "bad name": (with_line("[nodes.n2]", '[nodes."n 2"]'), 19, "nodes.n 2", "may hold only"),
    "bad kind": (with_line('"overhead"', '"office"'), 21, "nodes.office.kind", "overhead"),
    "unknown policy": (MODEL + "[policy]\nfoo = 1\n", 34, "policy.foo", "not a known key"),
    "meter twice": (
        MODEL + METER.format("main", "n2", "kWh").replace("m3", "m2"),
        *(34, "meters[2].id", "already"),
    ),
    "dangling end": (MODEL + METER.format("main", "n9", "kWh"), 36, "meters[2].to", "n9"),
    "dangling start": (MODEL + METER.format("n9", "main", "kWh"), 35, "meters[2].from", "n9"),
    "edge from a node": (MODEL + METER.format("n1", "n2", "kWh"), 35, "meters[2].from", "node"),
    "source to export": (MODEL + METER.format("grid", "out", "kWh"), 36, "meters[2].to", "export"),
    "unit of another kind": (MODEL + METER.format("main", "n2", "m3"), 37, "meters[2].unit", "m3"),
    "unknown unit": (MODEL + METER.format("main", "n2", "kwh"), 37, "meters[2].unit", "kwh"),
    "carriers differ": (MODEL + METER.format("main", "air", "kWh"), 36, "meters[2].to", "differ"),
    "utility to node without carrier": (
        MODEL + METER.format("compressor", "n1", "m3"),
        *(33, "meters[2].carrier", "missing"),
    ),
    "multiplier as a number": (
        MODEL + METER.format("main", "n2", "kWh") + "multiplier = 40\n",
        *(38, "meters[2].multiplier", "decimal string"),
    ),
    "multiplier zero": (
        MODEL + METER.format("main", "n2", "kWh") + 'multiplier = "0"\n',
        *(38, "meters[2].multiplier", "above zero"),
    ),
    "share on a meter of a bus": (
        MODEL + METER.format("main", "n2", "kWh") + 'share = "1"\n',
        *(38, "meters[2].share", "utility"),
    ),
    "unknown key of a meter": (
        MODEL + METER.format("main", "n2", "kWh") + "phase = 1\n",
        *(38, "meters[2].phase", "not a known key"),
    ),
    "link from a source": (MODEL + LINK.format("grid", "n1"), 34, "links[0].from", "metered"),
    "link from a plain bus": (MODEL + LINK.format("main", "n1"), 34, "links[0].from", "residual"),
    "links without a link": (
        with_line("[buses.air]\n", '[buses.air]\nresidual = "links"\n'),
        *(16, "buses.air.residual", "no link"),
    ),
    "several links without shares": (
        MODEL + LINK.format("compressor", "air") + LINK.format("compressor", "n1"),
        *(33, "links[0].share", "missing"),
    ),
    "one share of two": (
        MODEL
        + LINK.format("compressor", "air")
        + LINK.format("compressor", "n1")
        + 'share = "1"\n',
        *(33, "links[0].share", "missing"),
    ),
}

GOOD = reading("m1", "08:00:00", "0") + "\n" + reading("m1", "08:10:00", "9")

BAD_READINGS = {
    "no JSON": (reading() + "\n{", 2, "is not a JSON object"),
    "a list": ("[]", 1, "is not a JSON object"),
    "nested without end": ("[" * 100_000, 1, "is not a JSON object"),
    "the same key twice": ('{"meter": "m1", "meter": "m1"}', 1, "twice"),
    "no meter": (line("r", "t=2026-11-21T08:00:00Z", "register=1"), 1, "meter: is missing"),
    "unknown meter": ("\n" + reading("m9"), 2, "meter: 'm9'"),
    "no time": (line("r", "meter=m1", "register=1"), 1, "t: is missing"),
    "no zone": (reading().replace("Z", ""), 1, "t: "),
    "too fine": (reading(at="08:00:00.0001"), 1, "t: "),
    "no such day": (reading().replace("11-21", "02-30"), 1, "t: "),
    "no register": (line("r", "meter=m1", "t=2026-11-21T08:00:00Z"), 1, "register: is missing"),
    "register as a number": (
        '{"meter": "m1", "t": "2026-11-21T08:00:00Z", "register": 1.5}',
        *(1, "register: must be text"),
    ),
    "register no decimal": (reading(register="1,5"), 1, "register: '1,5'"),
    "register not a number": (reading(register="NaN"), 1, "register: 'NaN'"),
    "unknown quality": (reading("m1", "08:00:00", "1", "quality=fine"), 1, "quality: must be"),
    "unknown key": (reading("m1", "08:00:00", "1", "note=x"), 1, "note: is not a known key"),
    "two registers": (
        reading() + "\n" + reading(register="2"),
        *(2, "register: line 1 tells another register"),
    ),
    "falling": (
        reading(at="09:00:00") + "\n" + reading(register="2"),
        *(1, "register: is lower than the register before it (line 2)"),
    ),
    "swap closes too low": (
        reading(register="5") + "\n" + swap("09:00:00", "4.9", "0"),
        *(2, "closing: is lower"),
    ),
    "falls after a swap": (
        swap("07:00:00", "9", "2") + "\n" + reading(register="1"),
        *(2, "register: is lower"),
    ),
    "another register at a swap": (
        swap("08:00:00", "9", "2") + "\n" + reading(register="3"),
        *(2, "register: line 1 tells another"),
    ),
    "two swaps at once": (
        swap("08:00:00", "9", "2") + "\n" + swap("08:00:00", "9", "1"),
        *(2, "event: line 1 tells another swap"),
    ),
    "unknown meter event": (swap("08:00:00", "1", "0").replace("swap", "reset"), 1, "event: must"),
    "swap without opening": (
        swap("08:00:00", "1", "0").replace(', "opening": "0"', ""),
        *(1, "opening: is missing"),
    ),
    "swap with a register": (
        swap("08:00:00", "1", "0").replace("}", ', "register": "1"}'),
        *(1, "register: is not a known key of a swap"),
    ),
}

COUNTED = event(1, "quantity", "batch=B", "good=5", "unit=piece")

BAD_EVENTS = {
    "no JSON": ("x", 1, "is not a JSON object"),
    "no id": (start(1).replace('"id": "e1", ', ""), 1, "id: is missing"),
    "no type": (line("e", "id=e1", "t=2026-11-21T08:00:00Z"), 1, "type: is missing"),
    "unknown type": (event(1, "begin"), 1, "type: must be one of"),
    "no time": (start(1).replace('"t"', '"at"'), 1, ": is"),
    "unknown key": (start(1, "colour=red"), 1, "colour: is not a known key of a start event"),
    "key of another type": (start(1, "good=1"), 1, "good: is not a known key of a start event"),
    "no batch": (event(1, "start", "node=n1"), 1, "batch: is missing"),
    "weight zero": (start(1, "weight=0"), 1, "weight: must be above zero"),
    "weight below zero": (start(1, "weight=-1"), 1, "weight: may not be below zero"),
    "unknown state": (event(1, "state", "node=n1", "state=busy"), 1, "state: must be one of"),
    "unknown node": (start(1, node="n9"), 1, "node: 'n9' is no node"),
    "a bus is no node": (start(1, node="main"), 1, "node: 'main' is no node"),
    "batch on overhead": (start(1, node="office"), 1, "node: office is of kind overhead"),
    "state on overhead": (
        event(1, "state", "node=office", "state=off"),
        *(1, "node: office is of kind overhead"),
    ),
    "id said otherwise": (
        start(1) + "\n\n" + start(1, at="09:00:00"),
        *(3, "id: 'e1' in line 1 says something else"),
    ),
    "start of an active batch": (
        start(1) + "\n" + start(2, at="09:00:00"),
        *(2, "batch: 'B' is active on n1"),
    ),
    "two products": (
        start(1, "product=p") + "\n" + start(2, "product=q", at="09:00:00", node="n2"),
        *(2, "product: batch 'B' makes 'p'"),
    ),
    "two units": (
        COUNTED + "\n" + event(2, "quantity", "batch=B", "good=1", "unit=kg", at="09:00:00"),
        *(2, "unit: batch 'B' is counted in 'piece'"),
    ),
    "void of nothing": (event(1, "void", "of=e9"), 1, "of: voids the unknown event 'e9'"),
    "void of itself": (event(1, "void", "of=e1"), 1, "of: voids itself"),
    "void of a void": (
        start(1) + "\n" + event(2, "void", "of=e1") + "\n" + event(3, "void", "of=e2"),
        *(3, "of: voids 'e2', which is a void"),
    ),
    "drawing too much": (
        COUNTED + "\n" + event(2, "input", "batch=C", "of=B", "quantity=5.1", "unit=piece"),
        *(2, "quantity: draws more of 'B' than its good 5"),
    ),
    "drawing too much in parts": (
        "\n".join(
            [
                COUNTED,
                event(2, "input", "batch=C", "of=B", "quantity=3", "unit=piece"),
                event(3, "input", "batch=D", "of=B", "quantity=3", "unit=piece"),
            ]
        ),
        *(3, "quantity: draws more"),
    ),
    "drawing in another unit": (
        COUNTED + "\n" + event(2, "input", "batch=C", "of=B", "quantity=1", "unit=kg"),
        *(2, "unit: batch 'B' is counted in 'piece'"),
    ),
    "round for ever": (
        "\n".join(
            [
                COUNTED,
                event(2, "quantity", "batch=C", "good=5", "unit=piece"),
                event(3, "input", "batch=C", "of=B", "quantity=5", "unit=piece"),
                event(4, "input", "batch=B", "of=C", "quantity=5", "unit=piece"),
            ]
        ),
        *(4, "of: batches pass everything round for ever"),
    ),
}


def test_the_files_these_cases_spoil_are_good(tmp_path, capfd) -> None:
    code, out, err = outcome(
        tmp_path, capfd, MODEL, start(1) + "\n" + COUNTED.replace("e1", "e2"), GOOD
    )
    assert (code, err) == (0, "")
    assert out.startswith('{"accounts":')


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_bad_model_is_refused_by_file_line_and_key(case, tmp_path, capfd) -> None:
    model, number, key, words = BAD_MODELS[case]
    expect(outcome(tmp_path, capfd, model, "", GOOD), "model.toml", number, key, words)


@pytest.mark.parametrize("case", BAD_READINGS)
def test_a_bad_reading_is_refused_by_file_line_and_key(case, tmp_path, capfd) -> None:
    readings, number, words = BAD_READINGS[case]
    expect(outcome(tmp_path, capfd, MODEL, "", readings), "r.jsonl", number, "", words)


@pytest.mark.parametrize("case", BAD_EVENTS)
def test_a_bad_event_is_refused_by_file_line_and_key(case, tmp_path, capfd) -> None:
    events, number, words = BAD_EVENTS[case]
    expect(outcome(tmp_path, capfd, MODEL, events, GOOD), "e.jsonl", number, "", words)


def test_a_missing_file_is_named(tmp_path, capfd) -> None:
    parser = argparse.ArgumentParser()
    compute.add_arguments(parser)
    code = compute.run(
        parser.parse_args(
            ["--model", str(tmp_path / "no.toml"), "--events", "e", "--readings", "r"]
        )
    )
    err = capfd.readouterr().err
    assert code == 2
    assert err == f"{tmp_path / 'no.toml'}: cannot be read: No such file or directory\n"


def test_text_that_is_not_utf_8_is_named_by_line(tmp_path, capfd) -> None:
    outcome(tmp_path, capfd, MODEL, "", GOOD)
    (tmp_path / "r.jsonl").write_bytes(b"\n\xff\n")
    parser = argparse.ArgumentParser()
    compute.add_arguments(parser)
    args = ["--model", "model.toml", "--events", "e.jsonl", "--readings", "r.jsonl"]
    args = [str(tmp_path / name) if "." in name else name for name in args]
    assert compute.run(parser.parse_args(args)) == 2
    assert "r.jsonl:2: is not UTF-8 text" in capfd.readouterr().err
