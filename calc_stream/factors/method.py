"""Method profiles: which factors may enter, and how results are rounded. Data, one TOML each."""

from fractions import Fraction
from pathlib import Path
from typing import Literal

import msgspec

from calc_stream.factors.row import Kind
from wire import config
from wire.config import refuse
from wire.errors import ConfigError

_FOLDER = Path(__file__).parent / "methods"


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the method demands of a model's policy; a model that says otherwise is refused."""

    setup: Literal["next", "pool"]
    idle: Literal["pool"]
    spread: Literal["none"]


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`digits`: decimals of kg in results, rounded half-even, once. `gwp`: the metric's set."""

    id: str
    title: str
    standard: str
    gwp: str
    factor_kind: Kind
    digits: int
    policy: Policy

    def rounded(self, kg: Fraction) -> str:
        """A mass as text with the method's decimals."""
        scaled = round(kg * 10**self.digits)
        sign, digits = "-" if scaled < 0 else "", str(abs(scaled)).rjust(self.digits + 1, "0")
        if not self.digits:
            return sign + digits
        return f"{sign}{digits[: -self.digits]}.{digits[-self.digits :]}"


def load_method(name: str) -> Method:
    """The profile of this id. Raises ConfigError naming those there are."""
    path = _FOLDER / f"{name}.toml"
    known = sorted(file.stem for file in _FOLDER.glob("*.toml"))
    if name not in known:
        raise ConfigError(f"method: {name!r} is not a method profile; known: {', '.join(known)}")
    method = config.load(path, Method)
    if method.id != name:
        raise refuse(path, "id", f"must be the file's name, {name}")
    if not 0 <= method.digits <= 12:
        raise refuse(path, "digits", "must be from 0 to 12")
    return method
