"""What a person ordered about keys, in files until the journal has it.

Only the ingestor appends to the journal; whoever may write into its state may tell it what. A
running one looks every second, one that was stopped before it takes anything else.
"""

import logging
import secrets
from pathlib import Path

import msgspec

from ingestor.keys import KeyRecord
from wire.errors import ConfigError
from wire.files import keep

log = logging.getLogger(__name__)


class Orders:
    """A folder of orders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, told: KeyRecord) -> Path:
        """Order that this be known of a key. Raises ConfigError."""
        path = self._folder / f"{told.id}-{secrets.token_hex(4)}.json"
        try:
            keep(path, msgspec.json.encode(told))
        except OSError as exc:
            raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
        return path

    def waiting(self) -> list[tuple[Path, KeyRecord]]:
        """What is not done yet, the oldest first; what cannot be read is set aside."""
        found = []
        for path in sorted(self._folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
            try:
                found.append((path, msgspec.json.decode(path.read_bytes(), type=KeyRecord)))
            except (OSError, msgspec.DecodeError) as exc:
                self.refuse(path, str(exc))
        return found

    def done(self, path: Path) -> None:
        """The journal has it."""
        path.unlink(missing_ok=True)

    def refuse(self, path: Path, why: str) -> None:
        """It will never be done; it stays to be looked at."""
        log.error("%s: refused: %s", path, why)
        path.rename(path.with_suffix(".refused"))
