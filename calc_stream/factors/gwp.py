"""Sets of global warming potentials over 100 years: data, one TOML a set, with its document."""

from fractions import Fraction
from pathlib import Path

import msgspec

from calc_stream.factors.parts import number
from calc_stream.factors.row import Status
from wire import config
from wire.config import refuse
from wire.errors import BadData, ConfigError

_FOLDER = Path(__file__).parent / "gwp_sets"


class GwpSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kg of CO2e for a kg of each gas, as decimal strings. CH4 without a word is the mean of both."""

    id: str
    publisher: str
    document: str
    dated: str
    url: str
    sha256: str
    status: Status
    gases: dict[str, str]

    def numbers(self) -> dict[str, Fraction]:
        return {gas: number(text) for gas, text in self.gases.items()}


def known_sets() -> list[str]:
    """The ids there are."""
    return sorted(path.stem.upper() for path in _FOLDER.glob("*.toml"))


def load_gwp(name: str) -> GwpSet:
    """The set of this id, such as AR6. Raises ConfigError naming those there are."""
    if name not in known_sets():
        raise ConfigError(f"gwp: {name!r} is not a GWP set; known: {', '.join(known_sets())}")
    path = _FOLDER / f"{name.lower()}.toml"
    found = config.load(path, GwpSet)
    try:
        found.numbers()
    except BadData as exc:
        raise refuse(path, "gases", str(exc)) from exc
    if found.gases.get("CO2") != "1":
        raise refuse(path, "gases.CO2", "must be 1: every other gas is measured by it")
    return found
