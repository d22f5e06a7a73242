"""Keys of the API: what the file keeps, and what it gives."""

import itertools
import os
from pathlib import Path

import pytest

from ingestor.api.guard import Guard
from ingestor.api.problems import Problem
from ingestor.receipts import load_key
from wire.callers import Callers, CallersFile
from wire.errors import ConfigError
from wire.limits import Limits

NOW_MS = 1_795_651_200_000


@pytest.fixture
def file(tmp_path: Path) -> CallersFile:
    numbers = itertools.count(1)
    return CallersFile(tmp_path / "api.keys", lambda: f"key-{next(numbers)}")


def test_a_key_is_known_by_its_hash_and_stands_nowhere(tmp_path: Path, file: CallersFile) -> None:
    key = file.add("mes", ("operator",), NOW_MS)
    callers = Callers(tmp_path / "api.keys")
    known = callers.who(key)
    assert known is not None
    assert (known.name, known.day) == ("mes", "2026-11-26")
    assert callers.who("key-2") is None
    assert key not in (tmp_path / "api.keys").read_text()
    assert (tmp_path / "api.keys").stat().st_mode & 0o077 == 0


def test_rotation_and_revocation_count_at_once(tmp_path: Path, file: CallersFile) -> None:
    first = file.add("mes", ("operator",), NOW_MS)
    other = file.add("audit", ("auditor",), NOW_MS)
    callers = Callers(tmp_path / "api.keys")
    assert callers.who(first)
    second = file.rotate("mes", NOW_MS)
    assert callers.who(first) is None
    known = callers.who(second)
    assert known is not None
    assert known.roles == ("operator",)
    file.revoke("mes")
    assert callers.who(second) is None
    assert callers.who(other)
    (tmp_path / "api.keys").unlink()
    assert callers.who(other) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_what_root_makes_for_a_service_is_the_services_own(tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, 12_345)
    file = CallersFile(tmp_path / "api.keys", lambda: "key")
    file.add("mes", ("operator",), NOW_MS)
    load_key(tmp_path / "receipt.key")
    for name in ("api.keys", "receipt.key", "receipt.key.pub"):
        assert (tmp_path / name).stat().st_uid == 12_345, name
    (tmp_path / "api.keys").chmod(0o640)
    file.rotate("mes", NOW_MS)
    assert (tmp_path / "api.keys").stat().st_uid == 12_345, "nor does it become root's"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "api.keys").mkdir()
    with pytest.raises(ConfigError, match=r"api\.keys: cannot be read: Is a directory"):
        CallersFile(tmp_path / "api.keys", str).all()


def test_a_wrong_line_gives_no_access_and_the_others_still_do(
    tmp_path: Path, file: CallersFile
) -> None:
    key = file.add("mes", ("viewer",), NOW_MS)
    path = tmp_path / "api.keys"
    path.write_text(f"guest boss {'0' * 64} 2026-11-18\n" + path.read_text())
    assert Callers(path).who(key)
    with pytest.raises(ConfigError, match="line 1: 'boss': roles are viewer, operator"):
        file.all()


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", {"viewer"}),
        ("operator", {"viewer", "operator"}),
        ("auditor", {"viewer", "auditor"}),
        ("admin", {"viewer", "operator", "auditor", "admin"}),
    ],
)
def test_a_role_may_what_it_includes(
    tmp_path: Path, file: CallersFile, role: str, may: set[str]
) -> None:
    key = file.add("one", (role,), NOW_MS)  # type: ignore[arg-type]
    guard = _guard(tmp_path, [0.0])
    refused = {"viewer", "operator", "auditor", "admin"} - may
    for asked in may:
        assert guard.admit(key, asked, "10.0.0.1").name == "one"  # type: ignore[arg-type]
    for asked in refused:
        with pytest.raises(Problem, match=f"needs the role {asked}") as told:
            guard.admit(key, asked, "10.0.0.1")  # type: ignore[arg-type]
        assert told.value.details.status == 403


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path, file: CallersFile) -> None:
    key, other = (file.add(name, ("viewer",), NOW_MS) for name in ("one", "other"))
    clock = [0.0]
    guard = _guard(tmp_path, clock)
    for _ in range(5):
        guard.admit(key, "viewer", "10.0.0.1")
    with pytest.raises(Problem) as told:
        guard.admit(key, "viewer", "10.0.0.1")
    assert (told.value.details.status, told.value.headers) == (429, {"Retry-After": "1"})
    guard.admit(other, "viewer", "10.0.0.1")
    clock[0] = 0.5
    guard.admit(key, "viewer", "10.0.0.1")


def test_guessing_keys_gets_slow(tmp_path: Path, file: CallersFile) -> None:
    key = file.add("one", ("viewer",), NOW_MS)
    guard = _guard(tmp_path, [0.0])
    statuses = []
    for guess in range(6):
        with pytest.raises(Problem) as told:
            guard.admit(f"guess-{guess}", "viewer", "10.0.0.66")
        statuses.append(told.value.details.status)
    assert statuses == [401, 401, 401, 429, 429, 429]
    assert guard.admit(key, "viewer", "10.0.0.66").name == "one"


def _guard(tmp_path: Path, clock: list[float]) -> Guard:
    requests = Limits(2.0, 5, lambda: clock[0])
    return Guard(Callers(tmp_path / "api.keys"), requests, Limits(1.0, 3, lambda: clock[0]))
