"""Pure: that what a bundle shows of a journal is what the journal holds, signed for by its ingestor.

A tree head stands for the whole journal before it. From the peaks of the head where the stretch begins
every record's chain value and leaf are made anew, and they must end in the head where it ends: so none
of the stretch was changed, left out, added or put elsewhere, and no other proof is needed for it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.x509 import Certificate

from calc_stream.evidence.bundle import Bundle, Earlier, Outline, cosigned_name
from calc_stream.evidence.stamps import stamped
from wire.errors import BadData
from wire.journal import GENESIS, Record
from wire.journal.cosigned import check_cosignature
from wire.journal.heads import Inclusion, TreeHead, check_head, check_path, leaf_of
from wire.journal.keys import KeyRecord, KnownKeys
from wire.journal.merkle import grown
from wire.journal.record import chained
from wire.segment import Header, read_header
from wire.segment.envelope import unveil
from wire.segment.gap import read_gap
from wire.signing import PublicKey


@dataclass(frozen=True)
class Shown:
    """Records in their order, with their data as far as it is shown; headers of segments by offset.

    `keys`: whose signatures the heads carry; `is_pinned`: whether these were known from elsewhere.
    `stamped`: when which head was there, by the word of a time stamp server; `cosigners`: keys of those
    who signed the last head, too.
    """

    records: tuple[Record, ...]
    hidden: frozenset[int]
    headers: dict[int, Header]
    begin: TreeHead | None
    end: TreeHead
    keys: tuple[str, ...]
    is_pinned: bool
    stamped: dict[int, datetime]
    is_stamp_trusted: bool
    cosigners: tuple[str, ...]

    @property
    def begun(self) -> tuple[str, int] | None:
        """By when all that is before the stretch was there, and who says so: a time stamp that is
        trusted, else the ingestor. None: nothing is before it."""
        if self.begin is None:
            return None
        place, its_ms = f"heads/{self.begin.size}", self.begin.time_ms
        if self.is_stamp_trusted:
            stamped_ms = round(self.stamped[self.begin.size].timestamp() * 1000)
            if stamped_ms > its_ms:
                return f"{place}.tsr: was made at", stamped_ms
        return f"{place}.json: was signed at", its_ms


@dataclass(frozen=True)
class Trust:
    """Whom whoever asks knows. `keys`: the ingestor's; none: those that the bundle itself names.

    `authority`: by whom both heads must be stamped, `cosigners`: who must have signed the last, too.
    """

    keys: Sequence[PublicKey] = ()
    authority: Sequence[Certificate] = ()
    cosigners: Sequence[PublicKey] = ()


def proved(bundle: Bundle, trust: Trust) -> Shown:
    """Everything shown, proved. Raises BadData that names the first broken link."""
    begin, end = _ends(bundle)
    outlines = dict(_outlines(bundle))
    for offset, (kind, hash_) in outlines.items():
        if offset in bundle.data and hashlib.sha256(bundle.data[offset]).hexdigest() != hash_:
            raise BadData(f"records/{offset}.{kind}: is not what the journal holds there")
    known = {key.id: key for key in trust.keys}
    _check_heads(bundle, known or _named(bundle, outlines), bool(known))
    stamped = _stamped(bundle, trust.authority)
    cosigners = _cosigners(bundle, trust.cosigners)
    earlier = [_earlier(bundle, each) for each in bundle.earlier]
    records = (*earlier, *_stretch(bundle, begin, end))
    hidden = frozenset(r.offset for r in records if r.offset not in bundle.data)
    headers = _signatures(records, bundle, hidden)
    keys = tuple(dict.fromkeys(head.key for _, head in sorted(bundle.heads.items())))
    its = keys, bool(known), stamped, bool(trust.authority), cosigners
    return Shown(records, hidden, headers, begin, end, *its)


def _outlines(bundle: Bundle) -> Iterator[tuple[int, tuple[str, str]]]:
    """Kind and hash by offset, as the bundle tells them."""
    before = 0
    for each in bundle.earlier:
        if not before < each.offset <= bundle.begin:
            raise BadData(f"earlier.jsonl: record {each.offset}: is not in its place")
        before = each.offset
        yield each.offset, (each.kind, each.hash)
    for offset, its in enumerate(bundle.stretch, bundle.begin + 1):
        if offset in bundle.data and (its.header or its.signature):
            raise BadData(f"journal.jsonl: record {offset}: has a header beside its data")
        yield offset, (its.kind, its.hash)


def _check_heads(bundle: Bundle, keys: Mapping[str, PublicKey], is_pinned: bool) -> None:
    whose = "none of the keys given" if is_pinned else "no ingestor's key that is shown"
    for size, head in sorted(bundle.heads.items()):
        if head.key not in keys:
            raise BadData(f"heads/{size}.json: is signed by {head.key}, {whose}")
        try:
            check_head(head, keys[head.key])
        except BadData as exc:
            raise BadData(f"heads/{size}.json: {exc}") from exc


def _stamped(bundle: Bundle, trusted: Sequence[Certificate]) -> dict[int, datetime]:
    found = {}
    for size, answer in sorted(bundle.stamps.items()):
        if size not in bundle.heads:
            raise BadData(f"heads/{size}.tsr: there is no such head")
        try:
            found[size] = stamped(answer, bundle.heads[size], trusted)
        except BadData as exc:
            raise BadData(f"heads/{size}.tsr: {exc}") from exc
    which = {bundle.end: "the last head", bundle.begin: "the head where the stretch begins"}
    for size, words in which.items() if trusted else ():
        if size and size not in found:
            raise BadData(f"heads/{size}.tsr: is missing: no time stamp is over {words}")
    return found


def _cosigners(bundle: Bundle, wanted: Iterable[PublicKey]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for each in bundle.cosignatures:
        name = cosigned_name(each)
        if each.size not in bundle.heads:
            raise BadData(f"{name}: there is no such head")
        try:
            public = check_cosignature(each, bundle.heads[each.size])
        except BadData as exc:
            raise BadData(f"{name}: {exc}") from exc
        if each.size == bundle.end:
            found[public.id] = None
    for key in wanted:
        if key.id not in found:
            raise BadData(f"heads/{bundle.end}.{key.id}.json: is missing: {key} did not sign it")
    return tuple(found)


def _ends(bundle: Bundle) -> tuple[TreeHead | None, TreeHead]:
    for size, head in bundle.heads.items():
        if (head.size, head.site) != (size, bundle.site):
            raise BadData(f"heads/{size}.json: stands for {head.size} records of {head.site}")
    if bundle.end not in bundle.heads or (bundle.begin and bundle.begin not in bundle.heads):
        raise BadData("manifest.json: begins or ends at a tree head that is not in the bundle")
    if {bundle.end, bundle.begin} - {0} != bundle.heads.keys():
        raise BadData("manifest.json: the heads are not those that its records stand on")
    return bundle.heads.get(bundle.begin), bundle.heads[bundle.end]


def _earlier(bundle: Bundle, its: Earlier) -> Record:
    data = bundle.data.get(its.offset, b"")
    place = (bundle.site, its.offset, its.kind, its.key, its.hash, its.prev)
    record = _chained(Record(*place, "", its.t_ms, data))
    head = bundle.heads[bundle.begin]
    try:
        check_path(Inclusion(record, its.path, head))
    except BadData as exc:
        raise BadData(f"earlier.jsonl: record {its.offset}: {exc}") from exc
    return record


def _stretch(bundle: Bundle, begin: TreeHead | None, end: TreeHead) -> list[Record]:
    """The records between the heads. What was altered shows at the end, in the head."""
    chain = begin.chain if begin else GENESIS
    peaks = tuple(bytes.fromhex(peak) for peak in begin.peaks) if begin else ()
    records = []
    for offset, its in enumerate(bundle.stretch, bundle.begin + 1):
        place = (bundle.site, offset, its.kind, its.key, its.hash, chain)
        record = _chained(Record(*place, "", its.t_ms, bundle.data.get(offset, b"")))
        peaks, chain = grown(peaks, offset - 1, leaf_of(record)), record.chain
        records.append(record)
    if bundle.begin + len(records) != end.size:
        between = f"{bundle.begin} and {end.size}"
        raise BadData(f"journal.jsonl: {len(records)} records are not all between {between}")
    if chain != end.chain or tuple(peak.hex() for peak in peaks) != end.peaks:
        raise BadData(
            "journal.jsonl: these records do not lead to the tree head of "
            f"{end.day}: one was changed, left out, added or put elsewhere"
        )
    return records


def _chained(record: Record) -> Record:
    return msgspec.structs.replace(record, chain=hashlib.sha256(chained(record)).hexdigest())


def _named(bundle: Bundle, outlines: Mapping[int, tuple[str, str]]) -> dict[str, PublicKey]:
    """The ingestor's keys as the bundle has them."""
    found = {}
    for offset, (kind, _) in outlines.items():
        if kind == "key" and offset in bundle.data:
            told = _key(f"records/{offset}.key", bundle.data[offset])
            if (told.holder, told.site) == ("ingestor", bundle.site):
                found[told.id] = PublicKey.parse(told.public_key)
    return found


def _key(name: str, data: bytes) -> KeyRecord:
    try:
        told = msgspec.json.decode(data, type=KeyRecord)
        PublicKey.parse(told.public_key)
    except (BadData, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadData(f"{name}: is no key record: {exc}") from exc
    return told


def _signatures(
    records: Iterable[Record], bundle: Bundle, hidden: frozenset[int]
) -> dict[int, Header]:
    """Of every segment, by the keys as the journal knew them there; its header by offset."""
    keys, headers, streams = KnownKeys(), dict[int, Header](), _Streams(bundle.begin)
    beyond = 0  # the first segment of which nothing but its place is shown
    for record in records:
        is_shown = record.offset not in hidden
        if record.kind == "key" and is_shown:
            _key(_name(record), record.data)
            keys.add([record])
        if record.kind == "gap" and is_shown:
            _gap(keys, streams, record)
        if record.kind == "correction" and is_shown:
            _refused(streams, record)
        if record.kind != "segment":
            continue
        if _is_beyond(record, bundle, hidden):
            beyond = beyond or record.offset
            continue
        if beyond:
            raise BadData(f"journal.jsonl: record {beyond}: has no header")
        try:
            header, signature, signed = _opened(record, bundle, hidden)
            if record.key != f"{header.gateway}/{header.stream}/{header.seq}":
                raise BadData(f"is segment {header.gateway}/{header.stream}/{header.seq}")
            keys.check(header, signature, signed)
            streams.follow(record, header.seq, header.prev)
            streams.go_on(record, header.seq, record.hash)
        except BadData as exc:
            raise BadData(f"{_name(record)}: segment {record.key}: {exc}") from exc
        headers[record.offset] = header
    return headers


def _is_beyond(record: Record, bundle: Bundle, hidden: frozenset[int]) -> bool:
    """Whether nothing but its place is shown; what may be shown so is judged elsewhere."""
    return record.offset in hidden and not _outline(record, bundle).header


def _outline(record: Record, bundle: Bundle) -> Outline:
    if record.offset <= bundle.begin:
        raise BadData(f"{_name(record)}: is missing: an earlier record is shown whole")
    return bundle.stretch[record.offset - bundle.begin - 1]


def _opened(record: Record, bundle: Bundle, hidden: frozenset[int]) -> tuple[Header, bytes, bytes]:
    if record.offset not in hidden:
        return read_header(record.data)
    its = _outline(record, bundle)
    return unveil(its.header.encode(), its.signature.encode())


class _Streams:
    """How far each stream has come within the stretch, and the hash of each number that is known."""

    def __init__(self, begin: int) -> None:
        self._begin = begin
        self._upto: dict[str, int] = {}
        self._hashes: dict[tuple[str, int], str] = {}

    def follow(self, record: Record, seq: int, prev: str | None = None) -> None:
        """Raises BadData for a number whose predecessor is neither there, nor lost by its gateway's
        word, nor refused, and for one that names another predecessor. What was before the stretch is
        not known; before the journal was nothing."""
        stream = _stream(record)
        upto = self._upto.get(stream, seq - 1 if self._begin else 0)
        if record.offset > self._begin and seq > upto + 1:
            raise BadData(f"follows {upto}, and nothing says what became of those in between")
        if prev not in (None, self._hashes.get((stream, seq - 1), prev)):
            raise BadData("does not go on from the segment before it in its stream")

    def go_on(self, record: Record, seq: int, hash_: str) -> None:
        """Decided on up to `seq`, whose hash is this."""
        stream = _stream(record)
        self._hashes[stream, seq] = hash_
        if record.offset > self._begin:
            self._upto[stream] = max(seq, self._upto.get(stream, 0))


class _Correction(msgspec.Struct, frozen=True):
    """As far as it says that a segment was refused; others say nothing of streams."""

    type: str
    gateway: str = ""
    stream: str = ""
    seq: int = 0
    hash: str = ""


def _stream(record: Record) -> str:
    return record.key.rpartition("/")[0]


def _refused(streams: _Streams, record: Record) -> None:
    """Where it stands in a segment's place, the stream goes on behind that."""
    try:
        told = msgspec.json.decode(record.data, type=_Correction)
        if told.type != "refused":
            return
        if record.key != f"{told.gateway}/{told.stream}/{told.seq}":
            raise BadData(f"is of {told.gateway}/{told.stream}/{told.seq}")
        streams.follow(record, told.seq)
        streams.go_on(record, told.seq, told.hash)
    except (BadData, msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadData(f"{_name(record)}: correction {record.key}: {exc}") from exc


def _gap(keys: KnownKeys, streams: _Streams, record: Record) -> None:
    """Numbers that will never come, in their gateway's own words: the stream goes on behind them."""
    try:
        header, signature, signed = read_header(record.data)
        keys.check(header, signature, signed)
        if _stream(record) != f"{header.gateway}/{header.stream}":
            raise BadData(f"is of {header.gateway}/{header.stream}")
        gap, first = read_gap(record.data), int(record.key.rpartition("/")[2])
        if not header.seq <= first <= gap.last:
            raise BadData(f"is the word of a gap from {header.seq} to {gap.last}")
        streams.follow(record, first)
        streams.go_on(record, gap.last, gap.head)
    except (BadData, ValueError) as exc:
        raise BadData(f"{_name(record)}: gap {record.key}: {exc}") from exc


def _name(record: Record) -> str:
    return f"records/{record.offset}.{record.kind}"
