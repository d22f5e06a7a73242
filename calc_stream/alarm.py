"""What an alarm is."""

from typing import Literal

import msgspec

# fmt: off
Kind = Literal[
    "closure", "record", "doubt", "reset", "clock",
    "silent", "unread", "event", "unmapped", "residual",
    "gap", "over_limit", "long", "certificate", "backlog", "unheard",
]
# fmt: on


class Alarm(msgspec.Struct, frozen=True):
    """`kind` is for programs, `about` names the thing, `text` is for people; `t_ms`: since when.

    `detail`: what the text says, by name, for those who say it otherwise.
    """

    kind: Kind
    about: str
    text: str
    t_ms: int | None = None
    detail: dict[str, str] = {}
