"""Footprints of others, kept with sorted names: a file each, named by the SHA-256 of its bytes.

A file is never changed; the same document got again is the same file. A list beside them says where
each is from, and when it came.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from calc_stream.pact import validator
from wire import files
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


class Folder:
    """Everything raises ConfigError where the disk or a file is not as it has to be."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = folder / "fetched.jsonl"
        self._known: dict[str, set[str]] = {}
        for origin in self._origins():
            self._known.setdefault(origin.id.lower(), set()).add(origin.sha256)

    def file(self, document: dict[str, Any], url: str, now_ms: int) -> Kept:
        """A good document, on disk when this returns. Raises BadData for one that says something else
        than what came under its id before."""
        data = msgspec.json.encode(document, order="sorted") + b"\n"
        sha256 = hashlib.sha256(data).hexdigest()
        known = self._known.setdefault(document["id"].lower(), set())
        for before in sorted(known - {sha256}):
            path = self._path(before)
            if path.exists() and _without_status(_read(path)) != _without_status(document):
                raise BadData(f"says something else than {path}, which came under the same id")
        path = self._path(sha256)
        origin = Origin(sha256, document["id"], url, now_ms)
        try:
            if not path.exists():
                files.keep(path, data, 0o644)
            with self._list.open("ab") as file:
                file.write(msgspec.json.encode(origin) + b"\n")
        except OSError as exc:
            raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
        known.add(sha256)
        return Kept(path, sha256)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.json"

    def _origins(self) -> list[Origin]:
        try:
            lines = self._list.read_bytes().splitlines() if self._list.exists() else []
        except OSError as exc:
            raise ConfigError(f"{self._list}: cannot be read: {exc.strerror}") from exc
        try:
            return [msgspec.json.decode(line, type=Origin) for line in lines]
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise ConfigError(f"{self._list}: has a line that is none: {exc}; remove it") from exc


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


def _read(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path}: is no document any more: {exc}; remove it") from exc


def _without_status(document: dict[str, Any]) -> dict[str, Any]:
    """The only thing of a document that may change."""
    return {name: value for name, value in document.items() if name != "status"}
