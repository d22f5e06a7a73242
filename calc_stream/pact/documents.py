"""Footprints of others, kept with sorted names: a file each, named by the SHA-256 of its bytes.

A file is never changed; the same document fetched again is the same file.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from calc_stream.pact import validator
from wire import signing
from wire.errors import BadData, ConfigError


class Kept(msgspec.Struct, frozen=True):
    """Where a document is, and its hash."""

    path: Path
    sha256: str


class Origin(msgspec.Struct, frozen=True):
    """Where a document was got, and when."""

    sha256: str
    id: str
    url: str
    t_ms: int


def keep(folder: Path, document: dict[str, Any]) -> Kept:
    """On disk when this returns. Raises ConfigError."""
    data = msgspec.json.encode(document, order="sorted") + b"\n"
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / f"{sha256}.json"
    try:
        if not path.exists():
            signing.keep(path, data, 0o644)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
    return Kept(path, sha256)


def note(folder: Path, origin: Origin) -> None:
    """A line in the folder's list of what was fetched. Raises ConfigError."""
    path = folder / "fetched.jsonl"
    try:
        with path.open("ab") as file:
            file.write(msgspec.json.encode(origin) + b"\n")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc


def load(path: Path) -> tuple[dict[str, Any], str]:
    """A kept document, judged again, and its hash. Raises BadData, ConfigError for no such file."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    sha256 = hashlib.sha256(data).hexdigest()
    if len(path.stem) == len(sha256) and path.stem != sha256:
        raise BadData("is not what it was when it was fetched: its name is not its hash")
    document = validator.parse(data)
    found = validator.problems(document)
    if found:
        raise BadData("; ".join(map(str, found[:3])))
    return document, sha256
