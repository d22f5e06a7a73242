"""Every kind of change to a bundle, made by somebody who makes the rest of it fit, and where it shows."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import msgspec

from calc_stream.evidence.bundle import Bundle, kept, read_bundle
from calc_stream.evidence.bundle_file import pack, unpack
from calc_stream.ledger.rows import STATED, BatchRow
from wire.journal import GENESIS, Record, heads
from wire.journal.merkle import grown, root
from wire.journal.record import chained
from wire.messages import Sample
from wire.segment import Place, read_header, seal
from wire.signing import SigningKey

_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
STRANGER = SigningKey(bytes(range(32)))


@dataclass(frozen=True)
class Change:
    """`place`: how the message of the first broken link begins, as a pattern."""

    what: str
    place: str
    data: bytes


Kind = Callable[[bytes, SigningKey], Iterator[Change]]


def flipped(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """One bit of a byte anywhere, nothing else made to fit."""
    dice = random.Random(20261126)
    for at in sorted(dice.sample(range(len(data)), 120)):
        changed = bytearray(data)
        changed[at] ^= 1 << dice.randrange(8)
        yield Change(f"byte {at}", _file_of(data, at), bytes(changed))


def cut(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Bytes taken away, added, moved."""
    middle = len(data) // 2
    names = sorted(unpack(data))
    yield Change("cut off", "the bundle|.*is not as it was written", data[:-1])
    yield Change("cut in half", "the bundle", data[:middle])
    yield Change("one more", ".*byte", data + b"\0")
    yield Change("one less inside", ".*", data[:middle] + data[middle + 1 :])
    yield Change("nothing", "this file is no bundle", b"")
    files = unpack(data)
    for name in names:
        rest = {other: files[other] for other in names if other != name}
        yield Change(f"{name} missing", f"{name}: is missing", pack(rest))
    yield Change(
        "a file more", "more.txt: is not in the manifest", pack({**files, "more.txt": b""})
    )


def records(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """A record's data; its hash, too; and all chain values after it."""
    bundle = opened(data)
    for at in bundle.data:
        raw = bundle.data[at]
        told = resealed(replace(bundle, data={**bundle.data, at: _other(raw)}))
        yield Change(f"data of {at}", f"records/{at}[.]", told)
        if at <= bundle.begin:
            earlier = tuple(
                msgspec.structs.replace(e, hash=_sha(_other(raw))) if e.offset == at else e
                for e in bundle.earlier
            )
            fitted = replace(bundle, earlier=earlier, data={**bundle.data, at: _other(raw)})
            # A key that is another one no longer signs what it signed.
            yield Change(
                f"data and hash of {at}", "earlier.jsonl|records/.*no key|heads/", resealed(fitted)
            )
            continue
        fitted = with_outline(bundle, at, hash=_sha(_other(raw)))
        fitted = replace(fitted, data={**bundle.data, at: _other(raw)})
        yield Change(
            f"data and hash of {at}", "journal.jsonl|records/.*no key|heads/", resealed(fitted)
        )


def places(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """What the stretch says of a record; their order; one more or less."""
    bundle = opened(data)
    size = len(bundle.stretch)
    for at in range(bundle.begin + 1, bundle.end + 1):
        its = bundle.stretch[at - bundle.begin - 1]
        for key, value in (("key", f"{its.key}x"), ("t_ms", its.t_ms + 1), ("hash", _sha(b"x"))):
            where = "records/" if key == "hash" and at in bundle.data else "journal.jsonl"
            told = resealed(with_outline(bundle, at, **{key: value}))
            yield Change(f"{key} of {at}", where, told)
    for at in range(size - 1):
        swapped = list(bundle.stretch)
        swapped[at : at + 2] = swapped[at + 1], swapped[at]
        yield Change(f"order at {at}", "journal.jsonl|records/", _restretched(bundle, swapped))
    for at in (0, size // 2, size - 1):
        less = [its for n, its in enumerate(bundle.stretch) if n != at]
        yield Change(f"without {at}", "journal.jsonl|records/", _restretched(bundle, less))
        more = [*bundle.stretch[:at], bundle.stretch[at], *bundle.stretch[at:]]
        yield Change(f"twice {at}", "journal.jsonl|records/", _restretched(bundle, more))


def earlier(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """What is said of a record before the stretch, its proof, and it left out."""
    bundle = opened(data)
    for at, its in enumerate(bundle.earlier):
        changes: list[dict[str, object]] = [
            {"key": f"{its.key}x"},
            {"prev": _sha(b"x")},
            {"t_ms": its.t_ms + 1},
            {"path": (*its.path[:-1], _sha(b"x"))},
            {"path": its.path[:-1]},
            {"path": tuple(each.upper() for each in its.path)},
            {"path": (*its.path, _sha(b"x"))},
        ]
        for told in changes:
            other = list(bundle.earlier)
            other[at] = msgspec.structs.replace(its, **told)
            name = next(iter(told))
            forged = resealed(replace(bundle, earlier=tuple(other)))
            yield Change(f"{name} of {its.offset}", f"earlier.jsonl: record {its.offset}", forged)
    twice = (*bundle.earlier[:1], *bundle.earlier)
    for what, listed in (("twice", twice), ("backwards", bundle.earlier[::-1])):
        forged = resealed(replace(bundle, earlier=listed))
        yield Change(what, "earlier.jsonl: record .*: is not in its place", forged)


def hidden(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Something of the stretch that the figure needs, left out; a header that tells another time."""
    bundle = opened(data)
    for at in [at for at in bundle.data if at > bundle.begin]:
        its = bundle.stretch[at - bundle.begin - 1]
        rest = {n: raw for n, raw in bundle.data.items() if n != at}
        forged = replace(bundle, data=rest)
        if its.kind == "segment":
            line, _, after = bundle.data[at].partition(b"\n")
            signature = after.partition(b"\n")[0].decode()
            forged = with_outline(forged, at, header=line.decode(), signature=signature)
        # Nothing is signed by a key that is not shown.
        place = "heads/|records/" if its.kind == "key" else f"records/{at}[.]{its.kind}: .*left out"
        yield Change(f"{its.kind} {at}", place, resealed(forged))
    for at, its in enumerate(bundle.stretch, bundle.begin + 1):
        if its.kind == "segment" and at in bundle.data:
            beside = resealed(with_outline(bundle, at, header="{}", signature="x"))
            place = f"journal.jsonl: record {at}: has a header beside its data"
            yield Change(f"header beside {at}", place, beside)
        if not its.header:
            continue
        header = msgspec.json.decode(its.header)
        for key in ("t_first_ms", "t_last_ms", "seq", "prev", "key", "gateway"):
            value = header[key] - 86_400_000 if isinstance(header[key], int) else _sha(b"x")[:16]
            line = msgspec.json.encode({**header, key: value}).decode()
            told = resealed(with_outline(bundle, at, header=line))
            yield Change(f"header of {at}: {key}", f"records/{at}[.]segment", told)
        bare = resealed(with_outline(bundle, at, header="", signature=""))
        yield Change(f"header of {at} gone", f"journal.jsonl: record {at}: has no header", bare)


def tree_heads(data: bytes, key: SigningKey) -> Iterator[Change]:
    """What a head says, who signed it, and that there are two of them."""
    bundle = opened(data)
    for size, head in bundle.heads.items():
        told: dict[str, object] = {
            "day": "2026-11-01",
            "root": _sha(b"x"),
            "chain": _sha(b"x"),
            "time_ms": head.time_ms - 1,
            "peaks": (_sha(b"x"), *head.peaks[1:]),
            "key": STRANGER.public.id,
            "sig": head.sig[1:-2] + head.sig[:1] + "==",
        }
        # The last bits of base64 say nothing, nor does the size of hex digits: both must stand as written.
        last = _DIGITS[_DIGITS.index(head.sig[-3]) ^ 1]
        same = {"sig": f"{head.sig[:-3]}{last}==", "peaks": tuple(p.upper() for p in head.peaks)}
        none = {"sig": "é" * 88}
        for name, value in (*told.items(), *same.items(), *none.items()):
            other = msgspec.structs.replace(head, **{name: value})
            forged = replace(bundle, heads={**bundle.heads, size: other})
            yield Change(f"head {size}: {name}", f"heads/{size}.json", resealed(forged))
        signed = heads.sign_head(head, STRANGER)
        forged = replace(bundle, heads={**bundle.heads, size: signed})
        yield Change(f"head {size}: a stranger's", f"heads/{size}.json", resealed(forged))
        for name, value in (("site", "elsewhere"), ("size", size + 1)):
            other = heads.sign_head(msgspec.structs.replace(head, **{name: value}), key)
            forged = replace(bundle, heads={**bundle.heads, size: other})
            place = f"heads/{size}.json: stands for"
            yield Change(f"head {size}: {name}, signed", place, resealed(forged))
        less = {other: its for other, its in bundle.heads.items() if other != size}
        place = "manifest.json: begins or ends at a tree head that is not in the bundle"
        yield Change(f"no head {size}", place, resealed(replace(bundle, heads=less)))
    end = bundle.heads[bundle.end]
    peaks = (_sha(b"x"), *end.peaks[1:])
    its: dict[str, object] = {"peaks": peaks, "root": root(list(map(bytes.fromhex, peaks))).hex()}
    for what, said in (("chain", {"chain": _sha(b"x")}), ("tree", its)):
        other = heads.sign_head(msgspec.structs.replace(end, **said), key)
        forged = replace(bundle, heads={**bundle.heads, bundle.end: other})
        place = "journal.jsonl: these records do not lead|heads/.*tsr: is a time stamp of something"
        yield Change(f"another {what}, signed", place, resealed(forged))
    more = heads.sign_head(msgspec.structs.replace(head, size=size + 1), key)
    forged = replace(bundle, heads={**bundle.heads, size + 1: more})
    place = "manifest.json: the heads are not those that its records stand on"
    yield Change("a head more", place, resealed(forged))


def figures(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Every field that a row states, and what it stands on."""
    bundle = opened(data)
    row = msgspec.json.decode(bundle.rows[0], type=BatchRow)
    for name in (*STATED, "model", "factor_set", "settled", "spread", "revision"):
        value = _otherwise(getattr(row, name))
        changed = kept(msgspec.structs.replace(row, **{name: value}))
        place = "result.json"
        yield Change(f"row: {name}", place, resealed(replace(bundle, rows=(changed,))))
    for offset in (bundle.begin - 1, bundle.begin + 2, bundle.end + 1):
        changed = kept(msgspec.structs.replace(row, offset=offset))
        yield Change(f"row: offset {offset}", ".*", resealed(replace(bundle, rows=(changed,))))


def tables(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Method, GWP set, passports and factors as they are shown to people; the manifest."""
    bundle = opened(data)
    files = unpack(data)
    for name in ("method.json", "meters.json", "factors.json", "manifest.json"):
        for path, changed in _leaves(msgspec.json.decode(files[name])):
            if name == "manifest.json":
                told = pack({**files, name: _as_written(changed)})
                yield Change(f"{name}: {path}", ".*", told)
                continue
            raw = _as_written(changed)
            manifest = msgspec.json.decode(files["manifest.json"])
            manifest["files"][name] = _sha(raw)
            told = pack({**files, name: raw, "manifest.json": _as_written(manifest)})
            yield Change(f"{name}: {path}", name, told)
    assert bundle.passports


def conspired(data: bytes, key: SigningKey) -> Iterator[Change]:
    """The ingestor itself signs for records that are others; it has no gateway's key."""
    bundle = opened(data)
    for at in [at for at in bundle.data if at > bundle.begin]:
        kind = bundle.stretch[at - bundle.begin - 1].kind
        raw = bundle.data[at]
        if kind == "segment":
            header = read_header(raw)[0]
            named = with_outline(bundle, at, key=f"{header.gateway}/{header.stream}/999999")
            told = resealed(signed_anew(named, at, raw, key))
            place = f"records/{at}[.]segment: .*/999999: is segment .*/{header.seq}"
            yield Change(f"name of segment {at}", place, told)
            place = Place(
                *(header.site, header.gateway, header.stream, header.seq, header.prev),
                *(header.boot, header.clock),
            )
            times = (header.t_first_ms, header.t_last_ms)
            samples = [
                Sample("m-press", t, {"active_energy_import": (n, -3)}) for n, t in enumerate(times)
            ]
            raw, where = seal(place, samples, [], STRANGER), f"records/{at}[.]segment: .*not known"
        elif kind == "event":
            told = msgspec.json.decode(raw)
            told["t"] = told["t"].replace("T08:1", "T08:2")
            told |= {key: "9" for key in ("good", "quantity") if key in told}
            raw, where = msgspec.json.encode(told), "result|footprint.json|records/.*left out"
        else:
            continue
        yield Change(f"{kind} {at}", where, resealed(signed_anew(bundle, at, raw, key)))


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(flipped, cut, records, places, earlier, hidden, tree_heads, figures, tables, conspired),
    )
}


def opened(data: bytes) -> Bundle:
    return read_bundle(unpack(data))


def resealed(bundle: Bundle) -> bytes:
    return pack(bundle.files())


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _other(raw: bytes) -> bytes:
    """With its last but one byte changed."""
    return raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:]


def with_outline(bundle: Bundle, at: int, **told: object) -> Bundle:
    stretch = list(bundle.stretch)
    place = at - bundle.begin - 1
    stretch[place] = msgspec.structs.replace(stretch[place], **told)
    return replace(bundle, stretch=tuple(stretch))


def _restretched(bundle: Bundle, stretch: list[object]) -> bytes:
    return resealed(replace(bundle, stretch=tuple(stretch)))  # type: ignore[arg-type]


def signed_anew(bundle: Bundle, at: int, raw: bytes, key: SigningKey) -> Bundle:
    """Another record in this place, with all chain values after it and a head that fits."""
    forged = replace(with_outline(bundle, at, hash=_sha(raw)), data={**bundle.data, at: raw})
    begin = bundle.heads.get(bundle.begin)
    chain = begin.chain if begin else GENESIS
    peaks = tuple(bytes.fromhex(peak) for peak in begin.peaks) if begin else ()
    for offset, its in enumerate(forged.stretch, bundle.begin + 1):
        place = (bundle.site, offset, its.kind, its.key, its.hash, chain, "", its.t_ms, b"")
        record = Record(*place)
        peaks, chain = grown(peaks, offset - 1, heads.leaf_of(record)), _sha(chained(record))
    end = msgspec.structs.replace(
        bundle.heads[bundle.end],
        root=root(peaks).hex(),
        chain=chain,
        peaks=tuple(peak.hex() for peak in peaks),
    )
    return replace(forged, heads={**bundle.heads, bundle.end: heads.sign_head(end, key)})


def _file_of(data: bytes, at: int) -> str:
    """The file in whose content a byte lies; elsewhere any place may be named."""
    for name, content in unpack(data).items():
        begin = data.index(name.encode() + content) + len(name)
        if begin <= at < begin + len(content):
            return name.replace(".", "[.]") + ":"
    return ".*"


def _otherwise(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        return {**value, "other": "1"}
    if isinstance(value, tuple):
        return (*value, "other")
    try:
        return str(float(Fraction(str(value)) + 1))
    except ValueError:
        return f"{value}x"


def _as_written(tree: object) -> bytes:
    """In the form of a bundle, keys in their order."""
    return msgspec.json.format(msgspec.json.encode(tree), indent=1) + b"\n"


def _leaves(tree: object, path: str = "") -> Iterator[tuple[str, object]]:
    """The tree with one leaf changed, for each leaf."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            for where, changed in _leaves(value, f"{path}.{key}"):
                yield where, {**tree, key: changed}
    elif isinstance(tree, list):
        for n, value in enumerate(tree):
            for where, changed in _leaves(value, f"{path}[{n}]"):
                yield where, [*tree[:n], changed, *tree[n + 1 :]]
    else:
        yield path, _otherwise(tree)
