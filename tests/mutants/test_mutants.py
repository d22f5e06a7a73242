"""Each planted fault is noticed by a short selection of tests. `-m full` plants all of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
SELECTION = [
    "tests/golden/test_compute.py::test_compute_prints_what_was_expected",
    "tests/unit/calc_stream/test_timeline.py",
    "tests/unit/calc_stream/test_course.py",
    "tests/unit/calc_stream/test_campaigns.py",
    "tests/unit/calc_stream/test_versions.py",
    "tests/unit/calc_stream/test_windows.py",
    "tests/unit/calc_stream/test_tails.py",
    "tests/unit/calc_stream/test_oracle.py::test_every_world_is_as_the_oracle_has_it",
    "tests/unit/calc_stream/test_rich_properties.py::test_every_source_closes_in_every_interval",
    "tests/unit/calc_stream/test_state.py::test_a_late_reading_posts_only_its_own_pages_anew",
    "tests/unit/calc_stream/test_deliveries.py",
    "tests/unit/calc_stream/test_rounds.py",
    "tests/unit/calc_stream_live/test_backlog.py",
]
_ALL = ["-m", "full or not full"]  # what the selection leaves to soaks, too


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources and the tests, apart from the checkout."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("calc_stream", "wire", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def outcome(folder: Path) -> tuple[int, str]:
    """Exit code and output of the selection: 0 nothing was noticed, 1 a test failed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        *_ALL,
        *SELECTION,
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def plant(fault: Fault, folder: Path) -> None:
    path = folder / "calc_stream" / "core" / f"{fault.file}.py"
    text = (ROOT / "calc_stream" / "core" / f"{fault.file}.py").read_text()
    path.write_text(text.replace(fault.right, fault.wrong))


def restore(fault: Fault, folder: Path) -> None:
    name = f"calc_stream/core/{fault.file}.py"
    shutil.copy(ROOT / name, folder / name)


def test_every_fault_changes_one_place_of_the_core() -> None:
    assert len(FAULTS) >= 30
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        text = (ROOT / "calc_stream" / "core" / f"{fault.file}.py").read_text()
        assert text.count(fault.right) == 1, fault.name


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_without_a_fault_the_selection_passes(copy: Path) -> None:
    code, out = outcome(copy)
    assert code == 0, out


def assert_noticed(fault: Fault, folder: Path) -> None:
    plant(fault, folder)
    try:
        code, out = outcome(folder)
    finally:
        restore(fault, folder)
    assert code == 1, out
    assert "AssertionError" in out or "assert" in out, out  # noticed, not merely broken


QUICK = [fault for fault in FAULTS if fault.quick][:6]


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: fault.name)
def test_a_planted_fault_is_noticed(fault: Fault, copy: Path) -> None:
    assert_noticed(fault, copy)


@pytest.mark.full
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.timeout(1800)
def test_each_planted_fault_is_noticed(fault: Fault, copy: Path) -> None:
    assert_noticed(fault, copy)
