"""In which line of a TOML text a key stands, for error messages."""

import re

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)([^\]]+)\]")
_KEY = re.compile(
    r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def line_of(text: str, path: Path) -> int:
    """The line of the key, or of the nearest table around it; 1 when there is none."""
    best, best_length = 1, 0
    table: Path = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            table = _parts(header[2])
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
                table = (*table, counts[header[2]])
            here = table
        elif key := _KEY.match(line):
            here = (*table, *_parts(key[1]))
        else:
            continue
        shared = here[: len(path)]
        if len(shared) > best_length and shared == path[: len(shared)]:
            best, best_length = number, len(shared)
    return best


def key_in(text: str, number: int) -> str | None:
    """The key or table that line `number` (from 1) begins, if it begins one."""
    line = text.split("\n")[number - 1]
    found = _KEY.match(line) or _HEADER.match(line)
    return found[found.lastindex or 1].strip() if found else None


def _parts(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
