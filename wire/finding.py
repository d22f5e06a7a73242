"""One thing a doctor looked at, in words a person can act on, and for monitoring as a number.

Both doctors, of the gateway and of the ingestor, end with 0 (all is well), 1 (something will go
wrong) or 2 (something is), as monitoring systems take it.
"""

import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from wire import certificate
from wire.errors import ConfigError

_DAY_MS = 86_400_000
_SOON_DAYS = 30

Level = Literal["ok", "warn", "bad"]
_CODES: dict[Level, int] = {"ok": 0, "warn": 1, "bad": 2}
_SIGNS: dict[Level, str] = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


class Finding(msgspec.Struct, frozen=True):
    """`cure` is empty where nothing is wrong."""

    what: str
    found: str
    cure: str = ""
    level: Level = "ok"


def ok(what: str, found: str) -> Finding:
    return Finding(what, found)


def warn(what: str, found: str, cure: str) -> Finding:
    return Finding(what, found, cure, "warn")


def bad(what: str, found: str, cure: str) -> Finding:
    return Finding(what, found, cure, "bad")


def tell(findings: Iterable[Finding], as_json: bool) -> int:
    """Print them as they are found, or one JSON object; the exit code."""
    worst, kept = 0, []
    for finding in findings:
        worst = max(worst, _CODES[finding.level])
        kept.append(finding)
        if not as_json:
            print(f"{_SIGNS[finding.level]} {finding.what}: {finding.found}")
            if finding.cure:
                print(f"     cure: {finding.cure}")
    if as_json:
        told = {"code": worst, "findings": kept}
        print(msgspec.json.format(msgspec.json.encode(told)).decode())
    return worst


def dates(what: str, path: Path, now_ms: int, cure: str, soon_days: int = _SOON_DAYS) -> Finding:
    """Whether the certificate in `path` counts, and for how long; `cure`: how to get another."""
    try:
        found = certificate.load(path)
    except ConfigError as exc:
        return bad(what, str(exc), cure)
    text = f"{path}: {found.name}, good until {found.until}"
    if now_ms >= found.until_ms:
        return bad(what, f"{path}: {found.name} has expired on {found.until}", cure)
    if now_ms < found.from_ms:
        problem = f"{path}: {found.name} is not good yet by our clock"
        return bad(what, problem, "set the clock, run NTP")
    if found.until_ms - now_ms < soon_days * _DAY_MS:
        return warn(what, f"{text}: in {(found.until_ms - now_ms) // _DAY_MS} days", cure)
    return ok(what, text)


def private(what: str, path: Path) -> Finding:
    """Whether nobody but its owner can read a secret."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as exc:
        return bad(what, f"{path}: cannot be read: {exc.strerror}", "restore it, or make a new one")
    if mode & 0o077:
        return bad(what, f"{path}: others may use it (mode {mode:o})", f"chmod 600 {path}")
    return ok(what, f"{path}: its owner's only")


def pair(what: str, cert: Path, key: Path | None, now_ms: int, cure: str) -> list[Finding]:
    """A certificate that is shown, and its key."""
    return [dates(what, cert, now_ms, cure), private(f"{what}, key", key or cert)]
