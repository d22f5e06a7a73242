"""What InfluxDB's answer to a write means for what we do next; 1.x, 2.x, 3 Core, VictoriaMetrics. Pure."""

import re
from collections.abc import Callable

from wire.errors import TransientError

_OPERATOR_PAUSE_S = 30.0
_DROPPED = re.compile(r"dropped=([1-9][0-9]*)")


class TooBig(Exception):
    """413: smaller pieces may pass."""


class BadLines(Exception):
    """The server refuses something among the lines; `dropped` of them, where it says how many."""

    def __init__(self, said: str, dropped: int = 0) -> None:
        super().__init__(said)
        self.dropped = dropped


def judge(status: int, body: str, retry_after: str | None) -> None:
    """What a write's answer means. Returns if the lines are kept; else raises by effect.

    A status alone does not say what was kept: of lines with a bad one among them 1.x and 3 keep the
    others, 2.x keeps none. Written again, good lines change nothing on any of them.
    """
    if 200 <= status < 300:
        return
    said = f"{status} {body.strip()[:300]}"
    if status == 413:
        raise TooBig(said)
    # What no line is to blame for: a missing database, or a limit on tables, series and the like.
    is_ours = "not found" in body or re.search(r"limit exceeded|exceeds? .*limit", body)
    if not is_ours and (status in (400, 422) or (status == 500 and "retention policy" in body)):
        dropped = _DROPPED.search(body)
        raise BadLines(said, int(dropped[1]) if dropped else 0)
    if is_ours or (400 <= status < 500 and status not in (408, 429)):
        # Password, token, database: a person has to act; what we have stays in the journal.
        raise TransientError(f"the database refuses us: {said}", _OPERATOR_PAUSE_S)
    told = float(retry_after) if retry_after and retry_after.isdigit() else None
    raise TransientError(f"the database answers {said}", told)


def refused(send: Callable[[bytes], None], lines: bytes) -> list[tuple[bytes, str]]:
    """Send lines, and halve what is refused until the line to blame stands alone: it, and why.

    `send` raises as `judge` does. Raises TransientError: some lines may be kept by then.
    """
    if not lines:
        return []
    try:
        send(lines)
    except (BadLines, TooBig) as exc:
        single = lines.splitlines(keepends=True)
        if len(single) == 1 or (isinstance(exc, BadLines) and exc.dropped == len(single)):
            return [(lines, str(exc))]
        middle = len(single) // 2
        halves = b"".join(single[:middle]), b"".join(single[middle:])
        return [each for half in halves for each in refused(send, half)]
    return []
