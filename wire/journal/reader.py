"""What every reader of the journal can do, wherever the journal is."""

from collections.abc import Iterator
from typing import Protocol

from wire.journal.record import Record


class Reader(Protocol):
    """Reads records by offset; sees every append as soon as it is committed.

    Everything raises TransientError when the disk or the connection fails. Of a damaged journal the
    sound part is given, then Unreadable is raised, naming the record.
    """

    def read(self, site: str, after: int, limit: int = 1000) -> list[Record]:
        """At most `limit` records of `site` with offsets above `after`, in order."""
        ...

    def walk(self, site: str, after: int = 0) -> Iterator[Record]:
        """Every record of `site` above `after`."""
        ...

    def leaves(self, site: str, after: int, upto: int) -> Iterator[bytes]:
        """The leaves (`heads.py`) of the records above `after`, up to `upto`."""
        ...

    def outline(self, site: str, offset: int) -> Record | None:
        """A record without its data."""
        ...

    def head(self, site: str) -> tuple[int, str]:
        """(last offset, its chain value); (0, GENESIS) for a site without records."""
        ...

    def find(self, site: str, kind: str, key: str) -> Record | None:
        """The record with this key, if there is one."""
        ...

    def hash_of(self, site: str, kind: str, key: str) -> str | None:
        """The hash of that record's data."""
        ...

    def of_kind(self, site: str, kind: str) -> list[Record]:
        """Every record of one kind, in order."""
        ...

    def sites(self) -> list[str]:
        """Every site that has a record."""
        ...

    def close(self) -> None: ...
