"""Makes the bundle of a settled figure from the journal: the least from which it follows.

What is chosen is tried at once, by `verify`. Where the figure does not come out of it (an old register
was exchanged in a way that needs readings left out, say), everything up to its offset goes in.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import takewhile

from calc_stream.core.whole import LIMIT
from calc_stream.evidence.bundle import Bundle, Earlier, Outline, Profile, pretty, used
from calc_stream.evidence.bundle_file import pack
from calc_stream.evidence.passports import passports
from calc_stream.factors import load_method
from calc_stream.ledger.rows import BatchRow
from calc_stream.restated import Ground, ground
from calc_stream.survey import Survey
from calc_stream.verification import verify
from wire.errors import BadData, ConfigError, TransientError
from wire.journal import Reader, Record, heads, merkle
from wire.journal.heads import TreeHead
from wire.segment import open_segment

_TOLD = ("model", "factor", "correction", "reading", "event")


class NotYet(TransientError):
    """Nothing signed stands for the figure's records so far."""


def make(reader: Reader, site: str, row: BatchRow, whole: bool = False) -> bytes:
    """The bundle's bytes; `whole`: the stretch begins with the journal's first record.

    Raises ConfigError for a row that is no settled one or another journal's, and NotYet
    while no tree head stands for its records.
    """
    if not row.settled or not row.revision:
        raise ConfigError(
            f"bundle: batch {row.batch} is {row.state}: only settled figures have one"
        )
    making = _Making(reader, site, row)
    try:
        data = making.bundle(whole)
        verify(data)
    except BadData:
        data = making.bundle(whole=True, everything=True)
        try:
            verify(data)
        except BadData as exc:
            raise ConfigError(
                f"bundle: batch {row.batch}: this journal does not give the ledger's figure: {exc}"
            ) from exc
    return data


class _Making:
    """What is known of the journal up to the row's offset."""

    def __init__(self, reader: Reader, site: str, row: BatchRow) -> None:
        self._reader, self._site, self._row = reader, site, row
        self._heads = [heads.read_head(record) for record in reader.of_kind(site, heads.KIND)]
        end = next((head for head in self._heads if head.size >= row.offset), None)
        if end is None:
            raise NotYet(
                f"bundle: record {row.offset}, with which the figure was stated, stands under no "
                "tree head yet: one is signed when its UTC day is over"
            )
        self._end = end
        self._told = [
            record
            for kind in _TOLD
            for record in reader.of_kind(site, kind)
            if record.offset <= row.offset
        ]
        self._told.sort(key=lambda record: record.offset)
        self._method = load_method(row.method)
        self._ground = ground(self._told, self._method, row.batch)
        self._survey = Survey(self._ground, self._told)
        for record in takewhile(lambda record: record.offset <= row.offset, reader.walk(site)):
            if record.kind == "segment":
                self._survey.take(record)

    def bundle(self, whole: bool, everything: bool = False) -> bytes:
        survey, row = self._survey, self._row
        chosen = survey.everything() if everything else survey.chosen()
        begin = None if whole else self._begin(survey.since_ms())
        size = begin.size if begin else 0
        earlier = sorted(self._earlier(size, chosen), key=lambda record: record.offset)
        data = {record.offset: record.data for record in earlier}
        stretch: list[Outline] = []
        for record in self._reader.walk(self._site, size):
            if record.offset > self._end.size:
                break
            stretch.append(_outline(record, record.offset in chosen, row.offset))
            if _is_shown(record, chosen, row.offset):
                data[record.offset] = record.data
        proofs = tuple(self._proofs(earlier))
        sizes = {self._end.size, size, *(proof.head for proof in proofs)}
        events = [event for offset in sorted(chosen) for event in open_segment(data[offset]).events]
        its = self._ground.basis
        files = Bundle(
            *(self._site, row.batch, row.revision, size, self._end.size, pretty(row)),
            Profile(self._method, self._method.gwp_set),
            passports(its.versions, events),
            used(its.factors, row.factors),
            {head.size: head for head in self._heads if head.size in sizes},
            tuple(stretch),
            proofs,
            data,
        ).files()
        return pack(files)

    def _begin(self, since_ms: int) -> TreeHead | None:
        """The newest head that was signed before anything needed could come."""
        early = [
            head
            for head in self._heads
            if head.time_ms <= since_ms and head.size < min(self._row.offset, self._end.size)
        ]
        return early[-1] if early else None

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
        """The set in force, and the one the row names."""
        in_force = self._ground.basis.factor_hash
        last: dict[str, Record] = {record.hash: record for record in records}
        for hash_ in {in_force: None, self._row.factor_set: None}:
            if hash_ in last:
                yield last[hash_]

    def _proofs(self, records: Iterable[Record]) -> Iterator[Earlier]:
        """Each under the first head after it."""
        sizes = [head.size for head in self._heads]
        trees: dict[int, merkle.Tree] = {}
        for record in records:
            at = bisect_left(sizes, record.offset)
            head, before = self._heads[at], self._heads[at - 1] if at else None
            if head.size not in trees:
                since = before.size if before else 0
                leaves = list(self._reader.leaves(self._site, since, head.size))
                trees[head.size] = heads.tree_after(before, leaves)
            path = trees[head.size].inclusion(record.offset - 1, head.size)
            place = (record.offset, record.kind, record.key, record.hash, record.prev, record.t_ms)
            yield Earlier(*place, head.size, tuple(each.hex() for each in path))


def _is_shown(record: Record, chosen: Iterable[int], upto: int) -> bool:
    if record.kind == "segment":
        return record.offset in chosen
    return record.kind == "key" or (record.kind != heads.KIND and record.offset <= upto)


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
    family = set(made.made_of(its.batch))
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
