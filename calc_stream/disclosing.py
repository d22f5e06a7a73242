"""Discloses figures to others, and keeps in the calculator's state who got what when.

Roots and documents are signed with the key of footprints. Beside the ledger stands `disclosure.salts`,
from which every field's salt follows: so a figure has one root, whenever and to whomever it is
disclosed. Without that file no more can be disclosed under the roots there are.
"""

import base64
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from calc_stream.evidence.bundle import pretty
from calc_stream.evidence.disclosure import SALT_BYTES, Committed, Kind, commit, disclose
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.series import key_of
from calc_stream.ledger.rows import BatchRow
from wire.errors import BadData, ConfigError
from wire.files import keep
from wire.signing import SigningKey

SALTS, LOG = "disclosure.salts", "disclosures.jsonl"
TYPES: dict[Kind, type[msgspec.Struct]] = {"footprint": Footprint, "batch": BatchRow}
_GENESIS = "0" * 64
_MOST_NAME = 200


class Disclosure(msgspec.Struct, frozen=True):
    """That somebody got something. `fields`: how many he sees (0: all, with the readings); `by`: who
    handed it out; `hash`: SHA-256 of the file; `prev`: of the line before in the log."""

    t_ms: int
    kind: Kind
    site: str
    id: str
    level: str
    to: str
    fields: int
    by: str
    root: str
    hash: str
    prev: str = ""


@dataclass(frozen=True)
class Discloser:
    """One state directory's key and salts."""

    key: SigningKey
    salts: bytes

    def committed(self, figure: Footprint | BatchRow) -> Committed:
        """The one root of a figure."""
        kind, site, id_ = named(figure)

        def salted(name: str) -> bytes:
            message = msgspec.json.encode((kind, site, id_, name))
            return hmac.digest(self.salts, message, "sha256")[:SALT_BYTES]

        return commit(kind, site, id_, figure, salted, self.key)

    def document(
        self,
        figure: Footprint | BatchRow,
        shown: Callable[[str], bool],
        level: str,
        to: str,
        t_ms: int,
    ) -> bytes:
        """What somebody gets."""
        return disclose(self.committed(figure), figure, shown, (level, to, t_ms), self.key)


def named(figure: Footprint | BatchRow) -> tuple[Kind, str, str]:
    """(kind, site, id)"""
    if isinstance(figure, Footprint):
        return "footprint", figure.site, figure.id
    return "batch", figure.site, f"{figure.batch}/{figure.revision}"


def open_discloser(state: Path, random_bytes: Callable[[int], bytes]) -> Discloser:
    """Key and salts, made where there are none. Raises ConfigError."""
    key, path = key_of(state), state / SALTS
    try:
        if not path.exists():
            keep(path, base64.b64encode(random_bytes(32)) + b"\n")
        salts = base64.b64decode(path.read_text().strip(), validate=True)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be used: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: is no file of salts (32 bytes in base64)") from exc
    if len(salts) != 32:
        raise ConfigError(f"{path}: is no file of salts (32 bytes in base64)")
    return Discloser(key, salts)


def root_of(state: Path, footprint: Footprint) -> bytes | None:
    """What a bundle says of the root of a footprint; None where nothing was disclosed so far."""
    if not (state / SALTS).exists():
        return None
    return pretty(open_discloser(state, secrets.token_bytes).committed(footprint))


class Log:
    """`disclosures.jsonl`: a line for each, with the hash of the line before; only added to."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self._path = state / LOG

    def add(self, told: Disclosure) -> None:
        """On disk when this returns. Raises ConfigError."""
        if not 0 < len(told.to) <= _MOST_NAME or not told.to.isprintable():
            raise ConfigError(f"--to: is 1 to {_MOST_NAME} printable characters: who gets it")
        try:
            with self._path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                last, whole = _GENESIS, 0
                for line in file:
                    if not line.endswith(
                        b"\n"
                    ):  # the disk was full, or power failed: nobody got it
                        file.truncate(whole)
                        break
                    last, whole = hashlib.sha256(line).hexdigest(), whole + len(line)
                entry = msgspec.structs.replace(told, prev=last)
                file.write(msgspec.json.encode(entry) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            raise ConfigError(f"{self._path}: cannot be written: {exc.strerror}") from exc

    def all(self) -> list[Disclosure]:
        """Every one, the oldest first. Raises BadData where a line was changed, taken out or put in."""
        return list(self._read())

    def _read(self) -> Iterator[Disclosure]:
        if not self._path.exists():
            return
        last = _GENESIS
        for number, line in enumerate(self._path.read_bytes().splitlines(keepends=True), 1):
            try:
                entry = msgspec.json.decode(line, type=Disclosure)
            except (msgspec.DecodeError, UnicodeDecodeError) as exc:
                raise BadData(f"{self._path}: line {number}: {exc}") from exc
            if entry.prev != last:
                raise BadData(f"{self._path}: line {number}: does not follow the line before it")
            last = hashlib.sha256(line).hexdigest()
            yield entry
