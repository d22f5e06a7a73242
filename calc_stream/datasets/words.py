"""Pure: what a data set says of itself, in English and Chinese, from what the figure stands on."""

from collections.abc import Mapping
from typing import NamedTuple

from calc_stream.core.decimals import instant
from calc_stream.footprints.footprint import Boundary, Footprint
from calc_stream.footprints.period import named_period
from calc_stream.ledger.rows import BatchRow


class Said(NamedTuple):
    """The same in both languages."""

    en: str
    zh: str


BOUNDARIES: Mapping[Boundary, Said] = {
    "gate_to_gate": Said("gate to gate", "门到门"),
    "cradle_to_gate": Said("cradle to gate", "摇篮到大门"),
}
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


_INCOMPLETE = Said(
    "Incomplete: a meter has no readings for part of its time.",
    "数据不完整：部分时段有表计无读数。",
)
_COVERED = Said(
    "It covers energy metering, and factors as far as they state an uncertainty.",
    "涵盖能源计量，以及给出不确定度的因子。",
)
_NOT_COVERED = Said(
    " Of own energy only: purchased inputs state none.", "仅针对自身能源：外购投入未给出不确定度。"
)


def of_footprint(footprint: Footprint) -> dict[str, Said]:
    """By subject."""
    gates = _CRADLE if footprint.boundary == "cradle_to_gate" else _GATES
    batches = len(footprint.batches)
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
        "time": _time(footprint),
        "collection": _COLLECTION,
        "sampling": Said(
            f"{batches} batches, {good} of good output and {footprint.scrap} {footprint.unit} of scrap,"
            f" weighted by good output. Over batches {least_most} for one unit.",
            f"共 {batches} 个批次，合格产出 {good}，废品 {footprint.scrap} {footprint.unit}，"
            f"按合格产出加权。各批次每单位 {least_most}。",
        ),
        "treatment": Said(
            f"Measured share {footprint.measured_share}, the rest interpolated between readings."
            + (f" {_incomplete(footprint).en}" if footprint.incomplete else ""),
            f"实测占比 {footprint.measured_share}，其余为读数间插补。"
            + (_incomplete(footprint).zh if footprint.incomplete else ""),
        ),
        "allocation": _allocation(footprint.allocation),
        "method": Said(
            f"{footprint.standard}, method {footprint.method}, GWP of {footprint.gwp}. {market.en}",
            f"{footprint.standard}，方法 {footprint.method}，GWP 采用 {footprint.gwp}。{market.zh}",
        ),
        "uncertainty": _uncertainty(footprint),
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


def _incomplete(footprint: Footprint) -> Said:
    some = len(footprint.incomplete)
    return Said(
        f"Incomplete batches: {some}; a meter has no readings for part of their time.",
        f"数据不完整的批次：{some} 个，其部分时段有表计无读数。",
    )


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
            f"Measured share {row.measured_share}, the rest interpolated between readings."
            + (f" {_INCOMPLETE.en}" if row.incomplete else ""),
            f"实测占比 {row.measured_share}，其余为读数间插补。"
            + (_INCOMPLETE.zh if row.incomplete else ""),
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


def _time(footprint: Footprint) -> Said:
    """A period that was not over when the figure was drawn up has more batches, or will have."""
    start, end = instant(footprint.start_ms), instant(footprint.end_ms)
    if footprint.end_ms >= named_period(footprint.period, footprint.timezone).end_ms:
        return Said(
            f"All batches that ended in {footprint.period} ({start} to {end}, not within).",
            f"核算期 {footprint.period} 内结束的全部批次（{start} 至 {end}，不含止点）。",
        )
    return Said(
        f"Batches that ended in {footprint.period} and were settled before it was over ({start} to"
        f" {end}, not within).",
        f"核算期 {footprint.period} 尚未结束，仅含其中已定稿的批次（{start} 至 {end}，不含止点）。",
    )


def _uncertainty(footprint: Footprint) -> Said:
    kwh, kg = footprint.u95.kwh, footprint.u95.kg_co2e
    inputs = _NOT_COVERED if footprint.boundary == "cradle_to_gate" else Said("", "")
    unknown = ", ".join(footprint.u95.unknown_meters)
    meters = Said(f" Meters of unknown class: {unknown}.", f"准确度等级未知的表计：{unknown}。")
    if not unknown:
        meters = Said("", "")
    return Said(
        f"U95 (k = 2) for one unit: {kwh or 'not known'} kWh, {kg or 'not known'} kg CO2e."
        f" {_COVERED.en}{inputs.en}{meters.en}",
        f"每单位扩展不确定度 U95（k = 2）：{kwh or '未知'} kWh，{kg or '未知'} kg CO2e。"
        f"{_COVERED.zh}{inputs.zh}{meters.zh}",
    )


def _allocation(rules: str) -> Said:
    stated = f" Rules: {rules}." if rules else ""
    stated_zh = f"规则：{rules}。" if rules else ""
    return Said(
        "Divided by sub-metering first; what is shared is spread by the site's declared rules."
        f"{stated} {_BURDEN.en}",
        f"优先以分项计量区分；共用部分按站点声明的规则分摊。{stated_zh}{_BURDEN.zh}",
    )
