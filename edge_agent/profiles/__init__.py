"""Meter profiles: the facts about one meter model, one TOML file a model.

A profile says where each quantity stands in the meter, how it is written there, and how much one
request may ask for. Wiring, transformer ratios and names belong to the site's configuration. What
is the same for every protocol stands in `model.py`; a protocol's own shape (`protocol = "modbus"`
where a file names none) stands in a file of its name. `secondary` marks values of the
transformers' secondary side.
Grades: A the maker's document and two independent sources agree, B some agree, C a single source.
"""

import difflib
import importlib
import importlib.resources
import pkgutil
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import wire.config
from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning, Profile, Serial, factor, offset
from wire.errors import ConfigError, ProfileError

__all__ = [
    "Meaning",
    "Profile",
    "Serial",
    "factor",
    "load",
    "load_as",
    "names",
    "offset",
    "parse",
    "protocols",
]

P = TypeVar("P", bound=Profile)


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


def load_as(type_: type[P], name: str, *, allow_unverified: bool = False) -> P:
    """The profile `name`, which must be of this protocol's type. Raises ProfileError."""
    profile = load(name, allow_unverified=allow_unverified)
    if not isinstance(profile, type_):
        raise ProfileError(f"{name}: protocol: is a profile for {profile.protocol}")
    return profile


def parse(text: str, name: str) -> Profile:
    """A profile from TOML text; `name` is what errors call it. Raises ProfileError."""
    try:
        table = wire.config.decode(text, dict[str, Any], name)
        shape = _shape(table.get("protocol", "modbus"), name)
        if isinstance(registers := table.get("registers"), dict):
            for quantity, register in registers.items():
                wire.config.convert(register, shape.Register, f"{name}: registers.{quantity}")
        profile: Profile = wire.config.convert(table, shape.Profile, name)
    except ConfigError as exc:
        raise ProfileError(str(exc)) from exc
    for key, problem in chain(model.problems(profile), shape.problems(profile)):
        raise ProfileError(f"{name}: {key}: {problem}")
    return profile


def protocols() -> list[str]:
    """Protocols that have a shape here, sorted."""
    return sorted(i.name for i in pkgutil.iter_modules(__path__) if i.name != "model")


def _shape(protocol: object, name: str) -> Any:
    """The module with `Register`, `Profile` and `problems` of a protocol."""
    if protocol not in protocols():
        known = ", ".join(protocols())
        raise ProfileError(f"{name}: protocol: no such protocol {protocol!r}; known: {known}")
    return importlib.import_module(f"{__name__}.{protocol}")


def _text(name: str) -> str:
    package, _, stem = name.rpartition(".")
    try:
        if name.endswith(".toml"):
            return Path(name).read_text(encoding="utf-8")
        folder = importlib.resources.files(package or __name__)
        return (folder / f"{stem}.toml").read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        raise ProfileError(f"{name}: is not UTF-8 text (byte {exc.start})") from exc
    except (OSError, ModuleNotFoundError, TypeError, ValueError) as exc:  # what no import takes
        near = " or ".join(difflib.get_close_matches(name, names(), n=3))
        raise ProfileError(
            f"{name}: no such profile; a name of `edge-agent profiles list`, a path ending in"
            f" .toml or package.name{near and f'; did you mean {near}?'}"
        ) from exc
