"""`whatif` computes the same records twice, line beside line, and writes nothing."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from calc_stream.__main__ import main
from tests.unit.calc_stream_live.plant import MODEL, Plant, run_to_end

WORKED_4 = Path(__file__).parents[2] / "golden" / "compute" / "worked_4_one_meter"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Worked example 4 with a factor for its grid: P has 57.5 Wh, Q 22.5, the pool 50."""
    options = []
    for name in ("model.toml", "events.jsonl", "readings.jsonl"):
        text = (WORKED_4 / name).read_text()
        carrier = 'carrier = "electricity"\n'
        text = text.replace(carrier, f'{carrier}factor = "cn-grid"\n', 1)
        (tmp_path / name).write_text(text)
        options += [f"--{name.split('.')[0]}", str(tmp_path / name)]
    return options


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert main(["whatif", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def change(before: str, after: str, difference: str, percent: str) -> dict[str, str]:
    return {"before": before, "after": after, "difference": difference, "percent": percent}


def test_another_method_takes_its_own_kind_of_factor_from_the_same_energy(files, capsys) -> None:
    found = answer(capsys, "P", "--as-method", "ghg_inventory", *files)
    (grid, whole) = found["lines"]
    assert grid["amount"] == change("0.0575", "0.0575", "0", "0")
    # 0.0575 kWh x 0.5777 kgCO2e, and x 0.5306 kgCO2
    assert grid["kg"] == change("0.03321775", "0.0305095", "-0.00270825", "-8.15302")
    assert (whole["name"], whole["kg"]) == ("sum", grid["kg"])
    assert (found["before"]["method"], found["after"]["method"]) == ("gbt24067", "ghg_inventory")


def test_another_factor_for_a_source(files, capsys) -> None:
    found = answer(capsys, "Q", "--factor", "grid=cn-coal-footprint", *files)
    assert found["lines"][0]["kg"] == change("0.01299825", "0.02079", "0.00779175", "59.9446")
    assert found["after"]["sources"] == {"grid": "cn-coal-footprint"}


def test_another_policy_moves_set_up_from_the_batch_to_the_pool(
    files, tmp_path: Path, capsys
) -> None:
    setup = {"id": "s", "t": "2026-11-21T08:00:00Z", "type": "state", "node": "press-1"}
    with (tmp_path / "events.jsonl").open("a") as events:
        events.write(json.dumps(setup | {"state": "setup"}) + "\n")
    found = answer(capsys, "--month", "2026-11", "--policy", "setup=pool", *files)
    lines = {line["name"]: line["amount"] for line in found["lines"]}
    assert lines["batch:P"] == change("0.1075", "0.0575", "-0.05", "-46.5116")
    assert lines["pool:press-1"]["after"] == "0.05"
    assert lines["sum"] == change("0.13", "0.13", "0", "0")


def test_pools_may_be_spread_by_other_hours_or_at_all(files, tmp_path: Path, capsys) -> None:
    """P was there for 60 s, Q for 90: of the pool's 50 Wh P bears 20 and Q 30."""
    spread = ("--policy", "spread=machine_hours", "--policy", "window=day")
    month = answer(capsys, "--month", "2026-11", *spread, *files)
    lines = {line["name"]: line["amount"] for line in month["lines"]}
    assert lines["batch:P"] == change("0.0575", "0.0775", "0.02", "34.7826")
    assert lines["batch:Q"] == change("0.0225", "0.0525", "0.03", "133.333")
    assert lines["pool:press-1"] == change("0.05", "0", "-0.05", "-100")
    assert lines["sum"] == change("0.13", "0.13", "0", "0")
    assert month["after"]["policy"]["window"] == "day"
    batch = answer(capsys, "Q", *spread, *files)
    assert batch["lines"][0]["amount"] == lines["batch:Q"]
    # A method that wants pools to be spread takes what was said.
    cbam = answer(capsys, "--month", "2026-11", "--as-method", "pact3", *spread, *files)
    assert {line["name"]: line["amount"] for line in cbam["lines"]} == lines


def test_of_a_window_over_the_months_end_each_month_has_its_own_part(
    files, tmp_path: Path, capsys
) -> None:
    """The shift lasts from 14:00 to 14:00; a minute of it, all of the pool's, is still November."""
    text = (tmp_path / "model.toml").read_text()
    policy = 'spread = "machine_hours", window = "shift", shifts = ["14:00"]'
    (tmp_path / "model.toml").write_text(text.replace('spread = "none"', policy))
    for name in ("readings.jsonl", "events.jsonl"):
        text = (tmp_path / name).read_text()
        for old, new in (
            ("08:00", "15:59"),
            ("08:01", "16:00"),
            ("08:02", "16:01"),
            ("08:03", "16:02"),
        ):
            text = text.replace(f"2026-11-21T{old}", f"2026-11-30T{new}")
        (tmp_path / name).write_text(text)
    found = [answer(capsys, "--month", month, "--factor", "grid=cn-grid", *files)
             for month in ("2026-11", "2026-12")]  # fmt: skip
    november, december = (
        {line["name"]: line["amount"]["before"] for line in each["lines"]} for each in found
    )
    # Half a minute of idling and half of P; then 7.5 Wh of P and all of Q.
    assert november == {"batch:P": "0.07", "batch:Q": "0.03", "sum": "0.1"}
    assert december == {"batch:P": "0.0075", "batch:Q": "0.0225", "sum": "0.03"}


def test_another_model_may_leave_a_meter_out_or_bring_one_that_was_read(
    files, tmp_path: Path, capsys
) -> None:
    meter = '[[meters]]\nid = "{}"\nfrom = "grid"\nto = "press-1"\nunit = "Wh"\n'
    text = (tmp_path / "model.toml").read_text()
    one = text.partition("[[meters]]")[0] + meter.format("m-2")
    (tmp_path / "two.toml").write_text(text + meter.format("m-2"))
    (tmp_path / "one.toml").write_text(one)
    own = {"meter": "m-2", "t": "2026-11-21T08:00:00Z", "register": "0"}
    later = own | {"t": "2026-11-21T08:03:00Z", "register": "180"}
    with (tmp_path / "readings.jsonl").open("a") as readings:
        readings.write("".join(json.dumps(row) + "\n" for row in (own, later)))
    less = answer(capsys, "P", "--as-model", str(tmp_path / "one.toml"), *files[2:],
                  "--model", str(tmp_path / "two.toml"))  # fmt: skip
    # A minute of 60 Wh through m-2, with and without the 57.5 through the other one.
    assert less["lines"][0]["amount"] == change("0.1175", "0.06", "-0.0575", "-48.9362")
    more = answer(capsys, "P", "--as-model", str(tmp_path / "two.toml"), *files[2:],
                  "--model", str(tmp_path / "one.toml"))  # fmt: skip
    assert more["lines"][0]["amount"] == change("0.06", "0.1175", "0.0575", "95.8333")


def test_a_month_begins_at_the_sites_own_midnight(files, tmp_path: Path, capsys) -> None:
    assert 'timezone = "Asia/Shanghai"' in (tmp_path / "model.toml").read_text()
    for name in ("readings.jsonl", "events.jsonl"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("2026-11-21T08", "2026-11-30T16"))
    december = answer(capsys, "--month", "2026-12", "--policy", "setup=pool", *files)
    assert december["lines"][-1]["amount"]["before"] == "0.13"
    november = answer(capsys, "--month", "2026-11", "--policy", "setup=pool", *files)
    assert november["lines"][-1]["amount"]["before"] == "0"


def test_the_table_says_what_is_different(files, capsys) -> None:
    assert main(["whatif", "P", "--factor", "grid=cn-cq-grid", "--as-method", "cbam", *files]) == 2
    assert 'policy.spread: is "none"' in capsys.readouterr().err
    assert main(["whatif", "P", "--as-method", "ghg_inventory", *files]) == 0
    out = capsys.readouterr().out
    assert "method: gbt24067 -> ghg_inventory" in out
    assert "-8.15302" in out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["P"], "say what is to be different"),
        (["--factor", "grid=cn-grid"], "name a batch, or a month"),
        (["P", "--month", "2026-11", "--policy", "setup=pool"], "name a batch, or a month"),
        (["--month", "November", "--policy", "setup=pool"], "'November' is not a month"),
        (["P", "--factor", "grid=atlantis"], "there is no factor, series or entry 'atlantis'"),
        (["P", "--factor", "sun=cn-grid"], "is not NAME=VALUE with one of grid"),
        (["P", "--policy", "setup=never"], "setup takes next or pool or campaign, not 'never'"),
        (["X", "--policy", "setup=pool"], "batch 'X' is in no event"),
        (["P", "--policy", "spread=mass"], "add --policy window=day, or month"),
        (["P", "--policy", "window=day"], 'window means nothing while spread is "none"'),
        (["P", "--policy", "setup_max_s=1h"], "setup_max_s takes whole seconds, not '1h'"),
        (["P", "--as-method", "chongqing"], "missing are the guide's text"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(files, capsys, words, problem) -> None:
    assert main(["whatif", *words, *files]) == 2
    err = capsys.readouterr().err
    assert problem in err
    assert err.count("\n") == 1


def test_a_file_that_is_missing_beside_the_others_is_named(files, capsys) -> None:
    assert main(["whatif", "P", "--policy", "setup=pool", *files[:4]]) == 2
    assert "--readings: is missing beside --model" in capsys.readouterr().err


def content(folder: Path) -> dict[str, list[str]]:
    """What the databases of a folder hold; SQLite itself may move pages between its files."""
    found = {}
    for path in sorted(folder.rglob("*.db")):
        with closing(sqlite3.connect(path)) as db:
            found[str(path)] = list(db.iterdump())
    return found


def test_from_the_journal_it_is_the_same_and_nothing_is_written(tmp_path: Path, capsys) -> None:
    plant = Plant(tmp_path)
    plant.example_4()
    plant.the_late_reading()
    run_to_end(plant, tmp_path / "calc")
    other = tmp_path / "rewired.toml"
    other.write_text(MODEL.replace('id = "m', 'multiplier = "2"\nid = "m'))
    before = content(tmp_path)
    assert len(before) == 2
    where = ["--ledger", str(tmp_path / "calc"), "--journal", str(plant.journal)]
    found = answer(capsys, "P", "--as-model", str(other), *where)
    (grid, _) = found["lines"]
    assert grid["amount"]["before"] == "0.06"
    assert grid["kg"]["before"] == "0.034662"
    assert grid["amount"]["after"] == "0.12"
    assert content(tmp_path) == before
