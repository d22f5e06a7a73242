"""Changes to a footprint's bundle, besides those that any bundle can suffer (`forged.py`)."""

from collections.abc import Iterator
from dataclasses import replace

import msgspec

from calc_stream.evidence.bundle import Bundle, cosigned_name, kept, pretty, read_bundle
from calc_stream.evidence.bundle_file import pack, unpack
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.identity import identified
from calc_stream.ledger.rows import STATED, BatchRow
from tests.unit.calc_stream_live import forged
from tests.unit.calc_stream_live.forged import STRANGER, Change, Kind, _otherwise
from wire.journal.cosigned import cosign
from wire.signing import SigningKey

# What the calculator says of a footprint, and what people declare: nobody can compute it.
_WORD = {"published_ms", "cause", "supersedes", "upstream", "valid_until_ms", "upto", "evidence"}


def fields(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Every field of the footprint, with and without the id that belongs to it."""
    bundle, footprint = _read(data)
    for name in footprint.__struct_fields__:
        value = getattr(footprint, name)
        if name in _WORD:
            continue
        other = _changed(value)
        place = "results/1.json|footprint.json" if name == "batches" else "footprint.json"
        if name != "id":
            told = identified(msgspec.structs.replace(footprint, **{name: other}))
            yield Change(f"{name}, id made to fit", place, _with(bundle, told))
        bare = msgspec.structs.replace(footprint, **{name: other})
        yield Change(name, place, _with(bundle, bare))
    for name in ("offset", "basis"):
        its = msgspec.structs.replace(
            footprint.evidence, **{name: _otherwise(getattr(footprint.evidence, name))}
        )
        told = identified(msgspec.structs.replace(footprint, evidence=its))
        yield Change(f"evidence: {name}", "footprint.json", _with(bundle, told))
    for name in ("supersedes", "valid_until_ms"):
        other = _changed(getattr(footprint, name))
        bare = msgspec.structs.replace(footprint, **{name: other})
        yield Change(name, "footprint.json: id", _with(bundle, bare))


def batches(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """What it says of its batches: each of it, their order, one more, one less."""
    bundle, footprint = _read(data)
    for at, used in enumerate(footprint.batches):
        for name in used.__struct_fields__:
            other = list(footprint.batches)
            other[at] = msgspec.structs.replace(used, **{name: _otherwise(getattr(used, name))})
            told = identified(msgspec.structs.replace(footprint, batches=tuple(other)))
            place = "results/|footprint.json"
            yield Change(f"{used.batch}: {name}", place, _with(bundle, told))
    backwards = footprint.batches[::-1]
    told = identified(msgspec.structs.replace(footprint, batches=backwards))
    rows = bundle.rows[::-1]
    yield Change("order", "footprint.json: batches", _with(replace(bundle, rows=rows), told))
    yield Change(
        "order of the rows alone", "results/1.json", pack(replace(bundle, rows=rows).files())
    )
    less = identified(msgspec.structs.replace(footprint, batches=footprint.batches[1:]))
    yield Change("one less", "footprint.json", _with(replace(bundle, rows=bundle.rows[1:]), less))
    yield Change(
        "a row less", "footprint.json", pack(replace(bundle, rows=bundle.rows[1:]).files())
    )


def rows(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Every field a batch states, the footprint made to fit as far as it names it."""
    bundle, footprint = _read(data)
    for at, raw in enumerate(bundle.rows):
        row = msgspec.json.decode(raw, type=BatchRow)
        for name in (*STATED, "model", "factor_set", "settled", "spread", "revision"):
            told = msgspec.structs.replace(row, **{name: _otherwise(getattr(row, name))})
            changed = (*bundle.rows[:at], kept(told), *bundle.rows[at + 1 :])
            place = f"results/{at + 1}[.]json"
            yield Change(f"{row.batch}: {name}", place, pack(replace(bundle, rows=changed).files()))
        # What nobody computes is still what the footprint stands on.
        told = msgspec.structs.replace(row, cause="another")
        changed = (*bundle.rows[:at], kept(told), *bundle.rows[at + 1 :])
        place = "footprint.json: batches"
        yield Change(f"{row.batch}: cause", place, pack(replace(bundle, rows=changed).files()))
    assert footprint.batches


def beside(data: bytes, _key: SigningKey) -> Iterator[Change]:
    """Time stamps and cosignatures: of another head, by somebody else, altered, gone."""
    bundle, _ = _read(data)
    end, sizes = bundle.end, sorted(bundle.stamps)
    swapped = {sizes[0]: bundle.stamps[sizes[1]], sizes[1]: bundle.stamps[sizes[0]]}
    yield Change("stamps swapped", f"heads/{sizes[0]}.tsr", _beside(bundle, stamps=swapped))
    without = {size: its for size, its in bundle.stamps.items() if size != end}
    yield Change("no stamp", f"heads/{end}.tsr: is missing", _beside(bundle, stamps=without))
    last = {end: bundle.stamps[end]}
    place = f"heads/{sizes[0]}.tsr: is missing"
    yield Change("no stamp where it begins", place, _beside(bundle, stamps=last))
    cut = {**bundle.stamps, end: bundle.stamps[end][:-1]}
    yield Change("a stamp cut off", f"heads/{end}.tsr", _beside(bundle, stamps=cut))
    (told,) = bundle.cosignatures
    name = cosigned_name(told)
    for key, value in (("time_s", told.time_s + 1), ("root", "0" * 64), ("sig", told.sig[::-1])):
        other = msgspec.structs.replace(told, **{key: value})
        yield Change(f"cosignature: {key}", name, _beside(bundle, cosignatures=(other,)))
    of_none = {**bundle.stamps, end + 1: bundle.stamps[end]}
    place = f"heads/{end + 1}.tsr: there is no such head"
    yield Change("a stamp of no head", place, _beside(bundle, stamps=of_none))
    other = cosign(msgspec.structs.replace(bundle.heads[end], size=end + 1), STRANGER, told.time_s)
    place = f"{cosigned_name(other)}: there is no such head"
    both = (told, other)
    yield Change("cosigned no head", place, _beside(bundle, cosignatures=both))
    strangers = cosign(bundle.heads[end], STRANGER, told.time_s)
    missing = f"{name}: is missing"
    yield Change("cosigned by another", missing, _beside(bundle, cosignatures=(strangers,)))
    yield Change("not cosigned", missing, _beside(bundle, cosignatures=()))


def conspired(data: bytes, key: SigningKey) -> Iterator[Change]:
    """The ingestor signs other records; nobody stamps and cosigns them for it again."""
    for change in forged.conspired(data, key):
        yield replace(change, place="heads/.*tsr: is a time stamp of something else than this head")


KINDS: dict[str, Kind] = {
    **{name: kind for name, kind in forged.KINDS.items() if name != "figures"},
    **{kind.__name__: kind for kind in (fields, batches, rows, beside, conspired)},
}


def _read(data: bytes) -> tuple[Bundle, Footprint]:
    bundle = read_bundle(unpack(data))
    assert bundle.figure is not None
    return bundle, msgspec.json.decode(bundle.figure, type=Footprint)


def _with(bundle: Bundle, footprint: Footprint) -> bytes:
    """Its figure another one, and the manifest fits."""
    other = replace(bundle, figure=pretty(footprint), footprint=footprint.id)
    return pack(other.files())


def _beside(bundle: Bundle, **told: object) -> bytes:
    return pack(replace(bundle, **told).files())  # type: ignore[arg-type]


def _changed(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        name = value.__struct_fields__[0]
        return msgspec.structs.replace(value, **{name: _otherwise(getattr(value, name))})
    if isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct):
        return (_changed(value[0]), *value[1:])
    return _otherwise(value)
