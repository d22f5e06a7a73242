"""The journal: one append-only, hash-chained list of records per site. Everything known stands here.

Only the ingestor appends. Others follow by offset: on the same machine from the SQLite file, from
elsewhere over the ingestor's API. A footprint is a pure function of a prefix of it.
"""

from pathlib import Path

from wire.journal.cold import Unreadable
from wire.journal.reader import Reader
from wire.journal.record import GENESIS, KINDS, Entry, Record, link, verify_chain
from wire.journal.remote import Remote, RemoteReader
from wire.journal.sqlite import SqliteReader, Writer, open_file, open_writer

__all__ = [
    "GENESIS",
    "KINDS",
    "Entry",
    "Reader",
    "Record",
    "Remote",
    "RemoteReader",
    "SqliteReader",
    "Unreadable",
    "Writer",
    "link",
    "open_file",
    "open_reader",
    "open_writer",
    "verify_chain",
]


def open_reader(place: Path | Remote) -> Reader:
    """Open for reading an existing journal, here or elsewhere.

    Raises TransientError where there is none yet, ConfigError for a file that is none.
    """
    return RemoteReader(place) if isinstance(place, Remote) else open_file(place)
