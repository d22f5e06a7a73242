"""What a working meter shows: the ranges outside which profile, word order or wiring is doubted.

Pure. A range is no proof: it only says where a person should look twice.
"""

from fractions import Fraction

from wire.quantities import QUANTITIES

Range = tuple[Fraction, Fraction]

_BY_UNIT = {
    "Hz": (Fraction(45), Fraction(65)),
    "1": (Fraction(-1), Fraction(1)),
    "degC": (Fraction(-50), Fraction(200)),
    "A": (Fraction(-100_000), Fraction(100_000)),
    "W": (Fraction(-(10**9)), Fraction(10**9)),
}
_MOST_COUNTED = 10**11  # 100 TWh: beyond it stands a word order, not a counter
_PHASE = (Fraction(50), Fraction(500))  # 100 V transformers to 690 V lines
_LINE = (Fraction(80), Fraction(900))
_LINES = ("voltage_l1_l2", "voltage_l2_l3", "voltage_l3_l1")


def range_of(quantity: str, pt: Fraction = Fraction(1)) -> Range | None:
    """The least and most a usual grid or pipe gives; None for what may be anything.

    `pt`: the ratio of voltage transformers before the meter, whose primary side may be shown.
    """
    if QUANTITIES[quantity].cumulative:
        return None
    if QUANTITIES[quantity].unit == "V":
        low, high = _LINE if quantity in _LINES else _PHASE
        return low, high * max(pt, Fraction(1))
    return _BY_UNIT.get(QUANTITIES[quantity].unit)


def is_plausible(quantity: str, number: Fraction, pt: Fraction = Fraction(1)) -> bool:
    """Whether a meter that works would show `number`; a counter is never below zero."""
    if QUANTITIES[quantity].cumulative:
        return 0 <= number < _MOST_COUNTED
    limits = range_of(quantity, pt)
    return limits is None or limits[0] <= number <= limits[1]
