"""Walks a site's journal and says where the first broken link is.

Of every record the chain; of every segment its gateway's signature and its place in the stream; of
every tree head the ingestor's signature, and that it stands for the very records before it; of every
time stamp and cosignature that it is of such a head. A key counts as the journal knew it at that point.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from ingestor import attested
from ingestor.keys import Keys
from ingestor.standing import Standing
from ingestor.streams import RefusedSegment, Stream
from wire.errors import BadData, ConfigError
from wire.journal import Reader, Record, Unreadable, cosigned, heads
from wire.journal.record import check_link
from wire.segment import Header, read_header
from wire.segment.gap import read_gap

_TELL_EVERY = 1000


@dataclass(frozen=True)
class Found:
    """`problem` is empty where all is good; else record `last + 1` is the first that is not."""

    site: str
    first: int
    last: int
    segments: int
    heads: int
    chain: str
    problem: str = ""


def verify(
    journal: Reader, site: str, first: int = 1, tell: Callable[[int], None] = lambda _: None
) -> Found:
    """Walk `site` from record `first`; what lies before is taken on trust.

    `tell` hears how far it is, now and then. Raises ConfigError where there is no such record, and
    TransientError where the disk fails.
    """
    walk = _Walk(journal, site, first)
    standing, problem = walk.standing, ""
    try:
        for record in journal.walk(site, first - 1):
            walk.check(record)
            if record.offset % _TELL_EVERY == 0:
                tell(record.offset)
    except (BadData, Unreadable) as exc:
        problem = str(exc)
    return Found(
        site, first, standing.offset, standing.segments, walk.heads, standing.chain, problem
    )


class _Walk:
    """What is known at one record of the way."""

    def __init__(self, journal: Reader, site: str, first: int) -> None:
        self._journal = journal
        self._is_whole = first == 1
        self._keys = Keys()
        self._closed: dict[int, Record] = {}  # heads by size
        self.standing = Standing(site) if first == 1 else self._begun(site, first - 1)
        self.heads = 0

    def check(self, record: Record) -> None:
        """Take in the next record. Raises BadData where it does not hold."""
        standing = self.standing
        check_link(record, standing.offset, standing.chain)
        try:
            self._check_content(record)
            standing.absorb(record)
        except (BadData, msgspec.DecodeError, ValueError) as exc:
            raise BadData(f"{record.site}: record {record.offset}: {exc}") from exc

    def _check_content(self, record: Record) -> None:
        if record.kind == "segment":
            self._segment(record)
        elif record.kind == "gap":
            self._gap(record)
        elif record.kind == "key":
            self._keys.add([record])
        elif record.kind == heads.KIND:
            self._head(record)
        elif record.kind in (attested.STAMP, cosigned.KIND):
            attested.check_record(record, self._closed)

    def _segment(self, record: Record) -> None:
        header = self._signed(record)
        if record.key != f"{header.gateway}/{header.stream}/{header.seq}":
            raise BadData(f"its key is {record.key}")
        before = self._before(header, header.seq)
        if (lost := before.lost_at(header.seq)) is not None:
            if (header.seq, record.hash) != (lost.last, lost.head):
                raise BadData("it is not the segment that was lost")
        elif header.seq <= before.upto:
            self._once_refused(record)
        elif (header.seq, header.prev) != (before.upto + 1, before.head):
            raise BadData("it does not continue its stream")

    def _gap(self, record: Record) -> None:
        header, gap = self._signed(record), read_gap(record.data)
        first = int(record.key.rpartition("/")[2])
        before = self._before(header, first)
        if record.key != f"{header.gateway}/{header.stream}/{before.upto + 1}":
            raise BadData(f"its key is {record.key}")
        if not header.seq <= first <= gap.last:
            raise BadData(f"it is the word of a gap from {header.seq} to {gap.last}")

    def _signed(self, record: Record) -> Header:
        """Its header, signed by a gateway of this site."""
        header, signature, signed = read_header(record.data)
        if header.site != record.site:
            raise BadData(f"it is a segment of {header.site}")
        self._keys.check(header, signature, signed)
        return header

    def _before(self, header: Header, seq: int) -> Stream:
        """Its stream so far; where the walk begins, each stream is taken as it is found."""
        name = f"{header.gateway}/{header.stream}"
        if not self._is_whole and name not in self.standing.streams:
            place = (header.site, header.gateway, header.stream, seq - 1, header.prev)
            self.standing.streams[name] = Stream(*place)
        return self.standing.stream(header.gateway, header.stream)

    def _once_refused(self, record: Record) -> None:
        """Out of its turn stands only what was refused first, byte for byte."""
        refused = self._journal.find(record.site, "correction", record.key)
        if refused is None or refused.offset > record.offset:
            raise BadData("it stands twice in its stream")
        if msgspec.json.decode(refused.data, type=RefusedSegment).hash != record.hash:
            raise BadData("it is not the segment refused before")

    def _head(self, record: Record) -> None:
        head = heads.read_head(record)
        self._keys.check_head(head)
        standing = self.standing
        peaks = tuple(peak.hex() for peak in standing.peaks)
        here = (standing.site, standing.offset, standing.chain, peaks)
        if (head.site, head.size, head.chain, head.peaks) != here:
            raise BadData("the tree head does not stand for the records before it")
        self._closed[head.size] = record
        self.heads += 1

    def _begun(self, site: str, offset: int) -> Standing:
        """The standing at a record in the middle; its streams are not known."""
        last = self._journal.outline(site, offset)
        if last is None:
            raise ConfigError(f"--from: the journal of {site} has no record {offset}")
        keys = [r for r in self._journal.of_kind(site, "key") if r.offset <= offset]
        self._keys.add(keys)
        signed = [r for r in self._journal.of_kind(site, heads.KIND) if r.offset <= offset]
        self._closed = {heads.read_head(record).size: record for record in signed}
        head = heads.read_head(signed[-1]) if signed else None
        size = head.size if head else 0
        tree = heads.tree_after(head, list(self._journal.leaves(site, size, offset)))
        return Standing(site, offset, last.chain, peaks=tuple(tree.peaks(offset)))
