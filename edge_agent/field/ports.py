"""Serial ports by the names that survive renumbering."""

from pathlib import Path

BY_ID = Path("/dev/serial/by-id")


def names(folder: Path = BY_ID) -> list[str]:
    """The ports that are plugged in, by names that stay the same."""
    return sorted(str(path) for path in folder.iterdir()) if folder.is_dir() else []


def lasting(device: str, folder: Path = BY_ID) -> str:
    """The name of `device` that stays the same, where it has one."""
    port = Path(device).resolve()
    return next((name for name in names(folder) if Path(name).resolve() == port), device)


def plugged_in(folder: Path = BY_ID) -> str:
    """What there is, for a message."""
    found = names(folder)
    return f"plugged in: {', '.join(found)}" if found else "no serial adapter is plugged in"
