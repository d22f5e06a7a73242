"""Cold files: the data of a month's segments, out of the way of what is new.

Only data moves. Offset, key, hash and chain value of every record stay in the journal, so nothing a
chain or a tree is made of depends on a cold file, and what comes out of one is checked against the
record's own hash. A cold file is a SQLite file that is never written again: frames of some records'
data, compressed together, because the segments of one gateway begin alike.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from wire.errors import BadData, TransientError

SCHEMA = """
CREATE TABLE IF NOT EXISTS cold (
    site TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, path TEXT NOT NULL,
    sha256 TEXT NOT NULL, PRIMARY KEY (site, first)
) WITHOUT ROWID;
"""
NOTHING = hashlib.sha256(b"").hexdigest()
_FRAME_BYTES = 512 * 1024
_MOST_FRAME = 64 * 1024 * 1024
Frame = dict[int, bytes]  # by offset


class Unreadable(TransientError):
    """A record that is not to be had now. `offset`: the first of them; 0 where that is not known."""

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.offset = offset


class ColdFile:
    """One cold file, read by offset; the last frame is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._frame: Frame = {}
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )

    def data(self, offset: int) -> bytes:
        """A record's data. Raises BadData where the file cannot give it."""
        if offset not in self._frame:
            self._frame = self._read(offset)
        if offset not in self._frame:
            raise BadData("it does not hold this record")
        return self._frame[offset]

    def close(self) -> None:
        self._db.close()

    def _read(self, offset: int) -> Frame:
        query = "SELECT data FROM frame WHERE first <= ? ORDER BY first DESC LIMIT 1"
        try:
            packed = self._db.execute(query, (offset,)).fetchone()
            unzip = zlib.decompressobj()
            plain = unzip.decompress(packed[0] if packed else b"", _MOST_FRAME)
            return msgspec.msgpack.decode(plain, type=Frame) if packed else {}
        except (sqlite3.Error, zlib.error, msgspec.DecodeError) as exc:
            raise BadData(f"it was altered: {exc}") from exc


class Cold:
    """All cold files a journal names."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._open: dict[str, ColdFile] = {}

    def data(self, site: str, offset: int, hash_: str) -> bytes:
        """The data of a record that moved out, proved by its hash. Raises Unreadable, naming the file."""
        query = "SELECT path FROM cold WHERE site = ? AND first <= ? ORDER BY first DESC LIMIT 1"
        (path,) = self._db.execute(query, (site, offset)).fetchone()
        try:
            data = self._file(path).data(offset)
            if hashlib.sha256(data).hexdigest() == hash_:
                return data
            problem = "it was altered: the data is not what the journal has the hash of"
        except (BadData, sqlite3.Error) as exc:
            problem = str(exc) if Path(path).exists() else "it is missing"
            self._forget(path)
        cure = "put the file back as it was, from a backup"
        raise Unreadable(
            f"{site}: record {offset} is in cold file {path}: {problem}; {cure}", offset
        )

    def close(self) -> None:
        for path in list(self._open):
            self._forget(path)

    def _file(self, path: str) -> ColdFile:
        if path not in self._open:
            self._open[path] = ColdFile(Path(path))
        return self._open[path]

    def _forget(self, path: str) -> None:
        if path in self._open:
            self._open.pop(path).close()


def write_file(path: Path, records: Iterable[tuple[int, bytes]]) -> None:
    """A new cold file of (offset, data); whole only when this returns, and not yet on disk."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # What is torn by a kill is begun anew: no second file to look after.
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("CREATE TABLE frame (first INTEGER PRIMARY KEY, data BLOB NOT NULL)")
        db.execute("BEGIN")
        for frame in _frames(records):
            packed = zlib.compress(msgspec.msgpack.encode(frame), 6)
            db.execute("INSERT INTO frame VALUES (?,?)", (min(frame), packed))
        db.execute("COMMIT")


def _frames(records: Iterable[tuple[int, bytes]]) -> Iterator[Frame]:
    frame: Frame = {}
    size = 0
    for offset, data in records:
        frame[offset] = data
        size += len(data)
        if size >= _FRAME_BYTES:
            yield frame
            frame, size = {}, 0
    if frame:
        yield frame
