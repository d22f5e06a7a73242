"""A TOML file becomes one frozen struct, or one line that names file and key."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Sequence
from itertools import chain
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


def convert(
    table: object, type_: type[T], name: str, under: str = "", beside: Sequence[str] = ()
) -> T:
    """A parsed table as a `type_`. Raises ConfigError naming `name` and the key.

    `under` is the key of the table itself, where it is not the whole file; `beside`: what else may
    stand in it, and is read elsewhere.
    """
    try:
        return msgspec.convert(table, type_, dec_hook=_path)
    except msgspec.ValidationError as exc:
        message = _with_key(str(exc), table, type_)
        told = _named(message, inspect.type_info(type_), name, under, beside)
        raise ConfigError(told) from exc


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
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    if not secret:
        raise ConfigError(f"{path}: is empty")
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


def _named(message: str, kind: inspect.Type, name: str, under: str, beside: Sequence[str]) -> str:
    """msgspec says `problem - at `$.broker.port``; people look for `broker.port` first, and for what
    would be right there."""
    what, _, where = message.partition(" - at `$")
    where = where.rstrip("`").lstrip(".")
    key = _join(under, where)
    if missing := re.fullmatch(r"Object missing required field `([^`]+)`", what):
        return f"{name}: {_join(key, missing[1])}: is missing"
    kinds = list(_kinds(kind, re.sub(r"\[[^]]*\]", ".*", where).split(".") if where else []))
    if unknown := re.fullmatch(r"Object contains unknown field `([^`]+)`", what):
        structs = (kind for kind in kinds if isinstance(kind, inspect.StructType))
        known = [field.encode_name for struct in structs for field in struct.fields]
        cure = _cure(unknown[1], [*known, *beside])
        return f"{name}: {_join(key, unknown[1])}: is not a known key{cure}"
    if what.startswith("Invalid enum value"):
        words = (kind.values for kind in kinds if isinstance(kind, inspect.LiteralType))
        what += f"; it takes {', '.join(map(str, chain(*words)))}"
    return f"{name}: {key or '(top level)'}: {what}"


def _cure(wrong: str, known: Sequence[str]) -> str:
    if near := difflib.get_close_matches(wrong, known, n=1):
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(known)}" if known else ""


def _kinds(node: inspect.Type, path: list[str]) -> Iterator[inspect.Type]:
    """What may stand at a path; `*` and a name lead into a list or a table."""
    if isinstance(node, inspect.UnionType):
        for kind in node.types:
            yield from _kinds(kind, path)
    elif not path:
        yield node
    elif isinstance(node, inspect.StructType):
        for field in node.fields:
            if field.encode_name == path[0]:
                yield from _kinds(field.type, path[1:])
    elif isinstance(node, inspect.DictType):
        yield from _kinds(node.value_type, path[1:])
    elif isinstance(node, inspect.ListType | inspect.VarTupleType):
        yield from _kinds(node.item_type, path[1:])


def _join(table: str, key: str) -> str:
    return f"{table}.{key}" if table and key else table or key
