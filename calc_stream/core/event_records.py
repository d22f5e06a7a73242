"""events.jsonl: one production event a line."""

from collections.abc import Iterable

from calc_stream.core.decimals import shortest, shown
from calc_stream.core.events import Event
from calc_stream.core.json_lines import Line, read_lines
from wire.errors import BadData
from wire.messages import EVENT_TYPES, STATES

_COMMON = ("id", "t", "type", "source", "n")  # the last two number the events of one sender
_KEYS = {
    "start": ("node", "batch", "product", "weight"),
    "stop": ("node", "batch"),
    "state": ("node", "state"),
    "quantity": ("batch", "good", "scrap", "unit"),
    "input": ("batch", "of", "quantity", "unit", "from"),
    "void": ("of",),
    "swap": ("meter", "closing", "opening"),
}


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
        "quantity": shortest(event.quantity),
        "from": event.part,
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
    line.close((*_COMMON, *keys), f" of a {kind} event")
    told = {key: line.text(key) for key in ("node", "batch", "unit", "of", "meter") if key in keys}
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
        **told,
    )
    if event.weight == 0:
        raise line.refuse("weight", "must be above zero")
    return event
