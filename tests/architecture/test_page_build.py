"""The page in the wheel is what its sources build, and its own checks pass. Needs Node, as CI has."""

import gzip
import re
from pathlib import Path

import pytest

from tests.page_folder import installed, run

pytestmark = pytest.mark.node
FIRST_VIEW_BYTES = 300_000


@pytest.fixture(scope="module")
def page() -> Path:
    return installed()


def files(folder: Path) -> dict[str, bytes]:
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert len(found) > 10
    return found


def test_the_committed_page_is_what_its_sources_build(page: Path, tmp_path: Path) -> None:
    out = tmp_path / "static"
    done = run("npm", "run", "build", "--", "--outDir", str(out), "--emptyOutDir")
    assert done.returncode == 0, done.stderr
    built, committed = files(out), files(page.parent / "static")
    assert built.keys() == committed.keys()
    assert [name for name in built if built[name] != committed[name]] == []


def test_its_types_hold(page: Path) -> None:
    done = run("npm", "run", "check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_own_tests_pass(page: Path) -> None:
    done = run("npm", "run", "test", "--", "--no-color")
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"Tests +(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    assert int(passed[1]) >= 15


def test_the_first_view_is_light() -> None:
    static = Path(__file__).parents[2] / "calc_stream" / "web" / "static"
    first = ["index.html", "style.css", "app.js", "parts.js", "svelte.js", "zh.js", "echarts.js"]
    sizes = {name: len(gzip.compress((static / name).read_bytes(), 6)) for name in first}
    assert sum(sizes.values()) < FIRST_VIEW_BYTES, sizes
