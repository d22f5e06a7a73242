"""The systemd units: understood by systemd, and closed as far as it can tell."""

import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.systemd

FOLDER = Path(__file__).parents[2] / "deploy/systemd"
UNITS = sorted(FOLDER.iterdir())
SERVICES = sorted(FOLDER.glob("*.service"))
MOST_EXPOSED = 15  # tenths, by systemd's own reckoning


def analyze(*words: str | Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_there_are_units() -> None:
    assert SERVICES
    assert {unit.suffix for unit in UNITS} == {".path", ".service"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_has_no_line_systemd_does_not_know(unit: Path, tmp_path: Path) -> None:
    # What is installed on a gateway is not here; everything else is as it will be there.
    for each in UNITS:  # a path names the service that it starts
        text = re.sub(r"/opt/wattprint/bin/[a-z-]+", "/bin/true", each.read_text())
        (tmp_path / each.name).write_text(text)
    assert analyze("verify", "--man=no", tmp_path / unit.name) == ""


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_unit_is_no_more_exposed_than_promised(unit: Path) -> None:
    said = analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", unit)
    assert "Overall exposure level" in said
