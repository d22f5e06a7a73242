"""What others say of a tree head: a time stamp server when it was there, an auditor that he saw it."""

import hashlib
from typing import Literal

import msgspec
from rfc3161_client import decode_timestamp_response

from ingestor.group import Group, Place
from wire.errors import BadData
from wire.journal import Entry, Reader, Record, cosigned, heads

STAMP: Literal["stamp"] = "stamp"


class Stamp(msgspec.Struct, frozen=True):
    """What a time stamp server answered (DER), for the head of `size` records."""

    size: int
    answer: bytes


class Attested:
    """Adds to a group what was said of heads that the journal has; what it has already stays."""

    def __init__(self, journal: Reader) -> None:
        self._journal = journal

    def stamp(self, group: Group, site: str, data: bytes) -> Place:
        """Raises BadData."""
        told = msgspec.json.decode(data, type=Stamp)
        check_stamp(told.answer, self._head(site, told.size).data)
        return self._placed(group, site, Entry(STAMP, str(told.size), told.answer))

    def cosignature(self, group: Group, site: str, data: bytes) -> Place:
        """Raises BadData."""
        told = cosigned.read_cosignature(data)
        if told.site != site:
            raise BadData(f"cosignature: is of {told.site}, not of {site}")
        try:
            cosigned.check_cosignature(told, heads.read_head(self._head(site, told.size)))
        except BadData as exc:
            raise BadData(f"cosignature: {exc}") from exc
        return self._placed(group, site, Entry(cosigned.KIND, told.key, data))

    def _placed(self, group: Group, site: str, entry: Entry) -> Place:
        place = site, entry.kind, entry.key
        is_new = place not in group.added and self._journal.find(*place) is None
        if is_new:
            group.add(site, entry)
        return *place, is_new

    def _head(self, site: str, size: int) -> Record:
        for record in reversed(self._journal.of_kind(site, heads.KIND)):
            if heads.read_head(record).size == size:
                return record
        raise BadData(f"the journal of {site} has no tree head of {size} records")


def check_stamp(answer: bytes, head: bytes) -> None:
    """Raises BadData for an answer that stamps something else; whose it is, is not asked here."""
    try:
        info = decode_timestamp_response(answer).tst_info
    except ValueError as exc:
        raise BadData(f"not an answer of a time stamp server: {exc}") from exc
    if info.message_imprint.message != hashlib.sha256(head).digest():
        raise BadData("the time stamp is of something else than this tree head")


def check_record(record: Record, closed: dict[int, Record]) -> None:
    """Raises BadData unless a record of either kind is of one of the heads, by size."""
    size = int(record.key.partition("/")[0])
    if size not in closed:
        raise BadData(f"there is no tree head of {size} records before it")
    if record.kind == STAMP:
        check_stamp(record.data, closed[size].data)
        return
    told = cosigned.read_cosignature(record.data)
    cosigned.check_cosignature(told, heads.read_head(closed[size]))
    if record.key != told.key:
        raise BadData(f"its key is {record.key}")
