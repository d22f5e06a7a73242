"""Time stamps on tree heads: whether every head has one, and whether they come in time."""

from collections.abc import Iterator

from rfc3161_client import decode_timestamp_response

from ingestor.attested import STAMP
from wire.finding import Finding, ok, warn
from wire.journal import Reader, heads
from wire.journal.heads import TreeHead

_HOUR_MS = 3_600_000
_WAITS_MS = 2 * _HOUR_MS  # a server that fails is asked once an hour at least
_LATE_MS = 24 * _HOUR_MS


def examine(journal: Reader, site: str, now_ms: int) -> Iterator[Finding]:
    """Of a site whose heads are to be stamped."""
    what = f"time stamps of {site}"
    signed = [heads.read_head(record) for record in journal.of_kind(site, heads.KIND)]
    missing, late, last_ms = [], 0, 0
    for head in signed:
        came_ms = _came_ms(journal, head)
        if came_ms is None:
            missing.append(head)
        else:
            last_ms = came_ms - head.time_ms
            late += last_ms > _LATE_MS
    waiting = [head for head in missing if now_ms - head.time_ms > _WAITS_MS]
    if waiting:
        heads_ = f"{len(waiting)} heads have" if len(waiting) > 1 else "a head has"
        cure = "is [timestamps] url reached? The ingestor's log names what it answers"
        yield warn(what, f"{heads_} none; the first is of {waiting[0].day}", cure)
    elif last_ms > _LATE_MS:
        cure = "a late one proves no early time: does the server, or the way to it, fail for days?"
        yield warn(what, f"the last came {last_ms // _HOUR_MS} h after its head", cure)
    else:
        told = f"; {late} came more than a day later" if late else ""
        yield ok(what, f"{len(signed) - len(missing)} of {len(signed)} heads have one{told}")


def _came_ms(journal: Reader, head: TreeHead) -> int | None:
    """When a head was there, by its stamp."""
    record = journal.find(head.site, STAMP, str(head.size))
    if record is None:
        return None
    told = decode_timestamp_response(record.data).tst_info.gen_time
    return round(told.timestamp() * 1000)
