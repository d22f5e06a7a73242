"""The `policy` of a site model: who bears what no batch asked for, and over what time."""

import re

from calc_stream.core.plant import SETUPS, SPREADS, WEIGHTS, Policy
from calc_stream.core.toml_table import Table
from calc_stream.core.windows import WINDOWS, Windows
from wire.reasons import shown

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_KNOWN = (
    *("setup", "setup_max_s", "campaign_max_s", "weights", "idle"),
    *("spread", "window", "shifts"),
)


def read_policy(table: Table, timezone: str) -> Policy:
    """Raises ConfigError."""
    table.close(_KNOWN)
    setup = table.one_of("setup", SETUPS, "next")
    if setup != "campaign" and "campaign_max_s" in table.data:
        raise table.refuse("campaign_max_s", 'means something only with setup = "campaign"')
    spread = table.one_of("spread", SPREADS, "none")
    if spread == "none":
        for key in ("window", "shifts"):
            if key in table.data:
                raise table.refuse(key, 'means nothing while spread = "none"')
    return Policy(
        setup=setup,
        setup_max_s=table.whole("setup_max_s", 28_800),
        campaign_max_s=table.whole("campaign_max_s", 604_800),
        weights=table.one_of("weights", WEIGHTS, "custom"),
        idle=table.one_of("idle", ("pool",), "pool"),
        spread=spread,
        windows=None if spread == "none" else _windows(table, timezone),
    )


def _windows(table: Table, timezone: str) -> Windows:
    window = table.one_of("window", WINDOWS)
    if window == "shift":
        return Windows(timezone, _shifts(table))
    if "shifts" in table.data:
        raise table.refuse("shifts", 'means something only with window = "shift"')
    return Windows(timezone, monthly=window == "month")


def _shifts(table: Table) -> tuple[int, ...]:
    """Minutes after midnight, from clock times such as "06:00"."""
    told = table.data.get("shifts")
    if not isinstance(told, list) or not told:
        raise table.refuse("shifts", 'must list when shifts begin, such as ["06:00", "14:00"]')
    minutes = []
    for clock in told:
        found = _CLOCK.fullmatch(clock) if isinstance(clock, str) else None
        if found is None:
            raise table.refuse("shifts", f'{shown(clock)} is not a clock time such as "06:00"')
        minutes.append(int(found[1]) * 60 + int(found[2]))
    if sorted(set(minutes)) != minutes:
        raise table.refuse("shifts", "must rise through the day, each once")
    return tuple(minutes)
