"""What each site's journal adds up to: streams, event sources, newest documents, counts.

A fold over the journal's records, nothing else; so a kill at any point leaves nothing to repair. A
checkpoint beside the journal, proved by the chain value at its offset, spares reading from record
1 at every start.
"""

import logging
from pathlib import Path

import msgspec

from ingestor.streams import RefusedSegment, Stream
from wire.errors import BadData
from wire.journal import GENESIS, Reader, Record
from wire.journal.heads import leaf_of
from wire.journal.merkle import grown
from wire.messages import ProductionEvent
from wire.segment.gap import read_gap

log = logging.getLogger(__name__)


class Source(msgspec.Struct, frozen=True):
    """One sender of production events: everything up to `upto`, and the ranges beyond a gap."""

    upto: int = 0
    beyond: tuple[tuple[int, int], ...] = ()

    def after(self, n: int) -> "Source":
        """The source once its event `n` is in the journal."""
        if self.has(n):
            return self
        merged: list[tuple[int, int]] = []
        for low, high in sorted((*self.beyond, (n, n))):
            if merged and low == merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], high)
            else:
                merged.append((low, high))
        if merged[0][0] == self.upto + 1:
            return Source(merged[0][1], tuple(merged[1:]))
        return Source(self.upto, tuple(merged))

    def has(self, n: int) -> bool:
        """Whether the journal has its event `n`."""
        return n <= self.upto or any(low <= n <= high for low, high in self.beyond)

    def gaps(self, sent: int = 0) -> list[tuple[int, int]]:
        """Missing ranges, given that numbers up to `sent` are known to exist."""
        gaps, begin = [], self.upto + 1
        for low, high in (*self.beyond, (sent + 1, sent + 1)):
            if low > begin:
                gaps.append((begin, low - 1))
            begin = max(begin, high + 1)
        return gaps


class Renumbered(
    msgspec.Struct, frozen=True, tag_field="type", tag="renumbered", omit_defaults=True
):
    """A known event was told again as another number (a record of kind `correction`)."""

    id: str
    source: str
    n: int
    epoch: str | None = None

    @property
    def key(self) -> str:
        """The journal's key for it."""
        return f"{numbering(self.source, self.epoch)}/{self.n}"


def numbering(source: str, epoch: str | None) -> str:
    """The name of one run of numbers: a source, and each time it counted anew."""
    return source if epoch is None else f"{source}/{epoch}"


class _HeaderPart(msgspec.Struct, frozen=True):
    """All that is read of a segment at start."""

    readings: int
    prev: str


class Standing(msgspec.Struct):
    """One site, up to `offset`.

    `last_ms`: when its last record was appended; `newest_ms`: the latest time of any record;
    `peaks`: of its Merkle tree (`wire/journal/merkle.py`).
    """

    site: str
    offset: int = 0
    chain: str = GENESIS
    newest_ms: int = 0
    last_ms: int = 0
    peaks: tuple[bytes, ...] = ()
    segments: int = 0
    readings: int = 0
    events: int = 0
    streams: dict[str, Stream] = {}
    # by `numbering`
    sources: dict[str, Source] = {}
    latest: dict[str, tuple[int, str]] = {}

    def stream(self, gateway: str, stream: str) -> Stream:
        return self.streams.get(f"{gateway}/{stream}", Stream(self.site, gateway, stream))

    def absorb(self, record: Record) -> None:
        """Add the next record of the journal."""
        match record.kind:
            case "segment":
                gateway, stream, seq = record.key.split("/")
                line = record.data[: record.data.index(b"\n")]
                self.segments += 1
                header = msgspec.json.decode(line, type=_HeaderPart)
                self.readings += header.readings
                its = self.stream(gateway, stream)
                self._advance(its.after(int(seq), record.hash, header.prev))
            case "gap":
                gateway, stream, _ = record.key.split("/")
                self._advance(self.stream(gateway, stream).past(read_gap(record.data)))
            case "correction" if "/" in record.key:  # others are statements of people
                told = msgspec.json.decode(record.data, type=RefusedSegment | Renumbered)
                if isinstance(told, Renumbered):
                    self._count(numbering(told.source, told.epoch), told.n)
                else:
                    stream_ = self.stream(told.gateway, told.stream)
                    self._advance(stream_.after(told.seq, told.hash, "", told.reason))
            case "event":
                event = msgspec.json.decode(record.data, type=ProductionEvent)
                self.events += 1
                if event.source is not None and event.n is not None:
                    self._count(numbering(event.source, event.epoch), event.n)
            case "model" | "factor":
                self.latest[record.kind] = (record.offset, record.hash)
            case _:
                pass  # keys, heads, what others say of them and heartbeats are looked up where used
        self.peaks = grown(self.peaks, self.offset, leaf_of(record))
        self.offset, self.chain, self.last_ms = record.offset, record.chain, record.t_ms
        self.newest_ms = max(self.newest_ms, record.t_ms)

    def _count(self, name: str, n: int) -> None:
        # Last moved, last in order: a source's newest epoch is the last to be receipted again.
        self.sources[name] = self.sources.pop(name, Source()).after(n)

    def _advance(self, stream: Stream) -> None:
        key = f"{stream.gateway}/{stream.stream}"
        # Last moved, last in order: a gateway's newest stream is then the last to be republished.
        self.streams.pop(key, None)
        self.streams[key] = stream


def restore(checkpoint: Path, journal: Reader) -> dict[str, Standing]:
    """Every site's standing as the journal has it now."""
    kept = _read(checkpoint)
    standings = {}
    for site in journal.sites():
        standing = kept.get(site)
        if standing is None or not _proved(standing, journal):
            standing = Standing(site)
        for record in journal.walk(site, standing.offset):
            standing.absorb(record)
        standings[site] = standing
    return standings


def save(checkpoint: Path, standings: dict[str, Standing]) -> None:
    """Keep a checkpoint; a torn one, or none on a full disk, is only a slower start."""
    part = checkpoint.with_name(checkpoint.name + ".part")
    try:
        part.write_bytes(msgspec.json.encode(standings))
        part.rename(checkpoint)
    except OSError as exc:
        log.warning("%s cannot be written: %s; the next start reads more", checkpoint, exc.strerror)


def _read(checkpoint: Path) -> dict[str, Standing]:
    if not checkpoint.exists():
        return {}
    try:
        return msgspec.json.decode(checkpoint.read_bytes(), type=dict[str, Standing])
    except msgspec.DecodeError as exc:
        log.warning("%s: %s; reading the journal from its beginning", checkpoint, exc)
        return {}


def _proved(standing: Standing, journal: Reader) -> bool:
    """Whether the journal has the very record the checkpoint ends with.

    One of an earlier program has no peaks, and is no use.
    """
    record = journal.outline(standing.site, standing.offset)
    is_complete = len(standing.peaks) == standing.offset.bit_count()
    return record is not None and record.chain == standing.chain and is_complete


def check_site(standings: dict[str, Standing], site: str) -> Standing:
    """The site's standing. Raises BadData for a site nobody configured."""
    if site not in standings:
        raise BadData(f"site {site!r} is not configured here")
    return standings[site]
