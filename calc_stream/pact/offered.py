"""The document of a footprint: as it was first offered, else as it would be."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from calc_stream.footprints.declaration import Declaration
from calc_stream.footprints.footprint import Footprint
from calc_stream.pact.mapping import of_footprint
from calc_stream.pact.model import ProductFootprint
from wire import files
from wire.errors import BadData, TransientError


@dataclass(frozen=True)
class Declared:
    """What customers are told besides figures. `base`: where they reach us; `drafts`: whether these
    are for them; `offered`: the folder of the documents they got."""

    declaration: Declaration
    base: str
    drafts: bool
    offered: Path

    def is_for_others(self, footprint: Footprint) -> bool:
        return not footprint.draft or self.drafts

    def document(self, footprint: Footprint, known: Mapping[str, Footprint]) -> ProductFootprint:
        """`known`: by id, all it took the place of. Raises BadData, TransientError."""
        path = self._path(footprint)
        try:
            return msgspec.json.decode(path.read_bytes(), type=ProductFootprint)
        except FileNotFoundError:
            told = msgspec.structs.replace(footprint, supersedes=self._before(footprint, known))
            return of_footprint(told, self.declaration, self.base)
        except OSError as exc:
            raise TransientError(f"{path}: {exc.strerror}") from exc
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise BadData(f"{path}: is no document of ours: {exc}") from exc

    def offer(self, footprint: Footprint, known: Mapping[str, Footprint]) -> ProductFootprint:
        """From now on it stays what it is. Raises BadData, TransientError."""
        made, path = self.document(footprint, known), self._path(footprint)
        try:
            if not path.exists():
                files.keep(path, msgspec.json.encode(made), 0o644)
        except OSError as exc:
            raise TransientError(f"{path}: {exc.strerror}") from exc
        return made

    def _path(self, footprint: Footprint) -> Path:
        return self.offered / f"{footprint.id}.json"

    def _before(self, footprint: Footprint, known: Mapping[str, Footprint]) -> tuple[str, ...]:
        """Those whose place it takes for others, who know of no draft between."""
        found, open_ = list[str](), list(footprint.supersedes)
        while open_:
            before = known[open_.pop(0)]
            if self.is_for_others(before):
                found.append(before.id)
            else:
                open_ += before.supersedes
        return tuple(dict.fromkeys(found))
