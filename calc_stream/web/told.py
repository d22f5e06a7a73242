"""Every production event with its place in the journal, for the page's list."""

from collections.abc import Iterable

import msgspec

from calc_stream.core.decimals import parse_instant
from wire.journal import Record
from wire.messages import ProductionEvent

# What was told by hand has an id that says by whom: hand/<name>/<id>.
HAND = "hand/"


class EventTold(ProductionEvent, frozen=True, kw_only=True, omit_defaults=False):
    """As it was told, where the journal has it, who told it by hand, and what voided it."""

    t_ms: int
    offset: int
    by: str | None = None
    voided_by: str | None = None


class EventsTold:
    """In the order of the journal. Changed by the engine's thread, read by others."""

    def __init__(self) -> None:
        self._told: list[EventTold] = []
        self._voided: dict[str, str] = {}

    def see(self, record: Record, event: ProductionEvent) -> None:
        said = msgspec.structs.asdict(event)
        self._told.append(
            EventTold(**said, t_ms=parse_instant(event.t), offset=record.offset, by=by(event.id))
        )
        if event.type == "void" and event.of is not None:
            self._voided.setdefault(event.of, event.id)

    def newest(self, before: int) -> Iterable[EventTold]:
        """Those at offsets below `before`, the latest first."""
        for told in reversed(self._told[:]):
            if told.offset < before:
                voided_by = self._voided.get(told.id)
                yield (
                    told
                    if voided_by is None
                    else msgspec.structs.replace(told, voided_by=voided_by)
                )


def by_hand(event: ProductionEvent, name: str) -> ProductionEvent:
    """The event with an id that says who told it."""
    mine = f"{HAND}{name}/"
    if event.id.startswith(mine):
        return event
    return msgspec.structs.replace(event, id=mine + event.id)


def by(identity: str) -> str | None:
    """Who told it by hand; None for one that came from a system."""
    name, found, _ = identity.removeprefix(HAND).partition("/")
    return name if identity.startswith(HAND) and found else None
