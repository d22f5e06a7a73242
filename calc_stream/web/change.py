"""Pure: what a page that has one snapshot must be told to have the next."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from calc_stream.web.alarm_book import AlarmNow
from calc_stream.web.snapshot import (
    AccountNow,
    BatchNow,
    MachineNow,
    MeterNow,
    Snapshot,
    SourceNow,
)
from calc_stream.web.view import Happening

R = TypeVar("R", bound=msgspec.Struct)
_SCALARS = ("frontier_ms", "offset", "latest_reading_ms", "method")
_WHOLE = ("closure", "events", "alarms")
# list -> what names a row of it
_KEYS = {"sources": "source", "batches": "batch", "accounts": "account", "meters": "meter"}


class Change(msgspec.Struct, frozen=True):
    """What moved: scalars, rows and lists replace those of before; points of a machine's
    `power_history` are new ones. `gone`: rows that are no more, by list."""

    now_ms: int
    frontier_ms: int | UnsetType | None = UNSET
    offset: int | UnsetType = UNSET
    latest_reading_ms: int | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    closure: dict[str, str] | UnsetType = UNSET
    sources: list[SourceNow] | UnsetType = UNSET
    batches: list[BatchNow] | UnsetType = UNSET
    accounts: list[AccountNow] | UnsetType = UNSET
    machines: list[MachineNow] | UnsetType = UNSET
    meters: list[MeterNow] | UnsetType = UNSET
    events: list[Happening] | UnsetType = UNSET
    alarms: list[AlarmNow] | UnsetType = UNSET
    gone: dict[str, list[str]] | UnsetType = UNSET


def change_between(before: Snapshot, after: Snapshot) -> Change:
    """Applied to `before` it gives `after`."""
    told: dict[str, Any] = {
        name: value
        for name in (*_SCALARS, *_WHOLE)
        if (value := getattr(after, name)) != getattr(before, name)
    }
    gone: dict[str, list[str]] = {}
    for name, key in _KEYS.items():
        moved, lost = _moved(getattr(before, name), getattr(after, name), _by(key))
        told |= {name: moved} if moved else {}
        gone |= {name: lost} if lost else {}
    machines, lost = _moved(before.machines, after.machines, _by("node"))
    gone |= {"machines": lost} if lost else {}
    if machines:
        newest = {m.node: m.power_history[-1][0] for m in before.machines if m.power_history}
        told["machines"] = [_grown(machine, newest.get(machine.node, -1)) for machine in machines]
    if gone:
        told["gone"] = gone
    return Change(after.now_ms, **told)


def _moved(
    before: Iterable[R], after: Iterable[R], key: Callable[[R], str]
) -> tuple[list[R], list[str]]:
    """Rows that are new or differ, and the keys of those that are no more."""
    known = {key(row): row for row in before}
    rows = {key(row): row for row in after}
    return [row for k, row in rows.items() if known.get(k) != row], [*(known.keys() - rows.keys())]


def _by(name: str) -> Callable[[Any], str]:
    return lambda row: str(getattr(row, name))


def _grown(machine: MachineNow, newest_ms: int) -> MachineNow:
    fresh = [point for point in machine.power_history if point[0] > newest_ms]
    return msgspec.structs.replace(machine, power_history=fresh)
