"""A figure disclosed field by field: what is shown is the calculator's, what is hidden stays so."""

import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from calc_stream.__main__ import main
from calc_stream.disclosing import TYPES, Disclosure, Log, open_discloser
from calc_stream.evidence.bundle import pretty
from calc_stream.evidence.disclosure import (
    Document,
    Shown,
    fields_of,
    leaf_of,
    read_document,
    root_of,
)
from calc_stream.evidence.levels import load_levels, shown_at
from calc_stream.footprints.footprint import Footprint
from calc_stream.verification import verify
from tests.unit.calc_stream_live.door import door
from tests.unit.calc_stream_live.footprints_sample import sample
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_live.proven_days import ProvenDays, bundled, published
from wire.errors import BadData, ConfigError
from wire.journal.merkle import leaf_hash
from wire.signing import PublicKey, SigningKey

SECRETS = bytes(range(32))


def shown(document: bytes) -> dict[str, object]:
    return {each.name: each.value for each in read_document(document).document.shown}


@pytest.fixture
def document(tmp_path: Path) -> tuple[bytes, PublicKey]:
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    at_level = shown_at(load_levels(TYPES), "footprint", "buyer")
    made = discloser.document(sample(), at_level, "buyer", "Example Cars", 1_795_651_200_000)
    return made, discloser.key.public


def test_a_buyer_sees_his_fields_and_that_they_are_signed(
    document: tuple[bytes, PublicKey],
) -> None:
    data, key = document
    found = read_document(data, [key])
    footprint = sample()
    assert found.is_pinned
    assert (found.document.to, found.document.level) == ("Example Cars", "buyer")
    its = shown(data)
    assert its["kg_co2e"] == footprint.kg_co2e
    assert its["u95.kg_co2e"] == footprint.u95.kg_co2e
    assert {"good", "batches", "sources", "energy_kwh", "scrap", "stages"}.isdisjoint(its)
    assert found.hidden == len(fields_of(footprint)) - len(its) > 5
    with pytest.raises(BadData, match="none of the keys given"):
        read_document(data, [SigningKey.new().public])


def test_what_is_hidden_is_nowhere_in_the_document(document: tuple[bytes, PublicKey]) -> None:
    """Neither value nor name, nor what one could try values with: a leaf without its salt."""
    data, _ = document
    footprint, its = sample(), shown(data)
    told = msgspec.json.decode(data, type=Document)
    for name, value in fields_of(footprint).items():
        if name in its:
            continue
        text = msgspec.json.encode(value)
        if len(text) > 8:  # a short one may be part of something else
            assert text not in msgspec.json.encode(told), name
        assert f'"{name}"' not in data.decode()
        salts = [each.salt for each in told.shown]
        assert all(leaf_of(salt, name, value).hex() not in told.leaves for salt in ("", *salts))
    assert len({each.salt for each in told.shown}) == len(told.shown)
    assert all(len(bytes.fromhex(each.salt)) == 16 for each in told.shown)


def test_all_levels_of_a_figure_are_of_one_root(tmp_path: Path) -> None:
    first = open_discloser(tmp_path, lambda _: SECRETS)
    levels, roots, counts = load_levels(TYPES), set(), []
    for level in ("auditor", "buyer", "public"):
        again = open_discloser(tmp_path, lambda _: b"")  # the salts are there
        at_level = shown_at(levels, "footprint", level)
        data = again.document(sample(), at_level, level, "somebody", 1)
        roots.add(read_document(data).document.commitment.root)
        counts.append(len(shown(data)))
    assert len(roots) == 1
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == len(fields_of(sample()))
    other = open_discloser(tmp_path / "elsewhere", lambda _: bytes(32))
    assert {other.committed(sample()).commitment.root}.isdisjoint(roots)
    assert first.key.public.id == open_discloser(tmp_path, lambda _: b"").key.public.id
    assert stat.S_IMODE((tmp_path / "disclosure.salts").stat().st_mode) == 0o600


def test_a_leaf_and_the_root_are_those_of_rfc_6962_over_salt_name_and_value() -> None:
    salt = "00" * 16
    leaf = leaf_of(salt, "u95.kg_co2e", "0.1")
    assert leaf == leaf_hash(b'["00000000000000000000000000000000","u95.kg_co2e","0.1"]')
    eight = [leaf_hash(bytes.fromhex(each)) for each in _RFC_6962_LEAVES]
    assert root_of(eight).hex() == (
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    )


# The leaves of certificate-transparency's test tree, whose root of eight is above.
_RFC_6962_LEAVES = (
    *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
    "606162636465666768696a6b6c6d6e6f",
)


def changes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every field of a document changed, one at a time, as whoever got it could."""
    told = msgspec.json.decode(data, type=Document)

    def put(what: str, **other: object) -> tuple[str, bytes]:
        return what, pretty(msgspec.structs.replace(told, **other))

    for name, value in (("level", "public"), ("to", "Another"), ("issued_ms", 2), ("format", 2)):
        yield put(name, **{name: value})
    for name in ("kind", "site", "id", "root", "key", "sig"):
        its = getattr(told.commitment, name)
        other = (
            "batch"
            if name == "kind"
            else str(SigningKey.new().public)
            if name == "key"
            else its[::-1]
        )
        yield put(name, commitment=msgspec.structs.replace(told.commitment, **{name: other}))
    for at, field in enumerate(told.shown):
        for name, value in (
            ("value", "9"), ("name", f"{field.name}x"), ("salt", "0" * 32), ("leaf", field.leaf + 1),
        ):  # fmt: skip
            other = msgspec.structs.replace(field, **{name: value})
            listed = (*told.shown[:at], other, *told.shown[at + 1 :])
            yield put(f"{field.name}: {name}", shown=listed)
    yield put("one field less", shown=told.shown[1:])
    yield put("the order", shown=told.shown[::-1])
    yield put("a leaf less", leaves=told.leaves[:-1])
    yield put("no base64", sig="é" * 88)
    yield put("capitals", leaves=(told.leaves[0].upper(), *told.leaves[1:]))
    forged = Shown(0, "good", "1", "0" * 32)
    if told.shown[0].leaf:
        yield put("a field more", shown=(forged, *told.shown))
    yield "one byte more", data + b"\n"


def test_whatever_is_changed_in_a_document_is_refused(document: tuple[bytes, PublicKey]) -> None:
    data, key = document
    tried = list(changes(data))
    assert len(tried) > 100
    passed = []
    for what, changed in tried:
        try:
            read_document(changed, [key])
            passed.append(what)
        except BadData:
            continue
    assert passed == []
    dice = random.Random(5)
    for at in dice.sample(range(len(data)), 100):
        flipped = bytearray(data)
        flipped[at] ^= 1 << dice.randrange(7)
        with pytest.raises(BadData):
            read_document(bytes(flipped), [key])


def test_less_than_a_level_shows_and_lines_of_its_own_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A list of somebody's own may be called `public`, and a name may hold a line's end."""
    discloser = open_discloser(tmp_path, lambda _: SECRETS)
    out = tmp_path / "some.json"
    levels, to = load_levels(TYPES), "X\nsigned by \x1b[1mme"
    public = shown_at(levels, "footprint", "public")
    for hidden, lacking in (((), ""), (("draft", "boundary"), "draft, boundary")):
        out.write_bytes(
            discloser.document(
                sample(), lambda n, h=hidden: public(n) and n not in h, "public", to, 1
            )
        )
        assert main(["verify", str(out)]) == 0
        said = capsys.readouterr().out
        assert (f"note: level public as shipped shows these, too: {lacking}" in said) is bool(
            lacking
        )
        assert "disclosed to X\\nsigned by \\x1b[1mme (public)\n" in said


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[ProvenDays, Footprint]]:
    made = ProvenDays(tmp_path)
    made.two_days()
    _, second = published(made)
    yield made, second
    made.writer.close()


def test_the_commands_disclose_judge_and_remember(
    plant: tuple[ProvenDays, Footprint], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, footprint = plant
    ledger = tmp_path / "calc"
    places = ["--ledger", str(ledger), "--journal", str(made.journal)]

    def say(*words: str) -> tuple[int, str, str]:
        code = main([*words])
        return (code, *capsys.readouterr())

    before = verify(bundled(made, footprint)).disclosed
    out, full = tmp_path / "buyer.json", tmp_path / "full.zip"
    its = ("disclose", footprint.id, *places, "--to", "Example Cars")
    assert say(*its, "--level", "buyer", "--out", str(out))[0] == 0
    key = str(open_discloser(ledger, lambda _: b"").key.public)
    code, said, _ = say("verify", str(out), "--key", key)
    assert (code, before) == (0, None)
    assert f"  kg_co2e: {footprint.kg_co2e}" in said
    assert "disclosed to Example Cars (buyer)" in said
    assert say("verify", str(out), "--json")[1].startswith('{"good":true')
    assert say(*its, "--level", "full", "--out", str(full))[0] == 0
    root = read_document(out.read_bytes()).document.commitment.root
    found = verify(full.read_bytes())
    assert found.disclosed is not None
    assert found.disclosed.root == root
    assert f"under root {root}" in say("verify", str(full))[1]
    again = tmp_path / "again.zip"
    assert say("bundle", "--footprint", footprint.id, *places, "--out", str(again))[0] == 0
    assert again.read_bytes() == full.read_bytes()
    of_batch = ("disclose", "--batch", "D", *places, "--to", "Audit", "--out", str(out))
    assert say(*of_batch, "--level", "auditor")[0] == 0
    assert shown(out.read_bytes())["energy_kwh"]
    out.write_bytes(out.read_bytes().replace(b'"Audit"', b'"Other"'))
    code, said, _ = say("verify", str(out))
    assert (code, "broken: sig: signature does not match" in said) == (1, True)
    code, said, _ = say("disclose", "--log", *places)
    lines = said.splitlines()
    assert [line.split("  ", 1)[1].rpartition("  by ")[0] for line in lines] == [
        f"Example Cars  footprint {footprint.id}  buyer ({_count(lines[0])} fields)",
        f"Example Cars  footprint {footprint.id}  full (everything)",
        f"Audit  batch D/2  auditor ({_count(lines[2])} fields)",
    ]
    for words, why in (
        ((*its, "--out", str(out)), "--level is missing"),
        ((*its, "--level", "friend", "--out", str(out)), "full, auditor, buyer, public"),
        (("disclose", *places), "give a footprint's id"),
        ((*its, "--level", "buyer", "--to", "", "--out", str(out)), "who gets it"),
        (("verify", str(tmp_path / "buyer.json"), "--cosigner", key), "are of bundles"),
    ):
        code, _, err = say(*words)
        assert code == 2, words
        assert why in err
    assert len(Log(ledger).all()) == 3


def _count(line: str) -> str:
    return line.partition("(")[2].partition(" fields")[0]


def entry(to: str) -> Disclosure:
    return Disclosure(1, "footprint", SITE, "id", "buyer", to, 3, "me", "r", "h")


@pytest.mark.parametrize("what", ["changed", "taken out", "put elsewhere", "torn"])
def test_a_log_in_which_something_was_done_says_so(what: str, tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert log.all() == []
    for name in ("A", "B", "C"):
        log.add(entry(name))
    assert [told.to for told in log.all()] == ["A", "B", "C"]
    path = tmp_path / "disclosures.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    done: dict[str, Callable[[], list[bytes]]] = {
        "changed": lambda: [lines[0].replace(b'"A"', b'"X"'), *lines[1:]],
        "taken out": lambda: [lines[0], lines[2]],
        "put elsewhere": lambda: [lines[1], lines[0], lines[2]],
        "torn": lambda: [*lines[:2], lines[2][:-9]],
    }
    path.write_bytes(b"".join(done[what]()))
    with pytest.raises(BadData, match="disclosures.jsonl: line"):
        log.all()


def test_what_was_torn_while_it_was_written_spoils_nothing_after_it(tmp_path: Path) -> None:
    """The log is written before anybody gets anything, so of that line nobody got anything."""
    log = Log(tmp_path)
    for name in ("A", "B"):
        log.add(entry(name))
    path = tmp_path / "disclosures.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    log.add(entry("C"))
    assert [told.to for told in log.all()] == ["A", "C"]


def test_own_lists_are_judged_by_name(tmp_path: Path) -> None:
    file = tmp_path / "levels.toml"
    for text, why in (
        (
            '[footprint]\nbank = ["kgco2e"]\n[batch]\n',
            "footprint.bank: a footprint has no field 'kgco2e'",
        ),
        ('[footprint]\nfull = ["*"]\n[batch]\n', "footprint.full: is the whole bundle"),
        ("[footprint]\n", "batch: is missing"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=why):
            load_levels(TYPES, file)
    file.write_text('[footprint]\nbank = ["u95.kwh", "columns", "upstream"]\n[batch]\n')
    at_level = shown_at(load_levels(TYPES, file), "footprint", "bank")
    seen = [name for name in fields_of(sample()) if at_level(name)]
    # Not `upstream_kg_co2e`, which is another field.
    assert seen == sorted(["u95.kwh", "upstream", *(f"columns.{c}" for c in sample().columns)])


def test_auditors_see_the_log_over_the_api(tmp_path: Path) -> None:
    with door(tmp_path, ("auditor", "auditor"), ("viewer", "viewer")) as made:
        log = Log(made.parts.plan.config.state)
        for name in ("A", "B"):
            log.add(entry(name))
        got = made.client("auditor-auditor").get("/v1/disclosures?limit=1").json()
        assert [each["to"] for each in got["disclosures"]] == ["B"]
        assert made.client("viewer-viewer").get("/v1/disclosures").status_code == 403
        path = made.parts.plan.config.state / "disclosures.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"A"', b'"X"'))
        answer = made.client("auditor-auditor").get("/v1/disclosures")
        assert (answer.status_code, "line 2" in answer.json()["detail"]) == (409, True)
