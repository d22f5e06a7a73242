"""What is in a bundle: a stretch of the journal, some earlier records, and a figure.

manifest.json   what the bundle is about; the SHA-256 of every other file
result.json     the row as it was stated; of a footprint footprint.json, and results/<n>.json for
                each of its batches in turn
disclosed.json  the root under which every field of a footprint is disclosed one by one, where one is
                made (`disclosure.py`)
method.json     the method profile, and the GWP set it counts with
meters.json     the passports of all meters; factors.json: the factors the row names, and contracts
heads/<n>.json  signed tree heads: of the first n records of the site; <n>.tsr: a time stamp over one
                (RFC 3161), <n>.<key>.json: an auditor's signature beside the ingestor's
journal.jsonl   every record from one head to another, without its data; of a segment that is left
                out its header and signature
earlier.jsonl   records before that stretch, each with a proof that it stands under the head where it
                begins
records/<n>.<kind>  the data of record n, exactly as the journal has it
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from calc_stream.evidence.passports import Passport
from calc_stream.factors import FactorSet, Method
from calc_stream.factors.gwp import GwpSet
from calc_stream.factors.instruments import Instrument
from calc_stream.factors.row import Row
from wire.errors import BadData
from wire.journal.cosigned import Cosignature
from wire.journal.heads import TreeHead

S = TypeVar("S")
FORMAT = 1


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`footprint`: its id; "": the figure of `revision` of one `batch`. `begin` and `end`: how many
    records the heads stand for between which the stretch lies; 0: it begins with the first record.
    `files`: SHA-256 by name."""

    format: int
    site: str
    footprint: str
    batch: str
    revision: int
    begin: int
    end: int
    files: dict[str, str]


class Outline(msgspec.Struct, frozen=True, array_like=True):
    """A record of the stretch. `header` and `signature`: the first two parts of a segment whose data
    is left out."""

    kind: str
    key: str
    hash: str
    t_ms: int
    header: str = ""
    signature: str = ""


class Earlier(msgspec.Struct, frozen=True, array_like=True):
    """A record before the stretch; `path`: to the root of the head where that begins."""

    offset: int
    kind: str
    key: str
    hash: str
    prev: str
    t_ms: int
    path: tuple[str, ...]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a method's figures depend on."""

    method: Method
    gwp: GwpSet


class UsedFactors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The factors a row names, with the hashes of their documents, and the contracts for its sources."""

    factors: tuple[Row, ...]
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True)
class Bundle:
    """The contents. `rows`: the bytes of the results, one where `footprint` is none; `stamps` and
    `data`: by the head's size and by offset."""

    site: str
    footprint: str
    batch: str
    revision: int
    begin: int
    end: int
    figure: bytes | None
    disclosed: bytes | None
    rows: tuple[bytes, ...]
    profile: Profile
    passports: tuple[Passport, ...]
    factors: UsedFactors
    heads: dict[int, TreeHead]
    stamps: dict[int, bytes]
    cosignatures: tuple[Cosignature, ...]
    stretch: tuple[Outline, ...]
    earlier: tuple[Earlier, ...]
    data: dict[int, bytes]

    def files(self) -> dict[str, bytes]:
        """The one way to write it."""
        kinds = {each.offset: each.kind for each in self.earlier}
        kinds |= {at: each.kind for at, each in enumerate(self.stretch, self.begin + 1)}
        files = {
            "method.json": pretty(self.profile),
            "meters.json": pretty(self.passports),
            "factors.json": pretty(self.factors),
            "journal.jsonl": b"".join(msgspec.json.encode(each) + b"\n" for each in self.stretch),
            "earlier.jsonl": b"".join(msgspec.json.encode(each) + b"\n" for each in self.earlier),
        }
        files |= {result_name(n, self.footprint): row for n, row in enumerate(self.rows, 1)}
        told = {"footprint.json": self.figure, "disclosed.json": self.disclosed}
        files |= {name: data for name, data in told.items() if data is not None}
        files |= {f"heads/{size}.json": pretty(head) for size, head in self.heads.items()}
        files |= {f"heads/{size}.tsr": answer for size, answer in self.stamps.items()}
        files |= {cosigned_name(each): pretty(each) for each in self.cosignatures}
        files |= {
            f"records/{at}.{kinds.get(at, 'unknown')}": data for at, data in self.data.items()
        }
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
        about = (self.footprint, self.batch, self.revision, self.begin, self.end)
        return files | {"manifest.json": pretty(Manifest(FORMAT, self.site, *about, hashes))}


def read_bundle(files: dict[str, bytes]) -> Bundle:
    """The contents again. Raises BadData naming the file that is not what it should be."""
    manifest = _decoded(files, "manifest.json", Manifest)
    if manifest.format != FORMAT:
        raise BadData(f"manifest.json: format {manifest.format} is not known here")
    for name in sorted({*files, *manifest.files} - {"manifest.json"}):
        if name not in files or name not in manifest.files:
            raise BadData(f"{name}: is {'not in the manifest' if name in files else 'missing'}")
        if hashlib.sha256(files[name]).hexdigest() != manifest.files[name]:
            raise BadData(f"{name}: its SHA-256 is not the one in the manifest")
    heads = [name for name in files if name.startswith("heads/")]
    found = Bundle(
        *(manifest.site, manifest.footprint, manifest.batch, manifest.revision),
        *(manifest.begin, manifest.end),
        files.get("footprint.json"),
        files.get("disclosed.json"),
        tuple(_results(files, manifest.footprint)),
        _decoded(files, "method.json", Profile),
        _decoded(files, "meters.json", tuple[Passport, ...]),
        _decoded(files, "factors.json", UsedFactors),
        {
            _number(n): _decoded(files, n, TreeHead)
            for n in heads
            if n.count(".") == 1 and n.endswith(".json")
        },
        {_number(n): files[n] for n in heads if n.endswith(".tsr")},
        tuple(_decoded(files, n, Cosignature) for n in heads if n.count(".") == 2),
        tuple(_lines(files, "journal.jsonl", Outline)),
        tuple(_lines(files, "earlier.jsonl", Earlier)),
        {_number(n): data for n, data in files.items() if n.startswith("records/")},
    )
    again = found.files()
    for name in sorted({*files, *again}):
        if files.get(name) != again.get(name):
            raise BadData(f"{name}: is not written the way a bundle is")
    return found


def result_name(number: int, footprint: str) -> str:
    """Of the n-th batch, counted from 1."""
    return f"results/{number}.json" if footprint else "result.json"


def cosigned_name(told: Cosignature) -> str:
    """Raises BadData for a key that is none."""
    return f"heads/{told.size}.{told.id}.json"


def _results(files: Mapping[str, bytes], footprint: str) -> Iterator[bytes]:
    number = 1
    while (name := result_name(number, footprint)) in files:
        yield files[name]
        if not footprint:
            return
        number += 1


def used(
    factors: FactorSet | None, named: Collection[str], sources: Collection[str]
) -> UsedFactors:
    """Of a set, the rows that figures name and the contracts for sources that gave to them."""
    if factors is None:
        return UsedFactors((), ())
    rows = tuple(row for row in factors.rows if row.id in named)
    return UsedFactors(rows, tuple(one for one in factors.instruments if one.source in sources))


def pretty(value: object) -> bytes:
    """The one way a value is written for people, too."""
    return msgspec.json.format(msgspec.json.encode(value, order="deterministic"), indent=1) + b"\n"


def kept(row: object) -> bytes:
    """A row for people, with everything in the order in which the ledger keeps it: so whoever reads it
    has the ledger's bytes, too."""
    return msgspec.json.format(msgspec.json.encode(row), indent=1) + b"\n"


def _decoded(files: dict[str, bytes], name: str, type_: type[S]) -> S:
    if name not in files:
        raise BadData(f"{name}: is missing; this is no bundle, or not a whole one")
    try:
        return msgspec.json.decode(files[name], type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"{name}: {exc}") from exc


def _lines(files: dict[str, bytes], name: str, type_: type[S]) -> Iterator[S]:
    if name not in files:
        raise BadData(f"{name}: is missing; this is no bundle, or not a whole one")
    for number, line in enumerate(files[name].splitlines(), 1):
        try:
            yield msgspec.json.decode(line, type=type_)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise BadData(f"{name}: line {number}: {exc}") from exc


def _number(name: str) -> int:
    text = name.rpartition("/")[2].partition(".")[0]
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadData(f"{name}: no file of a bundle has this name")
    return int(text)
