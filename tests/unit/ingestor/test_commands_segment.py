"""`ingestor segment show`, typed as a person types it."""

import io
import json
import sys
from pathlib import Path

import pytest

from ingestor import __main__ as program
from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, Place, seal
from wire.signing import SigningKey

PLACE = Place("cq", "gw-1", "a" * 32, 3, GENESIS, "b" * 32, "assumed")
DATA = seal(
    PLACE,
    [Sample("m-1", 1_790_000_000_000 + n, {"active_power": (-105 + n, -1)}) for n in range(2)],
    [MeterEvent("m-1", 1_790_000_000_001, "reset", {"closing": "1.5"})],
    SigningKey(bytes(32)),
)


def typed(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ingestor", "segment", "show", *words])
    return program.main()


def test_a_segment_in_a_file_is_shown_to_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.seg").write_bytes(DATA)
    assert typed(monkeypatch, str(tmp_path / "one.seg")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"cq/gw-1, stream {'a' * 32}, segment 3"
    assert "m-1, good, 2 rows" in lines
    assert "  2026-09-21 14:13:20.000           -10.5" in lines
    assert lines[-1] == "2026-09-21 14:13:20.001  m-1: reset (closing 1.5)"


def test_a_segment_from_standard_input_is_told_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DATA)))
    assert typed(monkeypatch, "-", "--json") == 0
    header, *told = map(json.loads, capsys.readouterr().out.splitlines())
    assert header["seq"] == 3
    assert [one["values"] for one in told[:2]] == [
        {"active_power": "-10.5"},
        {"active_power": "-10.4"},
    ]
    assert told[2]["event"] == "reset"


def test_what_is_no_segment_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.seg").write_bytes(DATA[:-1])
    assert typed(monkeypatch, str(tmp_path / "one.seg")) == 1
    assert "does not match the hash" in capsys.readouterr().err
    assert typed(monkeypatch, str(tmp_path / "none.seg")) == 2
    assert "none.seg: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [(), ("one.seg", "--config", "c", "--offset", "1"), ("--offset", "1")]
)
def test_neither_or_both_of_file_and_place_is_asked_again(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match="2"):
        typed(monkeypatch, *words)
