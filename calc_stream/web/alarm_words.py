"""What an alarm says, in the languages of the page: for messages that leave without it."""

from calc_stream.alarm import Alarm

# By kind; `about` and what `detail` may hold are named.
_ZH = {
    "closure": "账不平：{about} 有 {amount} {unit} 未记入任何账户。请勿使用这些数字。",
    "record": "一条记录被搁置：{about}。",
    "doubt": "{about} 的表底存疑：继续读取和保存，弄清之前不计入。",
    "reset": "{about} 的表底从别处继续；之前刚用的部分，须有人以换表事件确认后才计入。",
    "clock": "网关 {about} 的时钟落后；读数保留，到 {until} 之后才计入。",
    "silent": "电表 {about} 自 {since} 起没有应答。",
    "unread": "电表 {about} 从未读到：无法记账。",
    "event": "事件 {about} 与其他事件矛盾。",
    "unmapped": "{about} 的读数已保存，但模型中没有这块表，不计入。",
    "residual": "{about}：流出多于流入，某块表有误或接反。",
    "gap": "电表 {about} 从 {since} 到 {until} 没有读数：电量已计，过程不明。",
    "over_limit": "批次 {about} 超出产品 {product} 的控制限：每 {unit} {factor} kg CO2e。",
    "long": "批次 {about} 比产品 {product} 以往任何一批都长：是否漏报了结束？",
    "backlog": "网关 {about} 自 {since} 起的读数尚未送达：{batches} 个批次因此无法关闭。",
    "unheard": "生产系统 {about} 自 {since} 起的事件尚未报齐：{batches} 个批次因此无法关闭。",
    "certificate": "电表 {about} 的检定证书应于 {due} 更新。",
}


class _Known(dict[str, str]):
    """What is not known is shown as such."""

    def __missing__(self, key: str) -> str:
        return "?"


def words(alarm: Alarm) -> dict[str, str]:
    """The text by language."""
    said = _Known(alarm.detail, about=alarm.about)
    return {"en": alarm.text, "zh": _ZH[alarm.kind].format_map(said)}
