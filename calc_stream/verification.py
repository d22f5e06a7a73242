"""A bundle judged by itself: form, signatures, proofs, completeness, and the figure computed again.

Nothing is asked of anybody: no journal, no server, no clock. The first broken link is named.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from calc_stream.core.series import Span
from calc_stream.evidence.bundle import Bundle, Profile, pretty, read_bundle, used
from calc_stream.evidence.bundle_file import unpack
from calc_stream.evidence.nearby import far, neighbours, widened
from calc_stream.evidence.passports import passports
from calc_stream.evidence.proof import Shown, proved
from calc_stream.factors import load_method
from calc_stream.ledger.rows import STATED, BatchRow
from calc_stream.restated import Ground, differences, ground, restate
from wire.errors import BadData, ConfigError
from wire.journal import Record
from wire.segment import open_segment
from wire.signing import PublicKey

# Of kinds that say something of any time: none of these may be left out of the stretch.
_TOLD = frozenset({"event", "model", "factor", "correction", "reading", "gap", "key"})
_MOST_NAMES = 5


class Verified(msgspec.Struct, frozen=True):
    """A bundle whose every link holds.

    `root`: the SHA-256 of its manifest. `keys`: who signed the tree heads; `is_pinned`: whether whoever
    asked gave these keys, else he has to know them. `gateways`: with which keys each gateway signed what
    is shown, by the journal's word (`edge-agent key` tells a gateway's own). `since`: the day whose tree head the stretch
    follows, "" when it begins with the journal. `remarks`: what it cannot show.
    """

    row: BatchRow
    root: str
    keys: tuple[str, ...]
    is_pinned: bool
    gateways: dict[str, tuple[str, ...]]
    since: str
    until: str
    records: int
    segments: int
    left_out: int
    remarks: tuple[str, ...]


def verify(data: bytes, pinned: Iterable[PublicKey] = ()) -> Verified:
    """Raises BadData that names the first broken link."""
    files = unpack(data)
    bundle = read_bundle(files)
    row = _row(bundle)
    profile = _profile(bundle, row)
    shown = proved(bundle, pinned)
    records = _records(shown, row)
    its = ground(records, profile.method, row.batch)
    remarks = tuple(_judge_left_out(shown, its, row))
    _check_tables(bundle, row, its, records)
    _check_row(row, restate(its, row.offset), records)
    return Verified(
        row,
        hashlib.sha256(files["manifest.json"]).hexdigest(),
        shown.keys,
        shown.is_pinned,
        _gateways(shown),
        shown.begin.day if shown.begin else "",
        shown.end.day,
        len(records),
        sum(record.kind == "segment" for record in records),
        len(_left_out(shown, row)),
        remarks,
    )


def _gateways(shown: Shown) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for header in shown.headers.values():
        found.setdefault(header.gateway, set()).add(header.key)
    return {gateway: tuple(sorted(keys)) for gateway, keys in sorted(found.items())}


def _row(bundle: Bundle) -> BatchRow:
    try:
        row = msgspec.json.decode(bundle.row, type=BatchRow)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"result.json: {exc}") from exc
    if pretty(row) != bundle.row:
        raise BadData("result.json: is not written the way a bundle is")
    if (row.site, row.batch, row.revision) != (bundle.site, bundle.batch, bundle.revision):
        raise BadData("result.json: is another figure than the manifest says")
    if not row.settled or not row.spread or row.revision < 1:
        raise BadData("result.json: is not settled, so it was never stated for accounting")
    if not bundle.begin <= row.offset <= bundle.end:
        raise BadData(f"result.json: offset {row.offset} is not in the stretch that is shown")
    return row


def _profile(bundle: Bundle, row: BatchRow) -> Profile:
    """This program's own, which the bundle must have, too."""
    try:
        method = load_method(row.method)
    except ConfigError as exc:
        raise BadData(f"result.json: {exc}") from exc
    profile = Profile(method, method.gwp_set)
    if profile != bundle.profile:
        raise BadData(f"method.json: is not the profile {row.method} as this program knows it")
    return profile


def _records(shown: Shown, row: BatchRow) -> list[Record]:
    """What the figure follows from. Raises BadData when something is missing in any case."""
    begin = shown.begin.size if shown.begin else 0
    found = []
    for record in shown.records:
        if record.offset > row.offset:
            break
        if record.offset not in shown.hidden:
            found.append(record)
        elif record.offset <= begin or record.kind in _TOLD:
            raise BadData(f"records/{record.offset}.{record.kind}: {record.key}: is left out")
    return found


def _left_out(shown: Shown, row: BatchRow) -> list[Record]:
    """Segments; of other kinds only tree heads may be, which say nothing of energy."""
    upto = (record for record in shown.records if record.offset <= row.offset)
    return [r for r in upto if r.offset in shown.hidden and r.kind == "segment"]


def _judge_left_out(shown: Shown, its: Ground, row: BatchRow) -> Iterator[str]:
    """Raises BadData for a segment that may hold what the figure needs; what cannot be known."""
    begin = shown.begin
    times = list(_times(shown, row))
    doubtful: dict[str, None] = {}
    for span in its.spans:
        near = neighbours(span, its.basis.versions, its.told.readings)
        needed = widened(span, near.values())
        if begin is not None and begin.time_ms > needed[0]:
            raise BadData(
                f"heads/{begin.size}.json: was signed at {_instant(begin.time_ms)}; "
                f"the figure needs all that came from {_instant(needed[0])} on"
            )
        for record, told in times:
            if _meet(told, needed):
                raise BadData(
                    f"records/{record.offset}.segment: {record.key}: is left out, "
                    "and holds readings of the time the figure needs"
                )
        for meter, gap in far(span, near):
            is_before = begin is not None and gap[0] < begin.time_ms
            if is_before or any(_meet(told, gap) for _, told in times):
                doubtful[meter] = None
    if begin is not None:
        yield (
            f"what the journal got before {_instant(begin.time_ms)} is proved to be in it; that "
            "nothing else was there is not shown"
        )
    if doubtful:
        names = ", ".join(list(doubtful)[:_MOST_NAMES])
        more = f" and {len(doubtful) - _MOST_NAMES} more" if len(doubtful) > _MOST_NAMES else ""
        yield (
            f"of {names}{more} no reading near both ends of the batch's time is shown: what is left "
            "out might hold nearer ones"
        )


def _times(shown: Shown, row: BatchRow) -> Iterator[tuple[Record, Span]]:
    """Of each segment that is left out, as its gateway signed it."""
    for record in _left_out(shown, row):
        header = shown.headers.get(record.offset)
        if header is None:
            raise BadData(f"journal.jsonl: record {record.offset}: has no header")
        yield record, (header.t_first_ms, header.t_last_ms)


def _meet(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _check_tables(bundle: Bundle, row: BatchRow, its: Ground, records: Sequence[Record]) -> None:
    segments = (open_segment(record.data) for record in records if record.kind == "segment")
    events = [event for segment in segments for event in segment.events]
    if bundle.passports != passports(its.basis.versions, events):
        raise BadData("meters.json: is not what model and meters say")
    if bundle.factors != used(its.basis.factors, row.factors):
        raise BadData("factors.json: is not what the factor set in force says")


def _check_row(row: BatchRow, found: BatchRow, records: Sequence[Record]) -> None:
    """Raises BadData naming the first figure that is another one."""
    for difference in differences(row, found, STATED):
        raise BadData(f"result.json: {difference}")
    for key, kind in (("model", "model"), ("factor_set", "factor")):
        named: str | None = getattr(row, key)
        if named is not None and all((r.kind, r.hash) != (kind, named) for r in records):
            raise BadData(f"result.json: {key}: no {kind} record shown has this hash")


def _instant(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="seconds")
