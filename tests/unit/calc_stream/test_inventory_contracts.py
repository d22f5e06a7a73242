"""A site's inventory with contracts: what one covers of a month depends on the others."""

import json
from datetime import datetime
from fractions import Fraction

from calc_stream.core.model import parse_model
from calc_stream.core.records import parse_readings
from calc_stream.core.versions import Versions
from calc_stream.evidence.case import Case
from calc_stream.evidence.inventory import inventory
from calc_stream.factors import FactorSet, load, load_method
from calc_stream.factors.instruments import Instrument

from .test_inventory import HOURS, MODEL, PER_HOUR, named

# As Shanghai has them; what was read begins with the last day of the first.
MONTHS = "2026-09-30T16:00:00+00:00", "2026-10-31T16:00:00+00:00", "2026-11-30T16:00:00+00:00"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


# 3600 kWh come from the grid while it holds, a third of them in the second month: a quarter is covered.
CONTRACT = Instrument(
    id="sichuan",
    type="certificates",
    source="grid",
    factor="cn-sc-grid-co2",
    valid_from_ms=ms("2026-10-30T16:00:00+00:00"),
    valid_to_ms=ms("2026-11-01T04:00:00+00:00"),
    publisher="p",
    document="contract-1",
    dated="2026-01-01",
    url="",
    hash="",
    match="period",
    volumes=("900",),
    certificates=("GEC-1",),
    certificate_volume="900",
)


def test_a_contract_covers_of_each_month_its_part_of_all_that_its_source_gave() -> None:
    """600 kWh of the first, 300 of the second: no kWh of the 900 counts in both."""
    known = load()
    factors = FactorSet.of(known.rows, known.entries, (CONTRACT,))
    versions = Versions.of([parse_model(MODEL, "m")])
    readings = [
        {"meter": meter, "t": t, "register": str(per_hour * at)}
        for meter, per_hour in PER_HOUR.items()
        for at, t in enumerate(HOURS)
    ]
    text = "\n".join(map(json.dumps, readings))
    case = Case(
        *(versions, [], parse_readings(text, "r", versions.meters)),
        *(factors, load_method("ghg_inventory")),
    )
    [cq], [sc] = named("cn-cq-grid-co2"), named("cn-sc-grid-co2")
    for first, last, covered in ((*MONTHS[:2], 600), (*MONTHS[1:], 300)):
        found = inventory(case, "a month", (ms(first), ms(last)))
        by_contract = covered * Fraction(sc.value) + (2400 - covered) * Fraction(cq.value)
        assert Fraction(found.total.scope_2_location or 0) == 2400 * Fraction(cq.value)
        assert abs(Fraction(found.total.scope_2_market or 0) - by_contract) < Fraction(1, 10**6)
        assert found.difference.scope_2_market == "0.000000"
        # Half of the power is sold on, and with it half of what the contract covers.
        out = Fraction(found.exported.scope_2_market or 0)
        assert abs(out - by_contract / 2) < Fraction(1, 10**6)
