"""What a Modbus number would be if its words came the other way round. Pure."""

from fractions import Fraction

import msgspec

from edge_agent import registers
from edge_agent.drivers import Wanted
from edge_agent.exact import as_fraction
from edge_agent.profiles.modbus import Limits, Profile
from wire.errors import BadData


def exchanged(wanted: Wanted, quantity: str, raw: str) -> Fraction | None:
    """The number, from its words in hex; None where there is no other order, or no number in it."""
    profile = wanted.profile
    if not isinstance(profile, Profile):
        return None
    register = profile.registers[quantity]
    if register.size < 2 or register.plus or not raw:
        return None
    order = "big" if register.words == "little" else "little"
    other = msgspec.structs.replace(
        profile,
        registers={quantity: msgspec.structs.replace(register, words=order)},
        limits=Limits(),
    )
    (block,) = registers.plan(other, [quantity], registers.Learned(), wanted.ct, wanted.pt)
    try:
        value = registers.decode(block, [int(word, 16) for word in raw.split()])[quantity]
    except BadData:
        return None
    return as_fraction(value) if value is not None else None
