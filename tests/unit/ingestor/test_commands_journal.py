"""`ingestor journal …`, typed as a person types it."""

import json
import sys
from pathlib import Path

import pytest

from ingestor import __main__ as program
from ingestor.commands import journal
from tests.unit.ingestor.conftest import Cloud
from tests.unit.ingestor.gateway import Gateway
from tests.unit.ingestor.test_config import sample
from wire.errors import ConfigError
from wire.journal import Entry, open_reader, open_writer

DAY_MS = 86_400_000
SEVERAL = ("cq", "hz")


class Typed:
    """Types at a journal's command line; `out` and `err` are what was said last."""

    def __init__(
        self, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.config, self._monkeypatch, self._capsys = config, monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        told = [] if words[0] == "check" else ["--config", str(self.config)]
        self._monkeypatch.setattr(sys, "argv", ["ingestor", "journal", *words, *told])
        code = program.main()
        self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    path = sample(tmp_path)
    path.write_text(path.read_text().replace('"journal.db"', f'"{tmp_path}/journal.db"'))
    return Typed(path, monkeypatch, capsys)


@pytest.fixture
def three_days(cloud: Cloud, gateway: Gateway, typed: Typed) -> Path:
    """Three days signed for, of two segments each; beside the journal the ingestor's public key."""
    for _ in range(3):
        cloud.send(gateway, gateway.seal(), gateway.seal())
        cloud.clock[0] += DAY_MS
        cloud.intake.close_days()
    key = cloud.intake._days._key.public
    (cloud.directory / "receipt.key.pub").write_text(f"{key}\n")
    cloud.close()
    return cloud.directory


def journal_of(directory: Path, *sites: str) -> None:
    writer = open_writer(directory / "journal.db", lambda: 0)
    for site in sites:
        writer.append(site, [Entry("model", "m", b"format = 1")])
    writer.close()


def test_the_only_site_of_a_journal_need_not_be_named(typed, tmp_path):
    journal_of(tmp_path, "cq")
    assert typed("show") == 0
    assert json.loads(typed.out)["site"] == "cq"


@pytest.mark.parametrize(
    ("sites", "asked", "known"),
    [
        (SEVERAL, (), "cq, hz"),
        (("cq",), ("--site", "cp"), "cq"),
        ((), (), "no site yet"),
    ],
)
@pytest.mark.parametrize("words", [("show",), ("prove", "1"), ("verify", "--from", "2")])
def test_a_site_that_must_be_named_is_asked_for(typed, tmp_path, sites, asked, known, words):
    journal_of(tmp_path, *sites)
    assert typed(*words, *asked) == 2
    assert f"--site: name one of those the journal has: {known}\n" in typed.err


def test_verify_says_whole_broken_or_not_looked_at(typed, three_days):
    assert typed("verify") == 0
    assert "s1: 11 records, 6 segments, 3 tree heads, all good" in typed.out
    assert typed("verify", "--site", "s1", "--from", "7") == 0
    assert "11 records from 7 on, those before taken on trust, 3 segments" in typed.out
    with open_writer(three_days / "journal.db", lambda: 0)._db as db:
        db.execute("UPDATE record SET t_ms = 5 WHERE offset = 9")
    assert typed("verify") == 1
    assert "s1: broken at record 9: s1: record 9 is not what was appended" in typed.out
    assert "s1: 8 records, 4 segments, 2 tree heads, are good before it" in typed.out
    (three_days / "journal.db").unlink()
    assert typed("verify") == 2
    assert "not looked at to the end" in typed.err


def test_verify_goes_on_to_the_other_sites(typed, tmp_path):
    journal_of(tmp_path, *SEVERAL)
    with open_writer(tmp_path / "journal.db", lambda: 0)._db as db:
        db.execute("UPDATE record SET t_ms = 5 WHERE site = 'cq'")
    assert typed("verify") == 1
    assert "cq: broken at record 1" in typed.out
    assert "hz: 1 records, 0 segments, 0 tree heads, all good" in typed.out


def test_a_record_is_proved_to_somebody_without_the_journal(typed, three_days):
    key = str(three_days / "receipt.key.pub")
    records = list(open_reader(three_days / "journal.db").walk("s1"))
    for record in records[:-1]:
        assert typed("prove", str(record.offset)) == 0
        proof = three_days / f"{record.offset}.proof"
        proof.write_text(typed.out)
        data = three_days / "data"
        data.write_bytes(record.data)
        assert typed("check", str(proof), "--key", key, "--data", str(data)) == 0
        assert f"is the data of record {record.offset}" in typed.out
        data.write_bytes(record.data + b"x")
        assert typed("check", str(proof), "--key", key, "--data", str(data)) == 1
        assert "is not the data of record" in typed.err


def test_what_stands_under_no_head_yet_is_said_to_wait(typed, three_days):
    assert typed("prove", "11") == 1
    assert "stands under no tree head yet: one is signed when its UTC day is over" in typed.err
    assert typed("prove", "12") == 2
    assert "has no record 12" in typed.err


def test_days_are_proved_to_go_on_from_each_other(typed, three_days):
    key = str(three_days / "receipt.key.pub")
    days = ["2026-11-18", "2026-11-19", "2026-11-20"]
    for one in days:
        for other in days:
            assert typed("consistency", one, other) == 0
            (three_days / "days.proof").write_text(typed.out)
            assert typed("check", str(three_days / "days.proof"), "--key", key) == 0
            assert f"of {max(one, other)}" in typed.out
    assert typed("consistency", "2026-11-18", "2026-11-25") == 2
    assert "no tree head of 2026-11-25; there are: 2026-11-18 to 2026-11-20" in typed.err


def test_a_proof_that_was_touched_anywhere_is_refused(typed, three_days):
    key = str(three_days / "receipt.key.pub")
    typed("prove", "3")
    inclusion = json.loads(typed.out)
    typed("consistency", "2026-11-18", "2026-11-20")
    consistency = json.loads(typed.out)
    proof = three_days / "touched.proof"
    for sound in (inclusion, consistency):
        for where, touched in touches(sound):
            proof.write_text(json.dumps(touched))
            assert typed("check", str(proof), "--key", key) == 1, where
    proof.write_text("{}")
    assert typed("check", str(proof), "--key", key) == 1
    (three_days / "other.pub").write_text("ed25519:" + "A" * 43 + "=\n")
    proof.write_text(json.dumps(inclusion))
    assert typed("check", str(proof), "--key", str(three_days / "other.pub")) == 1


def touches(sound: object, where: str = "") -> list[tuple[str, object]]:
    """The same document with one value changed, for every value in it."""
    if isinstance(sound, dict):
        inner = [(key, value) for key, value in sound.items() if key != "data"]
        return [
            (path, {**sound, key: changed})
            for key, value in inner
            for path, changed in touches(value, f"{where}.{key}")
        ]
    if isinstance(sound, list):
        shorter: list[tuple[str, object]] = [(f"{where} shorter", sound[:-1])]
        return shorter + [
            (path, [*sound[:at], changed, *sound[at + 1 :]])
            for at, value in enumerate(sound)
            for path, changed in touches(value, f"{where}[{at}]")
        ]
    if isinstance(sound, int):
        return [(where, sound + 1)]
    assert isinstance(sound, str)
    swapped = "0" if sound[:1] != "0" else "1"
    return [(where, swapped + sound[1:])]


def test_old_months_are_frozen_and_the_present_one_is_not(typed, three_days, capsys):
    cold, path = three_days / "cold", three_days / "journal.db"
    before = list(open_reader(path).walk("s1"))
    words = ["journal", "freeze", "--before", "2026-12", "--to", str(cold)]
    arguments = program._parser().parse_args([*words, "--config", str(typed.config)])
    with pytest.raises(ConfigError, match="2026-11 is not over"):
        journal.run(arguments, lambda: before[-1].t_ms / 1000)
    assert journal.run(arguments, lambda: before[-1].t_ms / 1000 + 40 * 86_400) == 0
    said = f"s1: 2026-11, records 1 to 11: 6 segments moved to {cold}/s1-2026-11.cold\n"
    assert capsys.readouterr().out == said
    assert journal.run(arguments, lambda: before[-1].t_ms / 1000 + 40 * 86_400) == 0
    assert capsys.readouterr().out == "nothing from before 2026-12 is left to be moved\n"
    assert list(open_reader(path).walk("s1")) == before
    assert typed("verify") == 0
    (cold / "s1-2026-11.cold").unlink()
    assert typed("verify") == 1
    assert (
        f"s1: broken at record 2: s1: record 2 is in cold file {cold}/s1-2026-11.cold" in typed.out
    )
