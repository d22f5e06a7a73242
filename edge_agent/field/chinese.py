"""Every sentence of `words.say` in Chinese, and the names of quantities."""

CHINESE: dict[str, str] = {
    # A value.
    "ok": "正常",
    "ok, times {factor}": "正常，已乘 {factor}",
    "the meter does not measure it": "此表不测量该值",
    "not on this meter": "此表没有该值",
    "no answer": "未应答",
    "nothing there: is the phase connected, the fuse in?": "为零：该相是否接线，熔断器是否完好？",
    "implausible: expected {low} to {high}; profile, word order or wiring?": (
        "不合理：应在 {low} 至 {high} 之间；型号配置、字序还是接线有误？"
    ),
    "implausible: a counter below zero": "不合理：计数器为负",
    "implausible: word order?": "不合理：字序有误？",
    "implausible, but {value} with its words the other way round: word order?": (
        "不合理，但字序对调后为 {value}：字序有误？"
    ),
    "above rated_power_w ({share} %): its rating, or ct and pt?": (
        "超过 rated_power_w（{share} %）：额定功率填错，还是 ct、pt 有误？"
    ),
    # Values with each other.
    "ct and pt are 1: right only where the meter is connected without transformers": (
        "ct 与 pt 均为 1：仅适用于不经互感器直接接入的表"
    ),
    "ct and pt have no effect: this model shows values of the primary side itself": (
        "ct 与 pt 不起作用：此型号直接给出一次侧的值"
    ),
    "the phases add up to the total: {sum} of {total} W": "各相之和与总功率一致：{sum} / {total} W",
    "the phases add up to {sum} W, the total says {total} W: profile, or a current transformer?": (
        "各相之和为 {sum} W，总功率为 {total} W：型号配置有误，还是电流互感器有误？"
    ),
    "{line}: {power} W agrees with U·I·cosφ, {expected} W": (
        "{line}：{power} W 与 U·I·cosφ（{expected} W）一致"
    ),
    "{line}: {power} W, but U·I·cosφ is {expected} W ({ratio} times): a transformer ratio, or the"
    " wrong register?": (
        "{line}：{power} W，而 U·I·cosφ 为 {expected} W（{ratio} 倍）：互感器变比有误，还是寄存器有误？"
    ),
    "{lines} negative while others are positive: is a current transformer turned round, or on"
    " another phase?": "{lines} 为负而其余为正：电流互感器是否装反，或装在别的相上？",
    "power flows back ({total} W): right for a feed-in, else current transformers are turned"
    " round": "功率反向（{total} W）：上网点属正常，否则电流互感器装反",
    "power flows to the load": "功率流向负载",
    "the phase voltages are alike: {low} to {high} V": "各相电压接近：{low} 至 {high} V",
    "the phase voltages differ: {low} to {high} V: a loose neutral or fuse?": (
        "各相电压不一致：{low} 至 {high} V：零线松动或熔断器断开？"
    ),
    "the meter is set to {key} {own}, the configuration says {ours}": (
        "表内设定 {key} 为 {own}，配置为 {ours}"
    ),
    "the meter and the configuration say {key} {own}": "表内与配置的 {key} 均为 {own}",
    "the meter is set to {key} {own}: compare with the transformer's plate": (
        "表内设定 {key} 为 {own}：请与互感器铭牌核对"
    ),
    # Why a meter is not read.
    "{error}": "{error}",
    "{error}; {more}": "{error}；{more}",
    "no answer from {mine}{at}{echo}": "{mine}{at} 未应答{echo}",
    " at {setting}": "（{setting}）",
    " (the adapter echoes what it sends, which does no harm)": "（转换器回显所发内容，无妨）",
    "bytes came but no valid frame: speed or parity?{setting}": (
        "收到字节但无有效帧：波特率或校验位有误？{setting}"
    ),
    "bytes came but no valid frame, and {other} answers on the same line: are there two meters with"
    " {mine}?": "收到字节但无有效帧，而同一线路上 {other} 有应答：是否有两块表同为 {mine}？",
    "the line itself is alive: {other} answers; is this one powered, and is {mine} right?": (
        "线路本身正常：{other} 有应答；此表是否上电，{mine} 是否正确？"
    ),
    "power, wires, speed and parity": "电源、接线、波特率与校验位",
    "power, or a gateway's far side": "电源，或网关另一侧",
    "it is the only meter of {bus}: {doubt}, its address?{setting}": (
        "{bus} 上只有这一块表：请查{doubt}及地址。{setting}"
    ),
    "the other meter on {bus} does not answer either: {doubt}?{setting}": (
        "{bus} 上另一块表也未应答：请查{doubt}。{setting}"
    ),
    "none of the {n} others asked on {bus} answers either: {doubt}?{setting}": (
        "{bus} 上询问的另外 {n} 块表均未应答：请查{doubt}。{setting}"
    ),
    " {bus} is set to {ours}": "{bus} 设为 {ours}",
    " {bus} is set to {ours}, as the model leaves its factory": "{bus} 设为 {ours}，与出厂设定相同",
    " {bus} is set to {ours}, the profile's factory setting is {theirs}": (
        "{bus} 设为 {ours}，该型号出厂设定为 {theirs}"
    ),
    "it answers, but not as {model}: it looks like {others} ({why})": (
        "有应答，但不是 {model}：更像 {others}（{why}）"
    ),
    # The time of a bus.
    "{bus}: {used} of its time is used": "{bus}：占用 {used} 的时间",
    "{bus}: {used} of its time is used: it holds only while every meter is prompt": (
        "{bus}：占用 {used} 的时间：只有每块表都及时应答才来得及"
    ),
    "{bus}: {n} meters need {round} s a round, asked for every {every} s": (
        "{bus}：{n} 块表一轮需 {round} 秒，而要求每 {every} 秒一轮"
    ),
    "{what}: {cures}": "{what}：{cures}",
    "{bus}: {cures}": "{bus}：{cures}",
    "{one}, or {other}": "{one}，或{other}",
    "raise baud to {baud} ({round} s)": "把 baud 提高到 {baud}（{round} 秒）",
    "interval_s to {every}": "把 interval_s 改为 {every}",
    "move 1 meter to another line": "把 1 块表移到另一条线路",
    "move {n} meters to another line": "把 {n} 块表移到另一条线路",
    "{meter} alone takes {own} s a round, {rest} s of it rest between requests, and is asked for"
    " every {every} s: raise its interval_s to {least}": (
        "{meter} 自身一轮需 {own} 秒，其中 {rest} 秒为请求间隔，而要求每 {every} 秒一轮：把它的"
        " interval_s 改为 {least}"
    ),
    # The verdict.
    "it answers as its profile says, and what it says is plausible": "应答与型号配置相符，数值合理",
    "its profile rests on a single source: compare these values with the meter's display": (
        "该型号配置只有单一来源：请将这些数值与表上显示核对"
    ),
    "it answered once, and then no more": "应答一次后不再应答",
    "{quantity} {value}: {why}": "{quantity} {value}：{why}",
    "and {n} more values": "另有 {n} 个数值",
    "{failed} of {asked} requests ({share}) had no valid answer: cable, termination, or two meters"
    " at one address?": (
        "{asked} 次请求中 {failed} 次（{share}）无有效应答：电缆、终端电阻，或两表地址相同？"
    ),
    "answers came late, or noise did, {n} times: is timeout_ms too short?": (
        "{n} 次收到迟到的应答或噪声：timeout_ms 是否过短？"
    ),
    # The page.
    "Commissioning report": "调试报告",
    "Site": "站点",
    "Gateway": "网关",
    "Key of the gateway": "网关密钥编号",
    "none yet; edge-agent key makes one": "尚无；用 edge-agent key 生成",
    "Software": "软件",
    "Made at": "生成时间",
    "Clock of the gateway": "网关时钟",
    "set by the network, as the system says": "系统报告已由网络校时",
    "set, but nobody says by whom": "已设定，但来源未知",
    "not set": "未设定",
    "Each meter read": "每块表读取",
    "{n} times": "{n} 次",
    "Meters": "仪表",
    "{good} of {n} meters are good, {look} to look at, {bad} not read.": (
        "共 {n} 块表：{good} 块正常，{look} 块需检查，{bad} 块未读到。"
    ),
    "good": "正常",
    "to look at": "需检查",
    "not read": "未读到",
    "Meter": "仪表",
    "Model": "型号",
    "Where": "位置",
    "Serial number": "表号",
    "Outcome": "结论",
    "Answered": "应答",
    "Median": "中位时间",
    "Time of the buses": "总线时间",
    "Bus": "总线",
    "A round": "一轮",
    "Asked every": "要求间隔",
    "Of its time": "占用时间",
    "It says it is": "自报身份",
    "nothing": "无",
    "Profile": "型号配置",
    "{name}, grade {g}": "{name}，等级 {g}",
    "Transformers": "互感器",
    "Set in the meter": "表内设定",
    "not known": "未知",
    "Requests": "请求",
    "{asked} sent: {silent} silent, {garbled} garbled; {stray} stray": (
        "发出 {asked}：无应答 {silent}，乱码 {garbled}；多余 {stray}"
    ),
    "{counts}; the median took {median} ms, the slowest {slowest} ms": (
        "{counts}；中位 {median} ms，最慢 {slowest} ms"
    ),
    "Most its load draws": "负载最大功率",
    "Source of the profile": "型号配置来源",
    "Note of the profile": "型号配置说明",
    "phases and total": "各相与总和",
    "power, voltage and current": "功率、电压与电流",
    "direction": "方向",
    "voltages": "电压",
    "transformers": "互感器",
    "its own ratio": "表内变比",
    "Signatures": "签字",
    "Installed by": "安装",
    "Checked by": "检查",
    "Taken over by": "验收",
    "Name": "姓名",
    "Signature": "签字",
    "Date": "日期",
}

_QUANTITIES = {
    "active_energy_import": "正向有功电能",
    "active_energy_export": "反向有功电能",
    "reactive_energy_import": "正向无功电能",
    "reactive_energy_export": "反向无功电能",
    "apparent_energy": "视在电能",
    "gas_volume": "燃气体积（工况）",
    "gas_normal_volume": "燃气体积（标况）",
    "water_volume": "水量",
    "air_volume": "压缩空气体积（工况）",
    "air_normal_volume": "压缩空气体积（标况）",
    "steam_mass": "蒸汽质量",
    "heat_energy": "热量",
    "cooling_energy": "冷量",
    "fuel_volume": "燃料体积",
    "pulses": "脉冲数",
    "active_power": "有功功率",
    "reactive_power": "无功功率",
    "apparent_power": "视在功率",
    "voltage": "电压",
    "current": "电流",
    "current_n": "中性线电流",
    "power_factor": "功率因数",
    "frequency": "频率",
    "flow": "流量",
    "mass_flow": "质量流量",
    "temperature": "温度",
    "pressure": "压力",
}


def quantity(name: str) -> str:
    """The name of a quantity of `wire.quantities`, with its phases; one without a Chinese name keeps
    its own."""
    base, _, phases = name.partition("_l")
    if name in _QUANTITIES or base not in _QUANTITIES:
        return _QUANTITIES.get(name, name)
    return f"{_QUANTITIES[base]} L{phases.replace('_l', '-L')}"
