"""A segment: the sealed, chained, signed packet in which readings leave a gateway.

Three parts: a JSON header on one line (readable with any MQTT tool), the Ed25519 signature of that
line, and a compressed body that the header names by its SHA-256. The segment's own SHA-256, over
all bytes, is the `prev` of the next one: a chain per stream.

The body holds one table for all answers of a meter with the same quantities. A table is a column
of times (ms) and one column of mantissas for each quantity; a column is its first value and the
differences after it, in the narrowest of 1, 2, 4 or 8 bytes, with like bytes side by side so that
they compress. Nothing is rounded on the way.
"""

import base64
import binascii
import hashlib
import itertools
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from wire.errors import BadData
from wire.messages import QUALITIES, MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.signing import PublicKey, SigningKey

VERSION = 1
ENCODING = "delta-shuffle-zlib"
GENESIS = "0" * 64  # `prev` of the first segment of a stream
MAX_SEGMENT = 8 * 1024 * 1024
MAX_BODY = 64 * 1024 * 1024
_SIGNED = b"wattprint segment 1\n"
NUMBER_LIMIT = 1 << 62  # a column's numbers stay below it
_TYPECODE = {1: "b", 2: "h", 4: "i", 8: "q"}


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who sealed what, when, and after which segment."""

    v: int
    site: str
    gateway: str
    stream: str
    seq: int
    prev: str
    boot: str
    clock: str
    t_first_ms: int
    t_last_ms: int
    readings: int
    encoding: str
    body: str
    key: str


class Layout(msgspec.Struct, frozen=True):
    """One table of the body: `widths` and `firsts` begin with the time column."""

    meter: str
    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    widths: tuple[int, ...]
    firsts: tuple[int, ...]


class _Contents(msgspec.Struct, frozen=True):
    tables: list[Layout]
    events: list[MeterEvent]


@dataclass(frozen=True)
class Column:
    """Integers as a first value and little-endian differences (the first difference is 0)."""

    first: int
    width: int
    deltas: bytes

    def values(self) -> "array[int]":
        """The integers themselves, as `array('q')`. Raises BadData if they leave 64 bits."""
        steps = array(_TYPECODE[self.width], self.deltas)
        if sys.byteorder == "big":
            steps.byteswap()
        sums = itertools.accumulate(steps, initial=self.first)
        try:
            return array("q", itertools.islice(sums, 1, None))
        except OverflowError as exc:
            raise BadData("a column of a segment leaves 64 bits") from exc


@dataclass(frozen=True)
class Table:
    """All answers of one meter with the same quantities and quality; rows in order of time."""

    meter: str
    quality: str
    quantities: tuple[str, ...]
    exponents: tuple[int, ...]
    rows: int
    times_ms: Column
    columns: tuple[Column, ...]

    def samples(self) -> Iterator[Sample]:
        """The rows one by one; for many rows use the columns."""
        columns = [column.values() for column in self.columns]
        for row, t_ms in enumerate(self.times_ms.values()):
            named = zip(self.quantities, columns, self.exponents, strict=True)
            values = {quantity: (column[row], exponent) for quantity, column, exponent in named}
            yield Sample(self.meter, t_ms, values, self.quality)


@dataclass(frozen=True)
class Segment:
    """An opened segment. Its signature is not yet checked: see `verify`."""

    header: Header
    tables: tuple[Table, ...]
    events: tuple[MeterEvent, ...]
    hash: str
    signature: bytes
    signed: bytes

    def verify(self, key: PublicKey) -> None:
        """Raises BadData unless `key` signed this segment."""
        if key.id != self.header.key:
            raise BadData(f"segment names key {self.header.key}, not {key.id}")
        key.verify(self.signature, self.signed)


@dataclass(frozen=True)
class Place:
    """Where in which stream a segment stands, and on what clock its times are."""

    site: str
    gateway: str
    stream: str
    seq: int
    prev: str
    boot: str
    clock: str


def seal(
    place: Place,
    samples: Iterable[Sample],
    events: Sequence[MeterEvent],
    key: SigningKey,
) -> bytes:
    """The bytes of one segment. The same facts and key give the same bytes.

    Raises BadData where there is nothing to seal or a number does not fit 62 bits.
    """
    tables = _tables(samples)
    if not tables and not events:
        raise BadData("a segment holds at least one sample or event")
    layouts: list[Layout] = []
    blobs: list[bytes] = []
    for (meter, quality, quantities, exponents), rows in sorted(tables.items()):
        rows.sort()
        packed = [_pack(column) for column in zip(*rows, strict=True)]
        firsts, widths, data = zip(*packed, strict=True)
        layouts.append(
            Layout(
                meter,
                quality,
                quantities,
                exponents,
                len(rows),
                tuple(widths),
                tuple(firsts),
            )
        )
        blobs.extend(data)
    contents = msgspec.json.encode(_Contents(layouts, list(events)))
    body = zlib.compress(struct.pack("<I", len(contents)) + contents + b"".join(blobs), 6)
    times = [row[0] for rows in tables.values() for row in rows] + [e.t_ms for e in events]
    header = Header(
        VERSION,
        *(
            place.site,
            place.gateway,
            place.stream,
            place.seq,
            place.prev,
            place.boot,
            place.clock,
        ),
        t_first_ms=min(times),
        t_last_ms=max(times),
        readings=sum(layout.rows * len(layout.quantities) for layout in layouts),
        encoding=ENCODING,
        body=hashlib.sha256(body).hexdigest(),
        key=key.public.id,
    )
    line = msgspec.json.encode(header)
    return b"\n".join((line, base64.b64encode(key.sign(_SIGNED + line)), body))


def open_segment(data: bytes) -> Segment:
    """Take a segment apart and check its form and body hash. Raises BadData."""
    if len(data) > MAX_SEGMENT:
        raise BadData(f"segment of {len(data)} bytes is over the limit of {MAX_SEGMENT}")
    header, line, signature, body = _split(data)
    if header.v != VERSION or header.encoding != ENCODING:
        raise BadData(f"segment version {header.v}, encoding {header.encoding!r} is not known here")
    if hashlib.sha256(body).hexdigest() != header.body:
        raise BadData("segment body does not match the hash in its header")
    contents, blob = _unfold(body)
    tables = tuple(_read_tables(contents.tables, blob))
    readings = sum(table.rows * len(table.columns) for table in tables)
    if readings != header.readings:
        raise BadData(f"segment holds {readings} readings, its header says {header.readings}")
    digest = hashlib.sha256(data).hexdigest()
    return Segment(header, tables, tuple(contents.events), digest, signature, _SIGNED + line)


def read_header(data: bytes) -> tuple[Header, bytes, bytes]:
    """(header, signature, what it signs) of whole bytes whose content may be anything.

    Raises BadData; also when the body is not the one the header names.
    """
    header, line, signature, body = _split(data)
    if hashlib.sha256(body).hexdigest() != header.body:
        raise BadData("segment body does not match the hash in its header")
    return header, signature, _SIGNED + line


def _tables(
    samples: Iterable[Sample],
) -> dict[tuple[str, str, tuple[str, ...], tuple[int, ...]], list[tuple[int, ...]]]:
    """Rows (time, mantissas …) by meter, quality, quantities and exponents."""
    tables: dict[tuple[str, str, tuple[str, ...], tuple[int, ...]], list[tuple[int, ...]]] = {}
    for sample in samples:
        names = tuple(sorted(sample.values))
        if not names:
            continue
        exponents = tuple(sample.values[name][1] for name in names)
        row = (sample.t_ms, *(sample.values[name][0] for name in names))
        tables.setdefault((sample.meter, sample.quality, names, exponents), []).append(row)
    return tables


def _pack(column: Sequence[int]) -> tuple[int, int, bytes]:
    """(first value, width, shuffled differences)."""
    if max(map(abs, column)) >= NUMBER_LIMIT:
        raise BadData("a number in a segment must fit 62 bits")
    steps = [0, *(after - before for before, after in itertools.pairwise(column))]
    low, high = min(steps), max(steps)
    width = next(w for w in (1, 2, 4, 8) if -(1 << (8 * w - 1)) <= low and high < 1 << (8 * w - 1))
    raw = array(_TYPECODE[width], steps)
    if sys.byteorder == "big":
        raw.byteswap()
    data = raw.tobytes()
    return column[0], width, b"".join(data[byte::width] for byte in range(width))


def _split(data: bytes) -> tuple[Header, bytes, bytes, bytes]:
    parts = data.split(b"\n", 2)
    if len(parts) != 3:
        raise BadData("not a segment: header, signature and body are three parts")
    line, signature, body = parts
    try:
        header = msgspec.json.decode(line, type=Header)
        raw = base64.b64decode(signature, validate=True)
    except msgspec.DecodeError as exc:
        raise BadData(f"segment header: {exc}") from exc
    except binascii.Error as exc:
        raise BadData(f"segment signature is not base64: {exc}") from exc
    # One way to write a signature: else other bytes, another hash, would pass for the same segment.
    if base64.b64encode(raw) != signature:
        raise BadData("segment signature is not written the one way base64 has")
    return header, line, raw, body


def _unfold(body: bytes) -> tuple[_Contents, memoryview]:
    unzip = zlib.decompressobj()
    try:
        plain = unzip.decompress(body, MAX_BODY)
    except zlib.error as exc:
        raise BadData(f"segment body cannot be decompressed: {exc}") from exc
    if not unzip.eof or unzip.unused_data or len(plain) < 4:
        raise BadData("segment body is cut short, too long or over the size limit")
    (length,) = struct.unpack_from("<I", plain)
    try:
        contents = msgspec.json.decode(plain[4 : 4 + length], type=_Contents)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"segment layout: {exc}") from exc
    return contents, memoryview(plain)[4 + length :]


def _read_tables(layouts: Sequence[Layout], blob: memoryview) -> Iterator[Table]:
    at = 0
    for layout in layouts:
        _check(layout)
        columns = []
        for first, width in zip(layout.firsts, layout.widths, strict=True):
            size = layout.rows * width
            if at + size > len(blob):
                raise BadData("segment body is shorter than its layout")
            columns.append(Column(first, width, _unshuffle(blob[at : at + size], width)))
            at += size
        yield Table(
            layout.meter,
            layout.quality,
            layout.quantities,
            layout.exponents,
            layout.rows,
            columns[0],
            tuple(columns[1:]),
        )
    if at != len(blob):
        raise BadData("segment body is longer than its layout")


def _check(layout: Layout) -> None:
    count = len(layout.quantities)
    if layout.rows < 1 or count < 1 or len(layout.exponents) != count:
        raise BadData(f"segment layout of meter {layout.meter!r} does not fit together")
    if len(layout.widths) != count + 1 or len(layout.firsts) != count + 1:
        raise BadData(f"segment layout of meter {layout.meter!r} does not fit together")
    unknown = set(layout.quantities) - set(QUANTITIES)
    if unknown:
        raise BadData(f"meter {layout.meter!r}: unknown quantity {min(unknown)!r}")
    if layout.quality not in QUALITIES or not set(layout.widths) <= set(_TYPECODE):
        raise BadData(f"meter {layout.meter!r}: unknown quality or column width")
    if max(map(abs, layout.exponents)) > 18:
        raise BadData(f"meter {layout.meter!r}: an exponent is outside -18 … 18")


def _unshuffle(data: memoryview, width: int) -> bytes:
    rows = len(data) // width
    out = bytearray(len(data))
    for byte in range(width):
        out[byte::width] = data[byte * rows : (byte + 1) * rows]
    return bytes(out)
