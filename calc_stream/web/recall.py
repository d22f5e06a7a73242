"""After a restart: what the page shows of records that the ledger holds already."""

from contextlib import closing
from pathlib import Path

from calc_stream.decode import decode
from calc_stream.web.told import EventsTold
from calc_stream.web.view import View
from wire.errors import BadData, TransientError
from wire.journal import Reader, Record, Remote, open_reader

_BACK_MS = 600_000
_AT_ONCE = 200


def recall(journal: Path | Remote, site: str, upto: int, view: View, events: EventsTold) -> None:
    """Power, quality and happenings of the last ten minutes, and all events, up to an offset."""
    if not upto:
        return
    try:
        with closing(open_reader(journal)) as reader:
            for record in reader.of_kind(site, "event"):
                if record.offset <= upto:
                    _see(record, None, events)
            for record in _tail(reader, site, upto):
                _see(record, view, None)
    except TransientError:
        return  # the engine says so, and waits for it; then all it takes is new to the page


def _tail(reader: Reader, site: str, upto: int) -> list[Record]:
    """The records of the last ten minutes, in order."""
    found: list[Record] = []
    while upto and (not found or found[0].t_ms > found[-1].t_ms - _BACK_MS):
        after = max(0, upto - _AT_ONCE)
        found = reader.read(site, after, upto - after) + found
        upto = after
    return found


def _see(record: Record, view: View | None, events: EventsTold | None) -> None:
    try:
        decoded = decode(record, {})
    except BadData:
        return  # the site has noted it
    if view is not None:
        view.take(decoded)
    if events is not None and decoded.production is not None:
        events.see(record, decoded.production)
