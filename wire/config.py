"""A TOML file becomes one frozen struct, or one line that names file and key."""

import re
import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import inspect

from wire.errors import ConfigError

T = TypeVar("T")
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


def load(path: Path, type_: type[T]) -> T:
    """The file at `path` as a `type_`. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark before the text
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {exc.start})") from exc
    return decode(text, type_, str(path))


def decode(text: str, type_: type[T], name: str) -> T:
    """TOML `text` as a `type_`; `name` is the file the messages speak of. Raises ConfigError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{name}: is not valid TOML: {exc}") from exc
    return convert(table, type_, name)


def convert(table: object, type_: type[T], name: str, under: str = "") -> T:
    """A parsed table as a `type_`. Raises ConfigError naming `name` and the key.

    `under` is the key of the table itself, where it is not the whole file.
    """
    try:
        return msgspec.convert(table, type_, dec_hook=_path)
    except msgspec.ValidationError as exc:
        raise _named(_with_choices(_with_key(str(exc), table, type_), type_), name, under) from exc


def refuse(file: str | Path, key: str, problem: str) -> ConfigError:
    """The one-line error for a key a struct cannot judge by type alone."""
    return ConfigError(f"{file}: {key}: {problem}")


def readable(settings: msgspec.Struct, file: str | Path, key: str) -> None:
    """That every file these settings name can be read. Raises ConfigError.

    The settings stand at `key` of `file`.
    """
    for name in settings.__struct_fields__:
        path = getattr(settings, name)
        if isinstance(path, Path):
            try:
                path.open("rb").close()
            except OSError as exc:
                problem = f"{path}: cannot be read: {exc.strerror}"
                raise refuse(file, f"{key}.{name}", problem) from exc


def read_secret(path: Path) -> str:
    """A secret from its own file, without the line end. Raises ConfigError, never shows content."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as exc:
        raise ConfigError(f"{path}: secret file cannot be read: {exc.strerror}") from exc
    if not secret:
        raise ConfigError(f"{path}: secret file is empty")
    return secret


def _path(type_: type, text: object) -> Path:
    """msgspec asks here for what TOML has no type for; the only such type in use is a path."""
    if type_ is not Path:
        # msgspec's own word for it; a struct with such a field is a mistake of ours, not of a file.
        raise NotImplementedError(f"no way to read a {type_.__name__} from TOML")
    if not isinstance(text, str) or not text:
        raise ValueError("Expected a path in quotes")
    return Path(text)


def _with_key(message: str, table: object, type_: type) -> str:
    """msgspec writes `meters[...]` for an entry of a table of tables; people need its name.

    The entry is found by leaving only one at a time in a copy of the table.
    """
    _, _, where = message.partition(" - at `$")
    path, found, _ = where.partition("[...]")
    inner = table
    for key in filter(None, path.split(".")):
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not found or not isinstance(inner, dict):
        return message
    entries = dict(inner)
    try:
        for key, value in entries.items():
            inner.clear()
            inner[key] = value
            try:
                msgspec.convert(table, type_, dec_hook=_path)
            except msgspec.ValidationError as exc:
                if str(exc) == message:
                    return message.replace("[...]", f".{key}", 1)
    finally:
        inner.clear()
        inner.update(entries)
    return message


def _with_choices(message: str, type_: type) -> str:
    """msgspec says which word is wrong; people need those that are right."""
    what, _, where = message.partition(" - at `$")
    if not what.startswith("Invalid enum value"):
        return message
    path = re.sub(r"\[[^]]*\]", ".*", where.rstrip("`")).split(".")
    known = _choices(inspect.type_info(type_), [step for step in path if step])
    return message.replace(what, f"{what}; it takes {', '.join(known)}", 1) if known else message


def _choices(node: inspect.Type, path: list[str]) -> list[str]:
    """The words that may stand at a path, in order; `*` and a name lead into a list or a table."""
    if isinstance(node, inspect.UnionType):
        return next((found for kind in node.types if (found := _choices(kind, path))), [])
    if isinstance(node, inspect.LiteralType) and not path:
        return [str(value) for value in node.values]
    if isinstance(node, inspect.StructType) and path:
        fields = (field.type for field in node.fields if field.encode_name == path[0])
        return next((_choices(field, path[1:]) for field in fields), [])
    if isinstance(node, inspect.DictType) and path:
        return _choices(node.value_type, path[1:])
    if isinstance(node, inspect.ListType | inspect.VarTupleType) and path:
        return _choices(node.item_type, path[1:])
    return []


def _named(message: str, name: str, under: str) -> ConfigError:
    """msgspec says `problem - at `$.broker.port``; people look for `broker.port` first."""
    what, _, where = message.partition(" - at `$")
    key = _join(under, where.rstrip("`").lstrip("."))
    missing = re.fullmatch(r"Object missing required field `([^`]+)`", what)
    unknown = re.fullmatch(r"Object contains unknown field `([^`]+)`", what)
    if missing:
        return ConfigError(f"{name}: {_join(key, missing[1])}: is missing")
    if unknown:
        return ConfigError(f"{name}: {_join(key, unknown[1])}: is not a known key")
    return ConfigError(f"{name}: {key or '(top level)'}: {what}")


def _join(table: str, key: str) -> str:
    return f"{table}.{key}" if table and key else table or key
