"""The journal: one append-only, hash-chained list of records per site. Everything known stands here.

Only the ingestor appends. Others follow by offset: on the same machine from the SQLite file, from
elsewhere over the ingestor's API. A footprint is a pure function of a prefix of it.
"""

from wire.journal.cold import Unreadable
from wire.journal.record import GENESIS, KINDS, Entry, Record, link, verify_chain
from wire.journal.sqlite import Reader, Writer, open_reader, open_writer

__all__ = [
    "GENESIS",
    "KINDS",
    "Entry",
    "Reader",
    "Record",
    "Unreadable",
    "Writer",
    "link",
    "open_reader",
    "open_writer",
    "verify_chain",
]
