"""Where the core runs: each file is one engine, found by its name.

A file has a sample `[engine]` table in its docstring, `Settings`, and `run`.
"""

import importlib
from types import ModuleType
from typing import Any

from wire import config
from wire.errors import ConfigError


def find(kind: str) -> ModuleType:
    """The engine's module; a dotted name is somebody else's. Raises ConfigError."""
    name = kind if "." in kind else f"{__name__}.{kind}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise ConfigError(f"engine.kind: there is no engine {kind!r}") from exc


def settings(table: dict[str, Any], file: str) -> tuple[ModuleType, Any]:
    """(module, its settings) for an `[engine]` table. Raises ConfigError."""
    try:
        engine = find(str(table.get("kind", "embedded")))
    except ConfigError as exc:
        raise ConfigError(f"{file}: {exc}") from exc
    rest = {key: value for key, value in table.items() if key != "kind"}
    return engine, config.convert(rest, engine.Settings, f"{file}: engine")
