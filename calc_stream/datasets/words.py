"""Pure: what a data set says of itself, in English and Chinese, from what the figure stands on."""

from typing import NamedTuple

from calc_stream.core.decimals import instant
from calc_stream.footprints.footprint import Footprint
from calc_stream.ledger.rows import BatchRow


class Said(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str


_GATES = Said(
    "Gate to gate: what was used on the site from the start of the batches to their good output."
    " Raw materials, transport, use and end of life are not within.",
    "门到门：批次开始至合格产出期间站点内的能源消耗。不含原材料、运输、使用和寿命终止阶段。",
)
_CRADLE = Said(
    "Cradle to gate: energy metered on the site, and all purchased inputs as their suppliers state"
    " them. Distribution, use and end of life are not within.",
    "摇篮到大门：站点内实测能源消耗，以及供应商声明的全部外购投入。不含分销、使用和寿命终止阶段。",
)
_COLLECTION = Said(
    "Electricity, fuel and heat meters read on the site, with signed readings in a journal that is"
    " only ever added to; production as batches reported it.",
    "数据来自站点内的电、燃料和热计量表；读数经签名写入只增不改的日志；产量以批次记录为准。",
)
_BURDEN = Said(
    "Scrap carries no burden: good output carries all of it.",
    "废品不承担负荷，全部由合格产出承担。",
)


def of_footprint(footprint: Footprint) -> dict[str, Said]:
    """By subject."""
    gates = _CRADLE if footprint.boundary == "cradle_to_gate" else _GATES
    batches, period = len(footprint.batches), footprint.period
    good = f"{footprint.good} {footprint.unit}"
    spread = footprint.spread
    least_most = f"{spread.least}-{spread.most} kg CO2e"
    market = Said(
        f"For one unit by location {footprint.by_location} and by contracts {footprint.by_market}"
        " kg CO2e.",
        f"每单位基于位置 {footprint.by_location} kg CO2e，基于市场 {footprint.by_market} kg CO2e。",
    )
    return {
        "boundary": gates,
        "time": Said(
            f"All batches that ended in {period} ({instant(footprint.start_ms)} to"
            f" {instant(footprint.end_ms)}, not within).",
            f"核算期 {period} 内结束的全部批次（{instant(footprint.start_ms)} 至"
            f" {instant(footprint.end_ms)}，不含止点）。",
        ),
        "collection": _COLLECTION,
        "sampling": Said(
            f"{batches} batches, {good} of good output and {footprint.scrap} {footprint.unit} of scrap,"
            f" weighted by good output. Over batches {least_most} for one unit.",
            f"共 {batches} 个批次，合格产出 {good}，废品 {footprint.scrap} {footprint.unit}，"
            f"按合格产出加权。各批次每单位 {least_most}。",
        ),
        "treatment": Said(
            f"Measured share {footprint.measured_share}, the rest interpolated between readings.",
            f"实测占比 {footprint.measured_share}，其余为读数间插补。",
        ),
        "allocation": _allocation(footprint.allocation),
        "method": Said(
            f"{footprint.standard}, method {footprint.method}, GWP of {footprint.gwp}. {market.en}",
            f"{footprint.standard}，方法 {footprint.method}，GWP 采用 {footprint.gwp}。{market.zh}",
        ),
        "uncertainty": Said(
            f"U95 (k = 2) for one unit: {footprint.u95.kwh or 'not known'} kWh,"
            f" {footprint.u95.kg_co2e or 'not known'} kg CO2e.",
            f"每单位扩展不确定度 U95（k = 2）：{footprint.u95.kwh or '未知'} kWh，"
            f"{footprint.u95.kg_co2e or '未知'} kg CO2e。",
        ),
        "data": Said(
            f"Primary data share {footprint.primary_data_share}, measured activity share"
            f" {footprint.measured_activity_share}; status of factors: {footprint.factor_status}.",
            f"初级数据占比 {footprint.primary_data_share}，实测活动数据占比"
            f" {footprint.measured_activity_share}；因子状态：{footprint.factor_status}。",
        ),
        "evidence": Said(
            f"Journal offset {footprint.evidence.offset}, basis {footprint.evidence.basis},"
            f" tree root {footprint.evidence.root or 'not yet signed'}.",
            f"日志偏移 {footprint.evidence.offset}，依据 {footprint.evidence.basis}，"
            f"树根 {footprint.evidence.root or '尚未签名'}。",
        ),
    }


def of_batch(row: BatchRow, standard: str) -> dict[str, Said]:
    """By subject."""
    started = "" if row.started_ms is None else instant(row.started_ms)
    ended = "" if row.ended_ms is None else instant(row.ended_ms)
    good = f"{row.good} {row.unit}"
    return {
        "boundary": _GATES,
        "time": Said(
            f"Batch {row.batch}, {started} to {ended}, state {row.state}.",
            f"批次 {row.batch}，{started} 至 {ended}，状态 {row.state}。",
        ),
        "collection": _COLLECTION,
        "sampling": Said(
            f"One batch, {good} of good output and {row.scrap} {row.unit} of scrap.",
            f"单一批次，合格产出 {good}，废品 {row.scrap} {row.unit}。",
        ),
        "treatment": Said(
            f"Measured share {row.measured_share}, the rest interpolated between readings.",
            f"实测占比 {row.measured_share}，其余为读数间插补。",
        ),
        "allocation": _allocation(""),
        "method": Said(
            f"{standard}, method {row.method}.",
            f"{standard}，方法 {row.method}。",
        ),
        "data": Said(
            f"Factors {', '.join(row.factors) or 'none'}; status: {row.factor_status or 'none'}.",
            f"因子 {'、'.join(row.factors) or '无'}；状态：{row.factor_status or '无'}。",
        ),
        "evidence": Said(
            f"Journal offset {row.offset}, revision {row.revision}, model {row.model},"
            f" factor set {row.factor_set}.",
            f"日志偏移 {row.offset}，修订 {row.revision}，站点模型 {row.model}，"
            f"因子集 {row.factor_set}。",
        ),
    }


def _allocation(rules: str) -> Said:
    stated = f" Rules: {rules}." if rules else ""
    stated_zh = f"规则：{rules}。" if rules else ""
    return Said(
        "Divided by sub-metering first; what is shared is spread by the site's declared rules."
        f"{stated} {_BURDEN.en}",
        f"优先以分项计量区分；共用部分按站点声明的规则分摊。{stated_zh}{_BURDEN.zh}",
    )
