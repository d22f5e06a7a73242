"""Who may import whom: the contracts hold, and each would notice being broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = ("wire", "edge_agent", "ingestor", "calc_stream", "simulators", "wattprint")

# A line planted at the end of a file, and the contract that must break.
PLANTED = [
    ("edge_agent/store.py", "import ingestor.pipeline", "services meet"),
    ("ingestor/pipeline.py", "import calc_stream.core", "services meet"),
    ("calc_stream/web/app.py", "import ingestor.api", "services meet"),
    ("wire/segment/body.py", "import edge_agent.store", "services meet"),
    ("simulators/scenario.py", "import edge_agent.store", "simulators read"),
    ("simulators/scenario.py", "import calc_stream.core", "simulators read"),
    ("wattprint/up.py", "import edge_agent.config", "umbrella"),
    ("edge_agent/registers.py", "import numpy", "gateway stays light"),
    ("wire/topics.py", "import fastapi", "gateway stays light"),
    ("edge_agent/uplink.py", "import paho.mqtt.client", "one file knows paho"),
    ("edge_agent/store.py", "import edge_agent.agent", "edge_agent layers"),
    ("edge_agent/registers.py", "import edge_agent.store", "edge_agent layers"),
    ("ingestor/line_protocol.py", "import ingestor.projector", "ingestor layers"),
    ("calc_stream/factors/__init__.py", "import calc_stream.ledger", "calc_stream layers"),
    ("calc_stream/core/edges.py", "import calc_stream.factors", "calc_stream layers"),
    ("calc_stream/core/edges.py", "import time", "core"),
    ("calc_stream/core/edges.py", "import wire.journal", "core"),
]


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = Path(__file__).parents[2]
    folder = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(
            root / package,
            folder / package,
            ignore=shutil.ignore_patterns("__pycache__", "static", "page"),
        )
    shutil.copy(root / "pyproject.toml", folder)
    return folder


def test_the_contracts_hold(copy):
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(("file", "line", "contract"), PLANTED)
def test_a_planted_import_breaks_its_contract(copy, file, line, contract):
    path = copy / file
    before = path.read_text()
    path.write_text(f"{before}\n{line}\n")
    try:
        done = lint(copy)
    finally:
        path.write_text(before)
    assert done.returncode != 0
    broken = [text for text in done.stdout.splitlines() if "BROKEN" in text]
    assert any(contract in text for text in broken), done.stdout


def test_a_new_module_must_find_its_layer(copy):
    stray = copy / "edge_agent/utils.py"
    stray.write_text('"""Stray."""\n')
    try:
        done = lint(copy)
    finally:
        stray.unlink()
    assert done.returncode != 0
    assert "utils" in done.stdout
