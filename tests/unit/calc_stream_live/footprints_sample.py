"""A published footprint as a small plant would have it: two batches, electricity and natural gas.

1340 kWh at 0.5777 and 238 Nm3 at 2.16 (burnt) and 0.608 (supplied) are 774.118 + 514.08 + 144.704 =
1432.902 kg over 210 pieces. Nothing is primary; 10 % of the energy came out of a pool.
"""

import hashlib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from calc_stream.footprints.declaration import Company, Declaration, Input, Product
from calc_stream.footprints.footprint import (
    BatchUsed,
    Doubted,
    Evidence,
    FactorUsed,
    Footprint,
    SourceUsed,
    Spread,
    Upstream,
)
from calc_stream.footprints.identity import identified

# Limits that each figure meets.
GRADES = """
source = "an example"
unit = "piece"
method = "gbt24067"
[[class]]
name = "A"
"""


def _ms(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    return round(moment.timestamp()) * 1000


def _row(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_GRID = FactorUsed(
    id="cn-grid-footprint-2024",
    value="0.5777",
    unit="kgCO2e/kWh",
    stage="life_cycle",
    region="CN",
    data_year=2024,
    publisher="MEE, NBS, NEA",
    document="Announcement of the 2024 electricity carbon footprint factors, annex (PDF)",
    url="https://www.mee.gov.cn/xxgk2018/xxgk/xxgk01/202510/W020251024569470952545.pdf",
    hash="",
    status="verified",
    primary=False,
    kg="774.118",
)
_BURNT = FactorUsed(
    id="cn-natural-gas-combustion-2025",
    value="2.16",
    unit="kgCO2e/Nm3",
    stage="direct",
    region="CN",
    data_year=2025,
    publisher="CPCD",
    document="12020X0162025C 天然气 大门到坟墓",
    url="",
    hash="",
    status="secondary",
    primary=False,
    kg="514.08",
)
_SUPPLIED = msgspec.structs.replace(
    _BURNT,
    id="cn-natural-gas-supply-2024",
    value="0.608",
    stage="upstream",
    data_year=2024,
    document="12020X0142024C 天然气 摇篮到大门",
    kg="144.704",
)
_BATCHES = (
    BatchUsed("B-0101", 1, 4711, "100", "701.888000", _row("B-0101")),
    BatchUsed("B-0102", 2, 4790, "110", "731.014000", _row("B-0102")),
)
_BASIS = hashlib.sha256("".join(f"{b.batch}\t{b.revision}\n" for b in _BATCHES).encode())
_PLAIN = Footprint(
    id="",
    site="cq-wheel",
    product="wheel-17",
    unit="piece",
    method="gbt24067",
    period="2026-10",
    timezone="Asia/Shanghai",
    start_ms=_ms("2026-10-01"),
    end_ms=_ms("2026-11-01"),
    published_ms=_ms("2026-11-01T00:10:00"),
    cause="period",
    batches=_BATCHES,
    good="210",
    scrap="3",
    energy_kwh="1340.000000",
    kwh_per_unit="6.38095238095",
    total_kg_co2e="1432.902000",
    kg_co2e="6.82334285714",
    columns={"direct": "2.44800000000", "life_cycle": "3.68627619047", "upstream": "0.68906666667"},
    by_location="6.82334285714",
    by_market="6.82334285714",
    stages={
        "value_adding": "5.84100857142",
        "overhead": "0.30000000001",
        "allocated": "0.68233428571",
        "inherited": "0",
    },
    sources=(
        SourceUsed(
            "gas", "natural_gas", "Nm3", "238.000000", {"direct": "514.08", "upstream": "144.704"}
        ),
        SourceUsed("grid", "electricity", "kWh", "1340.000000", {"life_cycle": "774.118"}),
    ),
    factors=(_GRID, _BURNT, _SUPPLIED),
    factor_status="secondary",
    factor_sets=(_row("factors"),),
    models=(_row("model"),),
    spread=Spread("6.64558181818", "7.01888", "0.263662"),
    u95=Doubted("0.0638095", "0.0751", ()),
    measured_share="0.998",
    measured_activity_share="0.998",
    primary_data_share="0",
    traceable_share="1",
    gwp="AR6",
    standard="GB/T 24067-2024",
    allocation="setup=next; idle=pool; spread=machine_hours/day",
    valid_from_ms=_ms("2026-11-01"),
    valid_until_ms=_ms("2027-11-01"),
    evidence=Evidence(4790, _BASIS.hexdigest(), 0, ""),
)

INGOT = Input(
    name="Aluminium ingot",
    amount="12.1",
    unit="kg",
    kg_co2e="14.3",
    supplier="Example Aluminium",
    source="their PACT footprint of 2026",
    primary_share="0.6",
    pcf="3fa85f64-5717-4562-b3fc-2c963f66afa6",
)


def sample(**changes: Any) -> Footprint:
    """Gate to gate and a draft; with the id that belongs to it after the changes."""
    return identified(msgspec.structs.replace(_PLAIN, **changes))


def complete(**changes: Any) -> Footprint:
    """Cradle to gate: 12.1 kg of ingot at 14.3 are 173.03 kg, of which 0.6 primary."""
    bought = Upstream(
        *("Aluminium ingot", "12.1", "kg", "173.03", "Example Aluminium", INGOT.pcf, "0.6"),
        "their PACT footprint of 2026",
    )
    told = {
        "upstream": (bought,),
        "upstream_kg_co2e": "173.03",
        "boundary": "cradle_to_gate",
        "draft": False,
        "primary_data_share": "0.577237",  # 173.03 x 0.6 of 179.85334285714 kg
    }
    return sample(**{**told, **changes})


def declaration() -> Declaration:
    """What is declared of the product, all inputs included."""
    wheel = Product(
        id="wheel-17",
        name="Aluminium wheel 17 in",
        name_zh="17 英寸铝车轮",
        description="Cast aluminium wheel, machined and painted",
        description_zh="铸造铝车轮，机加工并喷涂",
        mass_kg="11.2",
        fossil_carbon_kg="0.012",
        cn_code="8708 70 50",
        cpc="49129",
        ids=("urn:gtin:04012345678901",),
        inputs_complete=True,
        input=(INGOT,),
    )
    company = Company(
        "Chongqing Example Wheels",
        "wheels.example.com",
        "CN",
        "CN-CQ",
        (),
        "energy@wheels.example.com",
    )
    return Declaration(company, (wheel,))
