"""Statements of people and papers on their way into a group: what one must hold, and what it speaks of."""

import re
from collections.abc import Callable
from decimal import Decimal

import msgspec

from ingestor import events
from ingestor.admission import NOT_BEFORE_MS
from ingestor.events import Conflict
from ingestor.group import Group, Place, all_or_none
from wire.errors import BadData
from wire.journal import Entry, Writer
from wire.statements import CORRECTING, TYPES, Statement, read_statement
from wire.units import UNITS

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_MOST_TEXT = 500
_ALWAYS = ("id", "type", "by", "note")
_PAPER = ("source", "quantity", "unit", "document")

# type -> (keys it must have, keys it may have)
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "manual": (("t", "meter", "register"), ("unit",)),
    "delivery": (("t", *_PAPER), ("supplier",)),
    "bill": (("from", "to", *_PAPER), ("supplier",)),
    "correction": (("from", "to", "meter", "reason"), ()),
    "void": (("of", "reason"), ()),
}


class StatementIntake:
    """Judges statements on top of what the journal and the group have."""

    def __init__(self, journal: Writer, latest_ms: Callable[[str], int]) -> None:
        self._journal = journal
        self._latest_ms = latest_ms

    def posted(
        self, group: Group, site: str, documents: tuple[bytes, ...], dry_run: bool
    ) -> list[Place]:
        """All or none; Refused names each fault."""
        return all_or_none(
            group, documents, dry_run, lambda draft, data: self._one(draft, site, data)
        )

    def _one(self, group: Group, site: str, data: bytes) -> Place:
        told = read_statement(data)
        check(told)
        for key in ("t", "from", "to"):
            if text := _told(told).get(key):
                t_ms = _instant(told, key, text)
                if t_ms > self._latest_ms(site):
                    raise _bad(told, key, "is more than a day in the future")
                if t_ms < NOT_BEFORE_MS:
                    raise _bad(told, key, "is before the year 2000")
        kind = "correction" if told.type in CORRECTING else "reading"
        known = self._known(group, site, told.id)
        if known is not None and _content(known) != _content(told):
            problem = f"statement {told.id!r} was made before and said something else"
            raise Conflict(BadData(problem), msgspec.json.encode(told))
        if known is None:
            if told.of is not None:
                self._check_void(group, site, told, told.of)
            group.add(site, Entry(kind, told.id, msgspec.json.encode(told)))
        return site, kind, told.id, known is None

    def _check_void(self, group: Group, site: str, told: Statement, of: str) -> None:
        its = self._known(group, site, of)
        if its is None or its.type == "void":
            raise _bad(told, "of", f"{of!r} is no statement that can be taken back")

    def _known(self, group: Group, site: str, id_: str) -> Statement | None:
        for kind in ("reading", "correction"):
            entry = group.added.get((site, kind, id_)) or self._journal.find(site, kind, id_)
            if entry is not None:
                return read_statement(entry.data)
        return None


def check(told: Statement) -> None:
    """Raises BadData naming the key that is wrong."""
    if told.type not in TYPES:
        raise _bad(told, "type", f"is one of {', '.join(TYPES)}")
    must, may = _KEYS[told.type]
    keys = _told(told)
    for key in must:
        if key not in keys:
            raise _bad(told, key, f"is missing in a {told.type} statement")
    for key, text in keys.items():
        if key not in (*_ALWAYS, *must, *may):
            raise _bad(told, key, f"does not belong to a {told.type} statement")
        if not 0 < len(text) <= _MOST_TEXT or not text.isprintable():
            raise _bad(told, key, f"is 1 to {_MOST_TEXT} printable characters")
        if key in ("id", "meter", "source", "of") and not _NAME.fullmatch(text):
            raise _bad(told, key, "is letters, digits, . _ and -")
        if key in ("register", "quantity"):
            _check_amount(told, key, text)
        if key == "unit" and text not in UNITS:
            raise _bad(told, key, f"is one of {', '.join(sorted(UNITS))}")
        if key in ("t", "from", "to"):
            _instant(told, key, text)
    if "from" in keys and _instant(told, "from", keys["from"]) >= _instant(told, "to", keys["to"]):
        raise _bad(told, "to", "is after from")


def _check_amount(told: Statement, key: str, text: str) -> None:
    if not events.DECIMAL.fullmatch(text) or Decimal(text) < 0:
        raise _bad(told, key, 'is a decimal string from 0 up, such as "12.5"')


def _content(told: Statement) -> dict[str, object]:
    """By instants and numbers, not by their spelling."""
    content: dict[str, object] = dict(_told(told))
    for key, text in _told(told).items():
        if key in ("t", "from", "to"):
            content[key] = _instant(told, key, text)
        elif key in ("register", "quantity"):
            content[key] = Decimal(text)
    return content


def _told(told: Statement) -> dict[str, str]:
    fields: dict[str, str] = msgspec.to_builtins(told)
    return fields


def _instant(told: Statement, key: str, text: str) -> int:
    try:
        return events.instant(text)
    except ValueError as exc:
        raise _bad(told, key, str(exc)) from exc


def _bad(told: Statement, key: str, problem: str) -> BadData:
    return BadData(f"statement {told.id!r}: {key}: {problem}")
