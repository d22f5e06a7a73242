"""A configuration read again: what may change while the agent runs, and what is different."""

from collections.abc import Iterable
from pathlib import Path

from edge_agent import config
from edge_agent.config import Plan
from wire.config import refuse
from wire.errors import ConfigError

_FIXED = ("site", "gateway", "state", "broker")
_MOST_NAMES = 20


def read_again(path: Path, running: Plan) -> Plan | list[ConfigError]:
    """The plan to go on with, or everything that speaks against it."""
    if told := config.problems(path):
        return told
    try:
        plan = config.load(path)
    except ConfigError as exc:  # changed a moment ago
        return [exc]
    old, new = running.config, plan.config
    fixed = [key for key in _FIXED if getattr(old, key) != getattr(new, key)]
    return [refuse(path, key, "needs a restart; nothing was changed") for key in fixed] or plan


def differences(old: Plan, new: Plan) -> dict[str, str]:
    """What is different, in words: buses and meters added, removed and changed."""
    found = {}
    for kind, was, is_ in (("buses", old.buses, new.buses), ("meters", old.meters, new.meters)):
        both = was.keys() & is_.keys()
        for what, names in (
            ("added", is_.keys() - was.keys()),
            ("removed", was.keys() - is_.keys()),
            ("changed", {name for name in both if was[name] != is_[name]}),
        ):
            if names:
                found[f"{kind}_{what}"] = _list(names)
    if any(getattr(old.config, key) != getattr(new.config, key) for key in _settings(new)):
        found["settings"] = "changed"
    return found


def _settings(plan: Plan) -> Iterable[str]:
    return set(plan.config.__struct_fields__) - {"buses", "meters"}


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _MOST_NAMES
    shown = ", ".join(ordered[:_MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
