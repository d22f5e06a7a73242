"""Which fields of a figure are shown at which level, from a file of lists."""

from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from calc_stream.evidence.disclosure import Kind
from wire import config
from wire.config import refuse
from wire.errors import ConfigError

FULL = "full"
_SHIPPED = Path(__file__).with_name("levels.toml")


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of fields by level, for each kind of figure."""

    footprint: dict[str, list[str]]
    batch: dict[str, list[str]]


def load_levels(known: dict[Kind, type[msgspec.Struct]], path: Path | None = None) -> Levels:
    """The shipped ones, or those of a file. `known`: what each kind of figure is. Raises ConfigError."""
    file = path or _SHIPPED
    found = config.load(file, Levels)
    for kind, type_ in known.items():
        for level, names in getattr(found, kind).items():
            if level == FULL:
                raise refuse(file, f"{kind}.{level}", "is the whole bundle; it has no list")
            for name in names:
                if name != "*" and name.partition(".")[0] not in type_.__struct_fields__:
                    raise refuse(file, f"{kind}.{level}", f"a {kind} has no field {name!r}")
    return found


def shown_at(levels: Levels, kind: Kind, level: str) -> Callable[[str], bool]:
    """Whether a field is shown. Raises ConfigError for a level that is none."""
    lists: dict[str, list[str]] = getattr(levels, kind)
    if level not in lists:
        known = ", ".join([FULL, *lists])
        raise ConfigError(f"--level: {level!r} is none of a {kind}: {known}")
    names = frozenset(lists[level])

    def shown(field: str) -> bool:
        return "*" in names or field in names or field.partition(".")[0] in names

    return shown


def lacking(levels: Levels, kind: Kind, level: str, shown: Collection[str]) -> list[str]:
    """Fields of a level's list that are not among those shown, whatever somebody's own list calls so."""
    lists: dict[str, list[str]] = getattr(levels, kind)
    parts = {name.partition(".")[0] for name in shown}
    return [name for name in lists.get(level, ()) if name != "*" and name not in {*shown, *parts}]
