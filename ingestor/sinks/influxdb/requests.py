"""What goes into which request, and in what order.

Like tables go together, meter by meter: long columns cost less to write as text, and a database less
to find its series for.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from ingestor.line_protocol import event_line, table_lines
from wire.segment import Segment, Table

# Where influxd is fastest, and few pages of memory are new each time. A line costs as much as two values.
_VALUES, _VALUES_A_LINE = 100_000, 2

Told = tuple[str, Table]  # site, table
Kind = tuple[str, str, tuple[str, ...], tuple[int, ...]]  # site, quality, quantities, exponents


def shared_out(segments: Sequence[tuple[int, Segment]], shares: int) -> list[list[Told]]:
    """The tables in so many shares. All of a meter are in one, in the order they were told."""
    shared: list[list[Told]] = [[] for _ in range(shares)]
    share_of: dict[tuple[str, str], list[Told]] = {}
    for _, segment in segments:
        site = segment.header.site
        for table in segment.tables:
            share = share_of.setdefault((site, table.meter), shared[len(share_of) % shares])
            share.append((site, table))
    return shared


def of_tables(tables: Iterable[Told]) -> Iterator[bytes]:
    """The lines of each request."""
    alike: dict[Kind, list[Table]] = {}
    for site, table in tables:
        kind = (site, table.quality, table.quantities, table.exponents)
        alike.setdefault(kind, []).append(table)
    for like in alike.values():
        like.sort(key=lambda table: table.meter)
    for request in _cut((kind, table) for kind, like in alike.items() for table in like):
        groups = groupby(request, key=itemgetter(0))
        yield b"".join(table_lines(kind[0], [t for _, t in group]) for kind, group in groups)


def of_events(segments: Sequence[tuple[int, Segment]]) -> bytes:
    """The lines of all meter events."""
    return b"".join(event_line(s.header.site, event) for _, s in segments for event in s.events)


def _cut(tables: Iterable[tuple[Kind, Table]]) -> Iterator[list[tuple[Kind, Table]]]:
    request, values = [], 0
    for kind, table in tables:
        request.append((kind, table))
        values += table.rows * (len(table.quantities) + _VALUES_A_LINE)
        if values >= _VALUES:
            yield request
            request, values = [], 0
    if request:
        yield request
