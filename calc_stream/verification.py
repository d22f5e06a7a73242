"""A bundle judged by itself: form, signatures, proofs, completeness, and the figure computed again.

Nothing is asked of anybody: no journal, no server, no clock. The first broken link is named.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from cryptography.x509 import Certificate

from calc_stream.core.series import Span
from calc_stream.core.whole import LIMIT
from calc_stream.evidence.bundle import (
    Bundle,
    Profile,
    UsedFactors,
    kept,
    pretty,
    read_bundle,
    result_name,
    used,
)
from calc_stream.evidence.bundle_file import unpack
from calc_stream.evidence.disclosure import (
    Commitment,
    Committed,
    check_commitment,
    check_committed,
)
from calc_stream.evidence.nearby import far, neighbours, widened
from calc_stream.evidence.passports import passports
from calc_stream.evidence.proof import Shown, Trust, proved
from calc_stream.factors import FactorSet, Method, load_method
from calc_stream.footprints.footprint import Footprint
from calc_stream.ledger.rows import STATED, BatchRow
from calc_stream.redrawn import check_footprint, others
from calc_stream.restated import Ask, Ground, differences, ground, restate
from wire.errors import BadData, ConfigError
from wire.journal import Record
from wire.segment import open_segment
from wire.signing import PublicKey

T = TypeVar("T")

# Of kinds that say something of any time: none of these may be left out of the stretch.
_TOLD = frozenset({"event", "model", "factor", "correction", "reading", "gap", "key"})
_MOST_NAMES = 5


class Verified(msgspec.Struct, frozen=True):
    """A bundle whose every link holds.

    `footprint`: None where it is of one batch; `rows`: of its batches. `root`: the SHA-256 of its
    manifest. `keys`: who signed the tree heads; `is_pinned`: whether whoever
    asked gave these keys, else he has to know them. `gateways`: with which keys each gateway signed what
    is shown, by the journal's word (`edge-agent key` tells a gateway's own). `stamped`: when the last
    head was there, by a time stamp ("": there is none); `is_stamp_trusted`: whether somebody made it
    whom whoever asked trusts. `cosigners`: keys of those who signed the last head, too. `disclosed`:
    the root under which the figure is disclosed field by field. `upto`: the record with which the
    figure was stated. `since`: the day whose tree head the stretch follows, "" when it begins with the
    journal. `remarks`: what it cannot show.
    """

    footprint: Footprint | None
    rows: tuple[BatchRow, ...]
    root: str
    keys: tuple[str, ...]
    is_pinned: bool
    gateways: dict[str, tuple[str, ...]]
    stamped: str
    is_stamp_trusted: bool
    cosigners: tuple[str, ...]
    disclosed: Commitment | None
    upto: int
    since: str
    until: str
    records: int
    segments: int
    left_out: int
    remarks: tuple[str, ...]

    @property
    def row(self) -> BatchRow:
        """Of a batch's bundle."""
        return self.rows[0]


def verify(
    data: bytes,
    keys: Iterable[PublicKey] = (),
    authority: Sequence[Certificate] = (),
    cosigners: Iterable[PublicKey] = (),
) -> Verified:
    """Raises BadData that names the first broken link. See `Trust` for whom one may know."""
    files = unpack(data)
    bundle = read_bundle(files)
    footprint = _footprint(bundle)
    rows = _rows(bundle, footprint)
    _check_profile(bundle, rows)
    shown = proved(bundle, Trust(tuple(keys), authority, tuple(cosigners)))
    upto = asked(rows, footprint).offset
    if upto > bundle.end:
        raise BadData(f"footprint.json: was drawn up at {upto}, after the last head")
    records = _records(shown, upto)
    remarks = dict.fromkeys(_judged(bundle, footprint, rows, shown, records))
    stamp = shown.stamped.get(bundle.end)
    return Verified(
        footprint,
        rows,
        hashlib.sha256(files["manifest.json"]).hexdigest(),
        shown.keys,
        shown.is_pinned,
        _gateways(shown),
        stamp.isoformat() if stamp else "",
        shown.is_stamp_trusted,
        shown.cosigners,
        _disclosed(bundle, footprint or rows[0]),
        upto,
        shown.begin.day if shown.begin else "",
        shown.end.day,
        len(records),
        sum(record.kind == "segment" for record in records),
        len(_left_out(shown, upto)),
        tuple(remarks),
    )


def asked(rows: Sequence[BatchRow], footprint: Footprint | None) -> Ask:
    """What has to be known: a batch as it was stated; of a footprint all batches as they stood when it
    was drawn up, for until then nothing gave them another figure."""
    upto = max(row.offset for row in rows)
    if footprint is not None:
        upto = max(upto, footprint.upto)
    return Ask(tuple(row.batch for row in rows), upto)


def _judged(
    bundle: Bundle,
    footprint: Footprint | None,
    rows: tuple[BatchRow, ...],
    shown: Shown,
    records: Sequence[Record],
) -> Iterator[str]:
    """What cannot be shown. Raises BadData for the first figure that does not follow."""
    method = bundle.profile.method
    its = ground(records, method, asked(rows, footprint))
    yield from _judge_left_out(shown, its)
    _check_tables(bundle, rows, its, records)
    for number, (row, found) in enumerate(zip(rows, restate(its), strict=True), 1):
        _check_row(result_name(number, bundle.footprint), row, found, records)
    if footprint is not None:
        yield from _judge_footprint(footprint, rows, its, method, shown)


def _judge_footprint(
    footprint: Footprint,
    rows: tuple[BatchRow, ...],
    its: Ground,
    method: Method,
    shown: Shown,
) -> Iterator[str]:
    begin, told = shown.begin, footprint.evidence
    for head in (begin, shown.end):
        if head is not None and told.size == head.size and told.root != head.root:
            raise BadData(f"footprint.json: evidence: is not the root of the head of {head.day}")
    if shown.begun is not None and shown.begun[1] > footprint.start_ms:
        said, begun_ms = shown.begun
        raise BadData(
            f"{said} {_instant(begun_ms)}; which batches ended from "
            f"{_instant(footprint.start_ms)} on is not shown"
        )
    try:
        check_footprint(footprint, rows, its, method)
        yield from others(footprint, its, begin is None)
    except BadData as exc:
        raise BadData(f"footprint.json: {exc}") from exc
    if footprint.upstream:
        yield "what was bought, and what came with it, is as people declare it"


def _gateways(shown: Shown) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for header in shown.headers.values():
        found.setdefault(header.gateway, set()).add(header.key)
    return {gateway: tuple(sorted(keys)) for gateway, keys in sorted(found.items())}


def _footprint(bundle: Bundle) -> Footprint | None:
    if bundle.figure is None:
        if bundle.footprint:
            raise BadData("footprint.json: is missing; this is no bundle, or not a whole one")
        return None
    found = _decoded("footprint.json", bundle.figure, Footprint, pretty)
    its = (bundle.site, bundle.footprint, bundle.batch, bundle.revision)
    if (found.site, found.id, "", 0) != its:
        raise BadData("footprint.json: is another figure than the manifest says")
    if len(found.batches) != len(bundle.rows):
        raise BadData(
            f"footprint.json: stands on {len(found.batches)} batches, not as many as shown"
        )
    return found


def _rows(bundle: Bundle, footprint: Footprint | None) -> tuple[BatchRow, ...]:
    if not bundle.rows:
        raise BadData("result.json: is missing; this is no bundle, or not a whole one")
    names = [result_name(number, bundle.footprint) for number in range(1, len(bundle.rows) + 1)]
    rows = tuple(_row(bundle, name, data) for name, data in zip(names, bundle.rows, strict=True))
    wanted = [(bundle.batch, bundle.revision)]
    if footprint is not None:
        wanted = [(used.batch, used.revision) for used in footprint.batches]
    for name, row, its in zip(names, rows, wanted, strict=True):
        if (row.site, row.batch, row.revision) != (bundle.site, *its):
            raise BadData(f"{name}: is another figure than is said")
    return rows


def _row(bundle: Bundle, name: str, data: bytes) -> BatchRow:
    row = _decoded(name, data, BatchRow, kept)
    if not row.settled or not row.spread or row.revision < 1:
        raise BadData(f"{name}: is not settled, so it was never stated for accounting")
    if not bundle.begin <= row.offset <= bundle.end:
        raise BadData(f"{name}: offset {row.offset} is not in the stretch that is shown")
    return row


def _disclosed(bundle: Bundle, figure: Footprint | BatchRow) -> Commitment | None:
    """Whose fields it is the root of is asked; whether its key is the calculator's, nobody here knows."""
    if bundle.disclosed is None:
        return None
    found = _decoded("disclosed.json", bundle.disclosed, Committed, pretty)
    try:
        check_committed(found, figure)
        check_commitment(found.commitment)
    except BadData as exc:
        raise BadData(f"disclosed.json: {exc}") from exc
    its = found.commitment
    id_ = bundle.footprint or f"{bundle.batch}/{bundle.revision}"
    if (its.kind, its.site, its.id) != (
        "footprint" if bundle.footprint else "batch",
        bundle.site,
        id_,
    ):
        raise BadData("disclosed.json: is of another figure")
    return its


def _decoded(name: str, data: bytes, type_: type[T], written: Callable[[T], bytes]) -> T:
    try:
        found = msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"{name}: {exc}") from exc
    if written(found) != data:
        raise BadData(f"{name}: is not written the way a bundle is")
    return found


def _check_profile(bundle: Bundle, rows: Iterable[BatchRow]) -> None:
    """Raises BadData unless it is this program's own."""
    for number, row in enumerate(rows, 1):
        try:
            method = load_method(row.method)
        except ConfigError as exc:
            raise BadData(f"{result_name(number, bundle.footprint)}: {exc}") from exc
        if Profile(method, method.gwp_set) != bundle.profile:
            raise BadData(f"method.json: is not the profile {row.method} as this program knows it")


def _records(shown: Shown, upto: int) -> list[Record]:
    """What the figures follow from. Raises BadData when something is missing in any case."""
    begin = shown.begin.size if shown.begin else 0
    found = []
    for record in shown.records:
        if record.offset > upto:
            break
        if record.offset not in shown.hidden:
            found.append(record)
        elif record.offset <= begin or record.kind in _TOLD:
            raise BadData(f"records/{record.offset}.{record.kind}: {record.key}: is left out")
    return found


def _left_out(shown: Shown, upto: int) -> list[Record]:
    """Segments; of other kinds only tree heads may be, and what is said of these."""
    before = (record for record in shown.records if record.offset <= upto)
    return [r for r in before if r.offset in shown.hidden and r.kind == "segment"]


def _judge_left_out(shown: Shown, its: Ground) -> Iterator[str]:
    """Raises BadData for a segment that may hold what the figure needs; what cannot be known."""
    said, begun_ms = shown.begun or ("", -LIMIT)
    times = list(_times(shown, its.offset))
    doubtful: dict[str, None] = {}
    for span in its.spans:
        near = neighbours(span, its.basis.versions, its.told.readings)
        needed = widened(span, near.values())
        if begun_ms > needed[0]:
            raise BadData(
                f"{said} {_instant(begun_ms)}; "
                f"the figure needs all that came from {_instant(needed[0])} on"
            )
        for record, told in times:
            if _meet(told, needed):
                raise BadData(
                    f"records/{record.offset}.segment: {record.key}: is left out, "
                    "and holds readings of the time the figure needs"
                )
        for meter, gap in far(span, near):
            if gap[0] < begun_ms or any(_meet(told, gap) for _, told in times):
                doubtful[meter] = None
    if said:
        yield (
            f"what the journal got before {_instant(begun_ms)} is proved to be in it; that "
            "nothing else was there is not shown"
        )
    if doubtful:
        names = ", ".join(list(doubtful)[:_MOST_NAMES])
        more = f" and {len(doubtful) - _MOST_NAMES} more" if len(doubtful) > _MOST_NAMES else ""
        yield (
            f"of {names}{more} no reading near both ends of the batch's time is shown: what is left "
            "out might hold nearer ones"
        )


def _times(shown: Shown, upto: int) -> Iterator[tuple[Record, Span]]:
    """Of each segment that is left out, as its gateway signed it."""
    for record in _left_out(shown, upto):
        header = shown.headers.get(record.offset)
        if header is None:
            raise BadData(f"journal.jsonl: record {record.offset}: has no header")
        yield record, (header.t_first_ms, header.t_last_ms)


def _meet(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _check_tables(
    bundle: Bundle, rows: Iterable[BatchRow], its: Ground, records: Sequence[Record]
) -> None:
    segments = (open_segment(record.data) for record in records if record.kind == "segment")
    events = [event for segment in segments for event in segment.events]
    if bundle.passports != passports(its.basis.versions, events):
        raise BadData("meters.json: is not what model and meters say")
    if bundle.factors != used_by(rows, its.basis.factors):
        raise BadData("factors.json: is not what the factor set in force says")


def used_by(rows: Iterable[BatchRow], factors: FactorSet | None) -> UsedFactors:
    """What of a set rows were counted with."""
    rows = tuple(rows)
    named = frozenset(name for row in rows for name in row.factors)
    return used(factors, named, frozenset(source for row in rows for source in row.by_source))


def _check_row(name: str, row: BatchRow, found: BatchRow, records: Sequence[Record]) -> None:
    """Raises BadData naming the first figure that is another one."""
    for difference in differences(row, found, STATED):
        raise BadData(f"{name}: {difference}")
    for key, kind in (("model", "model"), ("factor_set", "factor")):
        hash_: str | None = getattr(row, key)
        if hash_ is not None and all((r.kind, r.hash) != (kind, hash_) for r in records):
            raise BadData(f"{name}: {key}: no {kind} record shown has this hash")


def _instant(t_ms: int) -> str:
    try:
        return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):  # a stranger's number
        return f"{t_ms} ms"
