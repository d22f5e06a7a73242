"""Files of our own: written whole, of the owner of their folder, and what it means when one fails."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wire.errors import ConfigError, TransientError

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
_SQLITE_DISK = frozenset(
    {
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY),
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM),
    }
)


def keep(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a key or certificate, whole or not at all. Raises OSError.

    Under another name first: a kill in between leaves no half key. Root may do this for a service
    that could not read what is root's: a new file is its folder's owner's, another stays whose it
    was.
    """
    if not path.parent.exists():
        make_folder(path.parent)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        if os.geteuid() == 0:
            owner = (path if path.exists() else path.parent).stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def make_file(path: Path) -> None:
    """An empty file where there is none, of its folder's owner (see `keep`). Raises OSError.

    For a database, too: an empty file is one.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        give(path)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """A folder of this mode, whatever the umask; of its parent's owner (see `keep`). Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(mode)
    give(folder)


def give(path: Path) -> None:
    """What root has made, to its folder's owner (see `keep`). Raises OSError."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def open_database(path: Path, page_bytes: int = 4096) -> sqlite3.Connection:
    """A database for one at a time to write, while others read; what was committed is on disk. Made
    where there is none, of its folder's owner; `page_bytes` counts for a new one. For any thread, not
    for two at once. Raises OSError and sqlite3.Error (see `unopened`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    make_file(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute(f"PRAGMA page_size = {page_bytes}")
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


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
