"""What every test shares: nothing of this machine leaks in, and real servers are really there."""

import itertools
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test asserts a speed: bench/ measures.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
# Folders whose files start servers, install or build, and so take longest.
_LONG = ("architecture", "browser", "integration", "mutants")
# marker -> program or file it needs; scripts/test installs Debian's packages of them.
_PROGRAMS = {
    "mosquitto": "mosquitto",
    "influxdb": "influxd",
    "victoria": "victoria-metrics",
    "chromium": "chromium",
    "mbpoll": "mbpoll",
    "tshark": "tshark",
    "libmodbus": "/usr/include/modbus/modbus.h",
    "systemd": "systemd-analyze",
    "node": "npm",
}


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """A command run within a test logs to that test's standard error, which is closed after it."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)


def find_program(name: str) -> str | None:
    """Where a server's program is, also off a user's PATH; or a file, if `name` is its path."""
    if Path(name).is_absolute():
        return name if Path(name).exists() else None
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return shutil.which(name, path=path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soaks only by hand; a missing server skips its tests, and fails them where CI is true."""
    wants_full = "full" in (config.option.markexpr or "")
    for item in items:
        if item.get_closest_marker("full") and not wants_full:
            item.add_marker(pytest.mark.skip(reason="a soak: run by hand with -m full"))
        for marker, program in _PROGRAMS.items():
            if item.get_closest_marker(marker) and find_program(program) is None:
                if os.environ.get("CI") == "true":
                    item.add_marker(pytest.mark.usefixtures("_missing_program"))
                else:
                    item.add_marker(pytest.mark.skip(reason=f"{program} is not installed"))
    if hasattr(config, "workerinput"):
        items.sort(key=_turn(items))


def _turn(items: list[pytest.Item]) -> Callable[[pytest.Item], tuple[float, Path]]:
    """Which file is whose turn, where several run at once: what waits beside what computes.

    The files of each folder are spread over the run, the long ones over its first two thirds: they
    must not be left for the end.
    """
    turns: dict[Path, float] = {}
    for folder, files in itertools.groupby(dict.fromkeys(i.path for i in items), _folder):
        known = list(files)
        share = 2 / 3 if folder in _LONG else 1
        turns |= {path: share * at / len(known) for at, path in enumerate(known)}
    return lambda item: (turns[item.path], item.path)


def _folder(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


@pytest.fixture
def _missing_program(request: pytest.FixtureRequest) -> None:
    pytest.fail(f"{request.node.name} needs a program that CI must have")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("WATTPRINT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def root() -> Path:
    return ROOT
