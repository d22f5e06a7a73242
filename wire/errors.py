"""Errors, named by what the caller does about them.

WattprintError             everything raised on purpose
├─ ConfigError             stop: a person must change a file      exit 2, one line, no traceback
│   └─ ProfileError        the same, in a meter profile
├─ TransientError          retry: the other side may come back    back off, `retry_after_s` if told
└─ BadData                 quarantine: this will never be good    keep it, say why, go on

Anything else is a bug: the process ends and its supervisor starts it again.
"""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
_SQLITE_DISK = frozenset(
    {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM),
    }
)


class WattprintError(Exception):
    """Raised on purpose; never raised itself."""


class ConfigError(WattprintError):
    """A person must change a file. The message is one line: file, key, problem and cure."""


class ProfileError(ConfigError):
    """A meter profile states something impossible."""


class TransientError(WattprintError):
    """The other side did not do its part this time; trying again may help."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BadData(WattprintError):
    """This item will never be good, whoever looks at it."""


def unopened(
    path: Path, what: str, exc: OSError | sqlite3.Error, cure: str = ""
) -> TransientError | ConfigError:
    """What it means that a file of our own does not open: a disk that is full or fails may be well
    later, for anything else a person is needed. `cure`: of a file that is damaged."""
    said = f"{path}: {what} cannot be opened: {exc}"
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    if code in _SQLITE_DISK or getattr(exc, "errno", None) in _DISK:
        return TransientError(said)
    return ConfigError(f"{said}; {cure}" if cure and path.exists() else said)


@contextmanager
def using(
    path: Path, what: str, cure: str, rotted: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """What the disk does to a file of our own, and what rotted in it, is told; `rotted`: what reading
    its contents raises then. Raises TransientError."""
    damaged: tuple[type[Exception], ...] = (sqlite3.DatabaseError, *rotted)
    try:
        yield
    except (sqlite3.OperationalError, OSError) as exc:
        raise TransientError(f"{what} cannot be used: {exc}") from exc
    except damaged as exc:
        raise TransientError(f"{path} is damaged: {exc}; {cure}") from exc
