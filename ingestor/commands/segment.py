"""`ingestor segment show`: what a sealed segment holds, for people or as JSON."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec

from ingestor import config
from wire.errors import ConfigError
from wire.journal import open_reader
from wire.messages import MeterEvent, Sample
from wire.quantities import QUANTITIES
from wire.segment import MAX_SEGMENT, Segment, Table, open_segment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `segment`."""
    add = parser.add_argument
    add("action", choices=("show",))
    add("file", nargs="?", metavar="FILE", help="a sealed segment, as it was sent; - is stdin")
    add("--config", type=Path, metavar="FILE", help="look into the journal this one names")
    add("--offset", type=int, metavar="N", help="of the segment's record in the journal")
    add("--site", metavar="SITE", help="needed where the journal holds several")
    add("--json", action="store_true", help="header, readings and events, one JSON object a line")


def is_wrong(arguments: argparse.Namespace) -> bool:
    """Neither a file nor a place in a journal, or both."""
    in_journal = arguments.config is not None and arguments.offset is not None
    return (arguments.file is None) != in_journal


def show(arguments: argparse.Namespace) -> int:
    """Print it. Raises BadData for bytes that are no segment."""
    if arguments.file is not None:
        segment = open_segment(_of_file(arguments.file))
    else:
        segment = open_segment(_of_journal(arguments))
    for line in _as_json(segment) if arguments.json else _as_text(segment):
        print(line)
    return 0


def _of_file(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read(MAX_SEGMENT + 1)
    try:
        return Path(name).read_bytes()
    except OSError as exc:
        raise ConfigError(f"{name}: cannot be read: {exc.strerror}") from exc


def _of_journal(arguments: argparse.Namespace) -> bytes:
    plan, offset, site = config.load(arguments.config), arguments.offset, arguments.site
    with closing(open_reader(plan.config.journal)) as journal:
        sites = journal.sites()
        if site is None and len(sites) != 1:
            raise ConfigError(f"--site: name one of: {', '.join(sites) or '(none yet)'}")
        records = journal.read(site or sites[0], offset - 1, 1)
    if not records or records[0].offset != offset:
        raise ConfigError(f"--offset: the journal of {site or sites[0]} has no record {offset}")
    if records[0].kind != "segment":
        raise ConfigError(f"--offset: record {offset} is no segment but of kind {records[0].kind}")
    return records[0].data


def _as_json(segment: Segment) -> Iterator[str]:
    yield msgspec.json.encode(segment.header).decode()
    for table in segment.tables:
        for sample in table.samples():
            told = msgspec.to_builtins(sample) | {"values": _decimals(sample)}
            yield msgspec.json.encode(told).decode()
    for event in segment.events:
        yield msgspec.json.encode(event).decode()


def _as_text(segment: Segment) -> Iterator[str]:
    header = segment.header
    yield f"{header.site}/{header.gateway}, stream {header.stream}, segment {header.seq}"
    yield f"  from {_stamp(header.t_first_ms)} to {_stamp(header.t_last_ms)}"
    yield f"  readings {header.readings}, events {len(segment.events)}, encoding {header.encoding}"
    yield f"  hash {segment.hash}"
    yield f"  prev {header.prev}"
    yield f"  clock {header.clock}, boot {header.boot}"
    yield f"  names key {header.key}; whether that key signed it, `journal verify` says"
    for table in segment.tables:
        yield ""
        yield from _rows(table)
    if segment.events:
        yield ""
    for event in segment.events:
        yield _event(event)


def _rows(table: Table) -> Iterator[str]:
    units = [QUANTITIES[quantity].unit for quantity in table.quantities]
    yield f"{table.meter}, {table.quality}, {table.rows} rows"
    head = ["time (UTC)", *map("{} {}".format, table.quantities, units)]
    rows = [[_stamp(s.t_ms), *_decimals(s).values()] for s in table.samples()]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        yield "  " + "  ".join(map(str.rjust, row, widths))


def _event(event: MeterEvent) -> str:
    detail = ", ".join(f"{key} {value}" for key, value in event.detail.items())
    return f"{_stamp(event.t_ms)}  {event.meter}: {event.event}{detail and f' ({detail})'}"


def _decimals(sample: Sample) -> dict[str, str]:
    """Exact decimals of each quantity's unit."""
    return {
        quantity: format(Decimal(mantissa).scaleb(exponent), "f")
        for quantity, (mantissa, exponent) in sample.values.items()
    }


def _stamp(t_ms: int) -> str:
    """Any number is shown, also one that is no date."""
    try:
        instant = datetime.fromtimestamp(t_ms // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{t_ms} ms"
    return f"{instant:%Y-%m-%d %H:%M:%S}.{t_ms % 1000:03}"
