"""Who may call an API: a file of names, roles and hashed keys, read again whenever it changes.

Ingestor and calculator may be given the same file. A line is
`name role[,role…] sha256-of-the-key day`; `#` begins a comment. The key itself is 256 random bits,
shown once and kept nowhere, so its plain SHA-256 gives nothing away.
"""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from wire.errors import ConfigError
from wire.files import keep
from wire.topics import is_meter

log = logging.getLogger(__name__)

Role = Literal["viewer", "operator", "auditor", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
# What else a role may do.
_ALSO: dict[Role, tuple[Role, ...]] = {
    "viewer": (),
    "operator": ("viewer",),
    "auditor": ("viewer",),
    "admin": ("viewer", "operator", "auditor"),
}
_HEAD = "# name role[,role...] sha256-of-the-key day; made by `ingestor apikey`\n"


@dataclass(frozen=True)
class Caller:
    """One who has a key; `roles` as they were given."""

    name: str
    roles: tuple[Role, ...]
    sha256: str
    day: str

    def may(self, role: Role) -> bool:
        """Whether one of its roles is, or includes, `role`."""
        return any(role == own or role in _ALSO[own] for own in self.roles)

    def __str__(self) -> str:
        return f"{self.name} {','.join(self.roles)} {self.sha256} {self.day}"


class CallersFile:
    """The file as a program changes it. Everything raises ConfigError."""

    def __init__(self, path: Path, random_text: Callable[[], str]) -> None:
        self._path = path
        self._random_text = random_text

    def all(self) -> list[Caller]:
        """Everybody in it, in order; none where there is no file."""
        if not self._path.exists():
            return []
        try:
            lines = _lines(self._path)
        except OSError as exc:
            raise ConfigError(f"{self._path}: cannot be read: {exc.strerror}") from exc
        found = [_parse(self._path, number, line) for number, line in lines]
        names = [caller.name for caller in found]
        for name in {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"{self._path}: two keys are called {name!r}; remove one line")
        return found

    def add(self, name: str, roles: tuple[Role, ...], now_ms: int) -> str:
        """A new key for a new caller; the key, which nobody can tell a second time."""
        known = self.all()
        if any(caller.name == name for caller in known):
            raise ConfigError(
                f"{self._path}: there is a key for {name!r}; use `rotate`, or revoke it"
            )
        if not is_meter(name):
            raise ConfigError(f"{name!r}: a name is letters, digits, . _ and -")
        key, caller = self._made(name, roles, now_ms)
        self._write([*known, caller])
        return key

    def rotate(self, name: str, now_ms: int) -> str:
        """Another key for a known caller; the old one ends with it."""
        old = self._known(name)
        key, new = self._made(name, old.roles, now_ms)
        self._write([new if caller == old else caller for caller in self.all()])
        return key

    def revoke(self, name: str) -> None:
        """End a caller's access."""
        gone = self._known(name)
        self._write([caller for caller in self.all() if caller != gone])

    def _known(self, name: str) -> Caller:
        for caller in self.all():
            if caller.name == name:
                return caller
        raise ConfigError(f"{self._path}: there is no key for {name!r}; see `apikey list`")

    def _made(self, name: str, roles: tuple[Role, ...], now_ms: int) -> tuple[str, Caller]:
        key = self._random_text()
        day = datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()
        return key, Caller(name, roles, digest(key), day)

    def _write(self, callers: list[Caller]) -> None:
        try:
            keep(self._path, (_HEAD + "".join(f"{caller}\n" for caller in callers)).encode())
        except OSError as exc:
            raise ConfigError(f"{self._path}: cannot be written: {exc.strerror}") from exc


class Callers:
    """Who has which key now. A revoked key ends with the next request, without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._by_hash: dict[str, Caller] = {}

    def who(self, key: str) -> Caller | None:
        """Whose key it is. Keys are looked up by their hash: its timing tells nothing of the key."""
        self._look()
        return self._by_hash.get(digest(key))

    def named(self, name: str) -> Caller | None:
        """Who has this name, with the key of now."""
        self._look()
        return next((c for c in self._by_hash.values() if c.name == name), None)

    def _look(self) -> None:
        try:
            stat = self._path.stat()
            seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if seen == self._seen:
                return
            self._by_hash = self._read()
            self._seen = seen
        except OSError as exc:
            if self._seen is not None or self._by_hash:
                log.error("%s: cannot be read: %s; nobody has access", self._path, exc.strerror)
            self._seen, self._by_hash = None, {}

    def _read(self) -> dict[str, Caller]:
        found = {}
        for number, line in _lines(self._path):
            try:
                caller = _parse(self._path, number, line)
            except ConfigError as exc:
                log.error("%s; this line gives no access", exc)
            else:
                found[caller.sha256] = caller
        return found


def digest(key: str) -> str:
    """What the file keeps of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def parse_roles(text: str) -> tuple[Role, ...]:
    """`operator,auditor`. Raises ValueError."""
    roles = tuple(role for role in ROLES if role in text.split(","))
    if len(roles) != len(text.split(",")):
        raise ValueError(f"{text!r}: roles are {', '.join(ROLES)}, joined by commas")
    return roles


def _lines(path: Path) -> list[tuple[int, str]]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [(n, s) for n, line in enumerate(lines, 1) if (s := line.partition("#")[0].strip())]


def _parse(path: Path, number: int, line: str) -> Caller:
    where = f"{path}: line {number}"
    parts = line.split()
    if len(parts) != 4 or len(parts[2]) != 64 or not is_meter(parts[0]):
        raise ConfigError(
            f"{where}: is not `name roles sha256 day`; make keys with `ingestor apikey`"
        )
    try:
        return Caller(parts[0], parse_roles(parts[1]), parts[2], parts[3])
    except ValueError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
