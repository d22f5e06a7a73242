"""Meter profiles: the facts about one meter model, one TOML file a model.

A profile says where each quantity stands in the meter, how it is written there, and how much one
request may ask for. Wiring, transformer ratios and names belong to the site's configuration.
`scale` times the raw number is in `unit`; `decimals` is the resolution, in the quantity's unit,
to which a value is rounded half to even; `modulus` (in `unit`) is where the counter starts again
at 0; `sentinel` (hex) means «not measured»; `plus` names further registers whose sum with the
first is the quantity (tariffs); `secondary` marks values of the transformers' secondary side.
Grades: A the maker's document and two independent sources agree, B some agree, C a single source.
"""

import difflib
import importlib.resources
from pathlib import Path
from typing import Any

import wire.config
from edge_agent.profiles.model import (
    Identity,
    IdentityRegister,
    Kind,
    Limits,
    Part,
    Place,
    Profile,
    Register,
    Serial,
    factor,
    problems,
)
from wire.errors import ConfigError, ProfileError

__all__ = [
    "Identity",
    "IdentityRegister",
    "Kind",
    "Limits",
    "Part",
    "Place",
    "Profile",
    "Register",
    "Serial",
    "factor",
    "load",
    "names",
    "parse",
]


def names() -> list[str]:
    """Names of the profiles that come with the agent, sorted."""
    files = importlib.resources.files(__name__).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def load(name: str, *, allow_unverified: bool = False) -> Profile:
    """The profile `name`: one of `names()`, a path ending in .toml, or `package.module.name`.

    Raises ProfileError naming file and key. A grade C profile (a single source, never compared
    with a meter) is refused unless `allow_unverified`.
    """
    profile = parse(_text(name), name)
    if profile.grade == "C" and not allow_unverified:
        raise ProfileError(
            f"{name}: grade: C means a single source: compare one reading with the meter's own"
            " display, then set allow_unverified = true"
        )
    return profile


def parse(text: str, name: str) -> Profile:
    """A profile from TOML text; `name` is what errors call it. Raises ProfileError."""
    try:
        table = wire.config.decode(text, dict[str, Any], name)
        if isinstance(registers := table.get("registers"), dict):
            for quantity, register in registers.items():
                wire.config.convert(register, Register, f"{name}: registers.{quantity}")
        profile = wire.config.convert(table, Profile, name)
    except ConfigError as exc:
        raise ProfileError(str(exc)) from exc
    for key, problem in problems(profile):
        raise ProfileError(f"{name}: {key}: {problem}")
    return profile


def _text(name: str) -> str:
    package, _, stem = name.rpartition(".")
    try:
        if name.endswith(".toml"):
            return Path(name).read_text(encoding="utf-8")
        folder = importlib.resources.files(package or __name__)
        return (folder / f"{stem}.toml").read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise ProfileError(f"{name}: is not UTF-8 text (byte {exc.start})") from exc
    except (OSError, ModuleNotFoundError) as exc:
        near = " or ".join(difflib.get_close_matches(name, names(), n=3))
        raise ProfileError(
            f"{name}: no such profile; a name of `edge-agent profiles list`, a path ending in"
            f" .toml or package.name{near and f'; did you mean {near}?'}"
        ) from exc
