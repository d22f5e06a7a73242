"""Pulse and 4-20 mA inputs: a Modbus I/O module as a meter, told in the site's configuration.

An I/O module knows nothing of what hangs on it, so it has no profile: the site says at which of
its registers which quantity stands, and what a pulse is worth or which range the loop carries.

~~~toml
[meters.m-gas]
bus = "line-a"
unit_id = 21                                   # the module; several meters may share it
rated_flow_per_h = "160"

[meters.m-gas.inputs.gas_volume]
at = 0
fc = 4
as = "u32"
pulse = "0.01"                                 # what one pulse is worth
unit = "m3"

[meters.m-air.inputs.pressure]
at = 8
as = "u16"
loop = ["4000", "20000"]                       # the raw numbers at 4 and at 20 mA
range = ["0", "10"]                            # what they stand for
unit = "bar"
~~~

A counter of pulses starts again at 0 where its type ends, unless `modulus` (in pulses) says
otherwise. A loop below 3.6 mA or above 21 mA is a broken wire or a failed transmitter (NAMUR NE 43):
nothing was measured.
"""

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from edge_agent.profiles import Profile, modbus, model
from edge_agent.profiles.modbus import Kind, Order, Register
from wire.errors import ProfileError
from wire.quantities import QUANTITIES

MODEL = "I/O module"
_FAULT_BELOW_MA, _FAULT_ABOVE_MA = Fraction("3.6"), Fraction(21)


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input of the module: `pulse`, or `loop` with `range`."""

    at: int
    unit: str
    as_: Kind = msgspec.field(name="as", default="u32")
    fc: int = 3
    words: Order = "big"
    pulse: str | None = None
    modulus: int | None = None
    loop: tuple[str, str] | None = None
    range: tuple[str, str] | None = None
    decimals: int = 3


def profile(inputs: Mapping[str, Input]) -> Profile:
    """The meter these inputs make. Raises ProfileError naming the key under `inputs`."""
    registers = {}
    for quantity, item in inputs.items():
        try:
            registers[quantity] = _register(quantity, item)
        except ValueError as exc:
            raise ProfileError(f"{quantity}: {exc}") from exc
    made = modbus.Profile(
        vendor="-",
        model=MODEL,
        grade="A",
        source="the site's configuration",
        registers=registers,
    )
    for key, problem in (*model.problems(made), *modbus.problems(made)):
        raise ProfileError(f"{key.removeprefix('registers.')}: {problem}")
    return made


def _register(quantity: str, item: Input) -> Register:
    if quantity not in QUANTITIES:
        raise ValueError("no such quantity")
    if item.fc not in (3, 4):
        raise ValueError("fc is 3 (holding registers) or 4 (input registers)")
    if (item.pulse is None) == (item.loop is None) or (item.loop is None) != (item.range is None):
        raise ValueError("needs either pulse, or loop and range")
    if item.pulse is not None:
        return _pulses(quantity, item, item.pulse)
    return _loop(quantity, item)


def _pulses(quantity: str, item: Input, worth: str) -> Register:
    if not QUANTITIES[quantity].cumulative:
        raise ValueError("is no counter; pulses count")
    if item.as_[0] != "u":
        raise ValueError("pulses are counted in u16, u32 or u64")
    if not model.is_positive(worth):
        raise ValueError('pulse is a decimal in quotes above 0, as "0.01"')
    modulus = item.modulus or 1 << 16 * modbus.WORDS[item.as_]
    return Register(
        at=item.at,
        as_=item.as_,
        fc=4 if item.fc == 4 else 3,
        words=item.words,
        unit=item.unit,
        scale=worth,
        modulus=str(modulus * Fraction(worth)),
    )


def _loop(quantity: str, item: Input) -> Register:
    if QUANTITIES[quantity].cumulative:
        raise ValueError("is a counter; a loop shows what is now")
    try:
        low, high = map(Fraction, item.loop or ())
        zero, full = map(Fraction, item.range or ())
    except ValueError:
        raise ValueError(
            'loop and range are two decimals in quotes, as ["4000", "20000"]'
        ) from None
    if low >= high or zero == full:
        raise ValueError("loop must rise, and range cannot be nothing")
    per_ma = (high - low) / 16
    scale = (full - zero) / (high - low)
    if scale < 0:
        raise ValueError("range must rise")
    return Register(
        at=item.at,
        as_=item.as_,
        fc=4 if item.fc == 4 else 3,
        words=item.words,
        unit=item.unit,
        decimals=item.decimals,
        scale=str(scale),
        offset=str(zero - low * scale),
        valid=(
            str(low + (_FAULT_BELOW_MA - 4) * per_ma),
            str(low + (_FAULT_ABOVE_MA - 4) * per_ma),
        ),
    )
