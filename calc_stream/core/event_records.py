"""events.jsonl: one production event a line."""

from collections.abc import Iterable

from calc_stream.core.decimals import shortest
from calc_stream.core.events import Event
from calc_stream.core.json_lines import Line, read_lines
from wire.errors import BadData
from wire.messages import EVENT_TYPES, STATES
from wire.reasons import because, shown

# The last three number the events of one sender.
_COMMON = ("id", "t", "type", "source", "epoch", "n")
_KEYS = {
    "start": ("node", "batch", "product", "weight"),
    "stop": ("node", "batch"),
    "state": ("node", "state"),
    "quantity": ("batch", "good", "scrap", "unit"),
    "input": ("batch", "of", "lot", "quantity", "unit", "from"),
    "void": ("of",),
    "swap": ("meter", "closing", "opening"),
    "lot": ("lot", "unit", "factor", "document", "pcf", "supplier", "product"),
}

_NAMES = ("node", "batch", "unit", "of", "lot", "meter")
_REMARKS = ("document", "pcf", "supplier")


def parse_events(text: str, name: str) -> tuple[Event, ...]:
    """The events of a file, each id once. Raises BadData naming file, line and key."""
    events: dict[str, Event] = {}
    for line in read_lines(text, name):
        event = _event(line)
        known = events.setdefault(event.id, event)
        if known != event:
            raise line.refuse("id", f"{shown(event.id)} in line {known.line} says something else")
    return tuple(events.values())


def parse_event(text: str, name: str = "event") -> Event:
    """One event from its JSON, as the journal holds it. Raises BadData."""
    lines = list(read_lines(text, name))
    if len(lines) != 1:
        raise BadData(f"{name}: must be one line of JSON")
    return _event(lines[0])


def event_json(event: Event) -> dict[str, str]:
    """The event in the form `parse_event` reads, without what is default (time in ms apart)."""
    said = {
        "node": event.node,
        "batch": event.batch,
        "product": event.product or "",
        "weight": shortest(event.weight),
        "state": event.state,
        "good": shortest(event.good),
        "scrap": shortest(event.scrap),
        "unit": event.unit,
        "of": event.of,
        "lot": event.lot,
        "quantity": shortest(event.quantity),
        "from": "" if event.lot else event.part,
        "factor": "" if event.factor is None else shortest(event.factor),
        "document": event.document,
        "pcf": event.pcf,
        "supplier": event.supplier,
        "meter": event.meter,
        "closing": shortest(event.closing),
        "opening": shortest(event.opening),
    }
    return {key: said[key] for key in _KEYS[event.type] if said[key]}


def merge_events(known: dict[str, Event], fresh: Iterable[Event]) -> list[Event]:
    """The events that are new to `known`. Raises BadData when an id says something else."""
    new: dict[str, Event] = {}
    for event in fresh:
        earlier = known.get(event.id) or new.get(event.id)
        if earlier is None:
            new[event.id] = event
        elif earlier != event:
            raise BadData(f"event {shown(event.id)} was told before and said something else")
    return list(new.values())


def _event(line: Line) -> Event:
    kind = line.one_of("type", EVENT_TYPES)
    keys = _KEYS[kind]
    line.close((*_COMMON, *keys), because("unknown_key", type=kind))
    if kind == "input":
        keys = _taken_from(line, keys)
    told = {key: line.text(key) for key in _NAMES if key in keys}
    told |= {key: line.text(key) for key in _REMARKS if key in keys and key in line.values}
    event = Event(
        id=line.text("id"),
        t_ms=line.instant("t"),
        type=kind,
        product=line.text("product") if "product" in line.values else None,
        weight=line.amount("weight", "1"),
        state=line.one_of("state", STATES) if kind == "state" else "",
        good=line.amount("good", "0"),
        scrap=line.amount("scrap", "0"),
        quantity=line.amount("quantity") if kind == "input" else line.amount("quantity", "0"),
        part=line.one_of("from", ("good", "scrap"), "good"),
        line=line.number,
        closing=line.amount("closing", None if kind == "swap" else "0"),
        opening=line.amount("opening", None if kind == "swap" else "0"),
        factor=line.amount("factor") if "factor" in line.values else None,
        **told,
    )
    if event.weight == 0:
        raise line.refuse("weight", because("zero"))
    if kind == "lot":
        _check_lot(line)
    return event


def _taken_from(line: Line, keys: tuple[str, ...]) -> tuple[str, ...]:
    """An input is of another batch or from a lot that was bought; the keys that then go with it."""
    if ("of" in line.values) == ("lot" in line.values):
        raise line.refuse("of", because("of_or_lot"))
    if "lot" in line.values and "from" in line.values:
        raise line.refuse("from", because("lot_scrap"))
    return tuple(key for key in keys if key != ("of" if "lot" in line.values else "lot"))


def _check_lot(line: Line) -> None:
    """No value without a document, no lot without a value or a footprint to take it from."""
    if "factor" not in line.values and "pcf" not in line.values:
        raise line.refuse("factor", because("lot_factor"))
    if "document" not in line.values and "pcf" not in line.values:
        raise line.refuse("document", because("lot_document"))
