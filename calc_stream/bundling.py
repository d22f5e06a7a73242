"""Makes the bundle of a settled figure, or of a footprint, from the journal: the least from which it
follows.

What is chosen is tried at once, by `verify`. Where the figure does not come out of it (an old register
was exchanged in a way that needs readings left out, say), everything up to its offset goes in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from calc_stream.core.whole import LIMIT
from calc_stream.evidence.bundle import Bundle, Earlier, Outline, Profile, kept, pretty
from calc_stream.evidence.bundle_file import pack
from calc_stream.evidence.passports import passports
from calc_stream.evidence.stamps import stamped
from calc_stream.factors import Method, load_method
from calc_stream.footprints.footprint import Footprint
from calc_stream.ledger.rows import BatchRow
from calc_stream.ledger.store import Store
from calc_stream.restated import Ground, ground
from calc_stream.statements import Statements
from calc_stream.survey import Survey
from calc_stream.verification import asked, used_by, verify
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Reader, Record, cosigned, heads, merkle
from wire.journal.heads import TreeHead
from wire.segment import open_segment

_TOLD = ("model", "factor", "correction", "reading", "event")
_STAMP = "stamp"
# They say nothing of energy.
_SILENT = frozenset({heads.KIND, _STAMP, cosigned.KIND, "heartbeat"})


class NotYet(TransientError):
    """Nothing signed stands for the figure's records so far."""


@dataclass(frozen=True)
class Figure:
    """What is proved: a batch's row, or a footprint with the rows of its batches, in its order.

    `disclosed`: the root under which the footprint's fields are disclosed one by one, if there is one.
    """

    rows: tuple[BatchRow, ...]
    footprint: Footprint | None = None
    disclosed: bytes | None = None

    def __str__(self) -> str:
        if self.footprint is not None:
            return f"footprint {self.footprint.id}"
        return f"batch {self.rows[0].batch}"


def figure_of(store: Store, footprint: Footprint) -> Figure:
    """With the revisions it stands on. Raises ConfigError."""
    rows = []
    for its in footprint.batches:
        revisions = store.revisions(footprint.site, its.batch)
        row = next((each for each in revisions if each.revision == its.revision), None)
        if row is None:
            which = f"revision {its.revision} of batch {its.batch!r}"
            raise ConfigError(f"bundle: the ledger has no {which}, on which {footprint.id} stands")
        rows.append(row)
    return Figure(tuple(rows), footprint)


def make(reader: Reader, site: str, figure: BatchRow | Figure, whole: bool = False) -> bytes:
    """The bundle's bytes; `whole`: the stretch begins with the journal's first record.

    Raises ConfigError for rows that are no settled ones or another journal's, and NotYet
    while no tree head stands for their records.
    """
    its = Figure((figure,)) if isinstance(figure, BatchRow) else figure
    for row in its.rows:
        if not row.settled or not row.revision:
            raise ConfigError(
                f"bundle: batch {row.batch} is {row.state}: only settled figures have one"
            )
    making = _Making(reader, site, its)
    try:
        data = making.bundle(whole)
        verify(data)
    except BadData:
        data = making.bundle(whole=True, everything=True)
        try:
            verify(data)
        except BadData as exc:
            raise ConfigError(
                f"bundle: {its}: this journal does not give the ledger's figure: {exc}"
            ) from exc
    return data


class _Making:
    """What is known of the journal up to the figure's offset."""

    def __init__(self, reader: Reader, site: str, figure: Figure) -> None:
        self._reader, self._site, self._figure = reader, site, figure
        ask = asked(figure.rows, figure.footprint)
        self._upto = ask.offset
        self._heads = [heads.read_head(record) for record in reader.of_kind(site, heads.KIND)]
        stamps = reader.of_kind(site, _STAMP)
        self._stamps = {int(record.key): record.data for record in stamps}  # by the head's size
        end = next((head for head in self._heads if head.size >= self._upto), None)
        if end is None:
            raise NotYet(
                f"bundle: record {self._upto}, with which the figure was stated, stands under no "
                "tree head yet: one is signed when its UTC day is over"
            )
        self._end = end
        told = [record for kind in _TOLD for record in reader.of_kind(site, kind)]
        told = [record for record in told if record.offset <= self._upto]
        self._told = sorted(told, key=lambda record: record.offset)
        self._method: Method = load_method(figure.rows[0].method)
        self._ground = ground(self._told, self._method, ask)
        corrections = [record for record in self._told if record.kind == "correction"]
        units = self._ground.told.units
        self._survey = Survey(self._ground.spans, units, Statements(corrections))
        for record in takewhile(lambda record: record.offset <= self._upto, reader.walk(site)):
            if record.kind == "segment":
                self._survey.take(record)

    def bundle(self, whole: bool, everything: bool = False) -> bytes:
        chosen = self._survey.everything() if everything else self._survey.chosen()
        begin = None if whole else self._begin()
        size = begin.size if begin else 0
        earlier = sorted(self._earlier(size, chosen), key=lambda record: record.offset)
        data = {record.offset: record.data for record in earlier}
        stretch: list[Outline] = []
        for record in self._reader.walk(self._site, size):
            if record.offset > self._end.size:
                break
            stretch.append(_outline(record, record.offset in chosen, self._upto))
            if _is_shown(record, chosen, self._upto):
                data[record.offset] = record.data
        events = [event for offset in sorted(chosen) for event in open_segment(data[offset]).events]
        basis, figure = self._ground.basis, self._figure
        shown = {head.size: head for head in self._heads if head.size in (size, self._end.size)}
        files = Bundle(
            *(self._site, *self._names(), size, self._end.size),
            pretty(figure.footprint) if figure.footprint else None,
            figure.disclosed,
            tuple(map(kept, figure.rows)),
            Profile(self._method, self._method.gwp_set),
            passports(basis.versions, events),
            used_by(figure.rows, basis.factors),
            shown,
            {size: stamp for size, stamp in self._stamps.items() if size in shown},
            tuple(self._cosignatures(shown)),
            tuple(stretch),
            tuple(self._proofs(begin, earlier)),
            data,
        ).files()
        return pack(files)

    def _names(self) -> tuple[str, str, int]:
        """(footprint, batch, revision)"""
        if self._figure.footprint is not None:
            return self._figure.footprint.id, "", 0
        (row,) = self._figure.rows
        return "", row.batch, row.revision

    def _begin(self) -> TreeHead | None:
        """The newest head that was there before anything needed could come, or be told: as a time
        stamp says, and where no head was stamped so early, as the ingestor says."""
        since_ms = self._survey.since_ms()
        if self._figure.footprint is not None:
            since_ms = min(since_ms, self._figure.footprint.start_ms)
        first = min(row.offset for row in self._figure.rows)
        before = [head for head in self._heads if head.size < min(first, self._end.size)]
        early = [head for head in reversed(before) if head.time_ms <= since_ms]
        proved = (head for head in early if self._is_stamped_by(head, since_ms))
        return next(proved, early[0] if early else None)

    def _is_stamped_by(self, head: TreeHead, t_ms: int) -> bool:
        stamp = self._stamps.get(head.size)
        return stamp is not None and stamped(stamp, head).timestamp() * 1000 <= t_ms

    def _earlier(self, size: int, chosen: Iterable[int]) -> Iterator[Record]:
        """What the figure needs of the records up to `size`."""
        told = [record for record in self._told if record.offset <= size]
        keys = self._reader.of_kind(self._site, "key")
        yield from (record for record in keys if record.offset <= size)
        yield from (record for record in told if record.kind not in ("event", "factor"))
        yield from self._factors(record for record in told if record.kind == "factor")
        needed = _needed_events(self._ground)
        yield from (record for record in told if record.key in needed and record.kind == "event")
        for offset in chosen:
            if offset <= size:
                yield from self._reader.read(self._site, offset - 1, 1)

    def _factors(self, records: Iterable[Record]) -> Iterator[Record]:
        """The set in force, and those the rows name."""
        wanted = [self._ground.basis.factor_hash, *(row.factor_set for row in self._figure.rows)]
        last: dict[str, Record] = {record.hash: record for record in records}
        for hash_ in dict.fromkeys(wanted):
            if hash_ in last:
                yield last[hash_]

    def _proofs(self, begin: TreeHead | None, records: Sequence[Record]) -> Iterator[Earlier]:
        """Each under the head where the stretch begins."""
        if begin is None or not records:
            return
        before = [head for head in self._heads if head.size < records[0].offset]
        known = before[-1] if before else None
        leaves = self._reader.leaves(self._site, known.size if known else 0, begin.size)
        tree: merkle.Tree = heads.tree_after(known, list(leaves))
        for record in records:
            path = tree.inclusion(record.offset - 1, begin.size)
            place = (record.offset, record.kind, record.key, record.hash, record.prev, record.t_ms)
            yield Earlier(*place, tuple(each.hex() for each in path))

    def _cosignatures(self, shown: Iterable[int]) -> Iterator[cosigned.Cosignature]:
        sizes = set(shown)
        for record in self._reader.of_kind(self._site, cosigned.KIND):
            told = cosigned.read_cosignature(record.data)
            if told.size in sizes:
                yield told


def _is_shown(record: Record, chosen: Iterable[int], upto: int) -> bool:
    if record.kind == "segment":
        return record.offset in chosen
    return record.kind == "key" or (record.kind not in _SILENT and record.offset <= upto)


def _outline(record: Record, is_chosen: bool, upto: int) -> Outline:
    """With the signed header of a segment that is left out, for it tells the time it is about."""
    place = (record.kind, record.key, record.hash, record.t_ms)
    if record.kind != "segment" or is_chosen or record.offset > upto:
        return Outline(*place)
    header, _, rest = record.data.partition(b"\n")
    return Outline(*place, header.decode(), rest.partition(b"\n")[0].decode())


def _needed_events(its: Ground) -> set[str]:
    """Of what was told before the stretch: what is about batches that count, and what the nodes were
    doing when each time begins."""
    made, spans = its.made, its.spans
    family = {name for batch in its.batches for name in made.made_of(batch)}
    names = family | made.active(spans)
    names |= {
        batch
        for timeline in made.nodes.values()
        for campaign in timeline.campaigns
        if not names.isdisjoint(campaign.batches)
        for batch in campaign.batches
    }
    since_ms = spans[0][0] if spans else LIMIT
    needed: set[str] = set()
    last: dict[tuple[str, str, int], str] = {}
    for event in made.standing:
        is_about = event.batch in names or event.of in family or event.type in ("swap", "lot")
        if is_about or event.t_ms >= since_ms:
            needed.add(event.id)
        if event.cuts:
            for at, (first, _) in enumerate(spans):
                if event.t_ms <= first:
                    last[event.node, event.type, at] = event.id
    needed |= set(last.values())
    return needed
