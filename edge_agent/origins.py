"""Where a counter's values come from: a name alone does not say it, for a configuration changes.

With another address, another place in the meter, another unit or another transformer it is another
register, and what it shows is no rise of the one before. Pure.
"""

import msgspec

from edge_agent.bus import Wanted
from edge_agent.scaling import worth
from wire.quantities import QUANTITIES

# Of a meaning: what `worth` says already, and what only rounds or bounds.
_NOT_WHERE = ("unit", "scale", "offset", "secondary", "decimals", "modulus", "valid", "optional")


def origins(wanted: Wanted) -> dict[str, str]:
    """Counter -> where it is read, and what one of its raw number is worth; to be compared."""
    found = {}
    for quantity in wanted.quantities:
        if QUANTITIES[quantity].cumulative:
            meaning = wanted.profile.meanings[quantity]
            where = {**_said(wanted.address), **_said(meaning, *_NOT_WHERE)}
            size = worth(quantity, meaning, wanted.ct, wanted.pt)
            found[quantity] = f"{msgspec.json.encode(where, order='deterministic').decode()} {size}"
    return found


def _said(told: msgspec.Struct, *but: str) -> dict[str, object]:
    """A struct's values that are not its defaults: a later version may know more of them."""
    return {
        field.name: value
        for field in msgspec.structs.fields(told)
        if field.name not in but and (value := getattr(told, field.name)) != field.default
    }
