"""Production events: what one must hold, and whether two with one id say the same."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec import Struct

from wire.errors import BadData
from wire.messages import EVENT_TYPES, STATES, Heartbeat, ProductionEvent
from wire.reasons import Reason, because

DECIMAL = re.compile(r"[+-]?\d{1,40}(\.\d{1,18})?", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,3}0*)?(?:Z|[+-]\d\d:[0-5]\d)", re.ASCII
)
_NODE = re.compile(r"[A-Za-z0-9._-]{1,128}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_TEXT = 128
MOST_NUMBER = 2**53  # what every JSON reader has exactly

# type -> (keys it must have, keys it may have)
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "start": (("node", "batch"), ("product", "weight")),
    "stop": (("node", "batch"), ()),
    "state": (("node", "state"), ()),
    "quantity": (("batch", "unit"), ("good", "scrap")),
    "input": (("batch", "quantity", "unit"), ("of", "lot", "from")),
    "void": (("of",), ()),
    "swap": (("meter", "closing", "opening"), ()),
    "lot": (("lot", "unit"), ("factor", "document", "pcf", "supplier", "product")),
}
_AMOUNTS = ("weight", "good", "scrap", "quantity", "closing", "opening", "factor")
_DEFAULTS = {"weight": "1", "good": "0", "scrap": "0", "from": "good"}
_ALWAYS = ("id", "t", "type", "source", "epoch", "n")


class Fault(Struct, frozen=True):
    """What is wrong with one document of several; `conflict` is set where its id was used before. Of an
    event also which key it is and why, for those who say it in their own words."""

    at: int
    problem: str
    conflict: bytes | None = None
    key: str = ""
    reason: Reason | None = None


class Refused(BadData):
    """Documents of which none is taken, because of these faults."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0].problem}{more}")
        self.faults = faults


class BadEvent(BadData):
    """An event that will never be good: which key of it, and why."""

    def __init__(self, event: ProductionEvent, key: str, reason: Reason) -> None:
        super().__init__(f"event {event.id!r}: {key}: {reason}")
        self.key, self.reason = key, reason


class Conflict(BadData):
    """An id that was used before for something else; `data` is the event that came second."""

    def __init__(self, why: BadData, data: bytes) -> None:
        super().__init__(str(why))
        self.why, self.data = why, data


def fault_of(at: int, why: BadData, conflict: bytes | None = None) -> Fault:
    """As one of several."""
    if isinstance(why, BadEvent):
        return Fault(at, str(why), conflict, why.key, why.reason)
    return Fault(at, str(why), conflict)


def read_event(data: bytes) -> ProductionEvent:
    """One event from its JSON, checked by the rules of the records. BadData names the key."""
    try:
        event = msgspec.json.decode(data, type=ProductionEvent)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"event: {exc}") from exc
    check(event)
    return event


def read_message(data: bytes) -> ProductionEvent | Heartbeat:
    """What a plant's system published: an event or a heartbeat. Raises BadData."""
    try:
        keys = msgspec.json.decode(data, type=dict[str, msgspec.Raw]).keys()
        if "heartbeat" in keys:
            return read_heartbeat(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"event message: {exc}") from exc
    return read_event(data)


def read_heartbeat(data: bytes) -> Heartbeat:
    """Raises BadData."""
    try:
        beat = msgspec.json.decode(data, type=Heartbeat)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"heartbeat: {exc}") from exc
    for key in ("source", "epoch"):
        if not _NODE.fullmatch(getattr(beat, key) or "-"):
            raise BadData(f"heartbeat: {key}: is letters, digits, . _ and -")
    if not beat.source or not 0 <= beat.n < MOST_NUMBER or not 0 <= beat.heartbeat < MOST_NUMBER:
        raise BadData("heartbeat: source, n and heartbeat: are a name, a count and UTC ms")
    return beat


class Numbered(Struct, frozen=True):
    """What can be said of an event that is no good otherwise."""

    source: str
    n: int
    epoch: str | None = None
    id: str = ""


def numbered(data: bytes) -> Numbered | None:
    """Whose event number this is, if it says so."""
    try:
        told = msgspec.json.decode(data, type=Numbered)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    names = (told.source, told.epoch or "-")
    is_number = 0 < told.n < MOST_NUMBER
    return told if is_number and all(_NODE.fullmatch(each) for each in names) else None


def check(event: ProductionEvent) -> None:
    """Raises BadData naming the key that is wrong."""
    if event.type not in EVENT_TYPES:
        raise BadEvent(event, "type", _one_of(EVENT_TYPES, event.type))
    told = _told(event)
    must, may = _KEYS[event.type]
    for key in must:
        if key not in told:
            raise BadEvent(event, key, because("missing"))
    for key in told:
        if key not in (*must, *may):
            raise BadEvent(event, key, because("unknown_key", type=event.type))
    for key, text in {**told, "id": event.id}.items():
        if not 0 < len(text) <= _MOST_TEXT or not text.isprintable():
            raise BadEvent(event, key, because("printable", most=str(_MOST_TEXT)))
    if event.type == "input" and ("of" in told) == ("lot" in told):
        raise BadEvent(event, "of", because("of_or_lot"))
    if event.type == "lot" and not told.keys() & {"factor", "pcf"}:
        raise BadEvent(event, "factor", because("lot_factor"))
    _check_values(event, told)
    _check_number(event)


def t_ms(event: ProductionEvent) -> int:
    """The event's instant. Raises BadData."""
    try:
        return instant(event.t)
    except ValueError as exc:
        why = because("no_instant", value=event.t, problem=str(exc))
        raise BadEvent(event, "t", why) from exc


def instant(text: str) -> int:
    """An instant with a zone, in ms since the epoch. Raises ValueError."""
    if not _INSTANT.fullmatch(text):
        raise ValueError("is an instant with zone, at most ms: 2026-11-21T08:00:00.000Z")
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
    except OverflowError as exc:
        raise ValueError(str(exc)) from exc


def encode(event: ProductionEvent) -> bytes:
    """The event as the journal holds it."""
    return msgspec.json.encode(event)


def same(one: ProductionEvent, other: ProductionEvent) -> bool:
    """Whether both say the same: by instants, numbers and defaults, not by their spelling."""
    return _content(one) == _content(other)


def _content(event: ProductionEvent) -> tuple[object, ...]:
    must, may = _KEYS[event.type]
    told = _told(event)
    values: list[object] = []
    for key in (*must, *may):
        text = told.get(key, _DEFAULTS.get(key))
        values.append(Decimal(text) if text is not None and key in _AMOUNTS else text)
    return event.id, event.type, t_ms(event), *values


def _told(event: ProductionEvent) -> dict[str, str]:
    fields: dict[str, str] = msgspec.to_builtins(event)
    return {key: value for key, value in fields.items() if key not in _ALWAYS}


def _check_values(event: ProductionEvent, told: dict[str, str]) -> None:
    t_ms(event)
    for key in ("node", "meter"):
        if key in told and not _NODE.fullmatch(told[key]):
            raise BadEvent(event, key, because("no_name"))
    for key, choices in (("state", STATES), ("from", ("good", "scrap"))):
        if key in told and told[key] not in choices:
            raise BadEvent(event, key, _one_of(choices, told[key]))
    for key in _AMOUNTS:
        text = told.get(key)
        if text is None:
            continue
        if not DECIMAL.fullmatch(text):
            why = because("no_decimal", value=text, problem='is a decimal string such as "12.5"')
            raise BadEvent(event, key, why)
        if Decimal(text) < 0:
            raise BadEvent(event, key, because("below_zero"))
        if key == "weight" and not Decimal(text):
            raise BadEvent(event, key, because("zero"))


def _check_number(event: ProductionEvent) -> None:
    numbered = event.n is not None and event.source is not None
    if not numbered and (event.n, event.source, event.epoch) != (None, None, None):
        raise BadEvent(event, "n", because("numbered"))
    if event.n is not None and not 1 <= event.n < MOST_NUMBER:
        raise BadEvent(event, "n", because("numbered"))
    for key, name in (("source", event.source), ("epoch", event.epoch)):
        if name is not None and not _NODE.fullmatch(name):
            raise BadEvent(event, key, because("no_name"))


def _one_of(choices: Sequence[str], value: str) -> Reason:
    return because("one_of", choices=", ".join(choices), value=value)
