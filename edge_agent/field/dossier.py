"""Everything a commissioning report says, and its JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from edge_agent.field import diagnosis
from edge_agent.field.budget import Budget
from edge_agent.field.commission import Commissioned
from edge_agent.field.judgement import shown
from edge_agent.field.words import Language
from edge_agent.line import Tally


@dataclass(frozen=True)
class Dossier:
    """One gateway, as it was found at `t_ms`. `key_id`: None where it has no key yet."""

    site: str
    gateway: str
    key_id: str | None
    version: str
    t_ms: int
    clock: str
    rounds: int
    buses: tuple[Budget, ...]
    meters: Mapping[str, Commissioned]

    @property
    def is_good(self) -> bool:
        """Whether nobody needs to look at anything."""
        meters = all(meter.verdict.outcome == "good" for meter in self.meters.values())
        return meters and all(bus.holds for bus in self.buses)

    @property
    def when(self) -> str:
        """When it was made, for a person."""
        return datetime.fromtimestamp(self.t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

    def as_json(self, language: Language) -> dict[str, object]:
        """For programs; sentences are in `language`."""
        return {
            "site": self.site,
            "gateway": self.gateway,
            "key_id": self.key_id,
            "version": self.version,
            "t_ms": self.t_ms,
            "clock": self.clock,
            "rounds": self.rounds,
            "good": self.is_good,
            "buses": [bus.as_json(language) for bus in self.buses],
            "meters": [_meter(name, meter, language) for name, meter in self.meters.items()],
        }


def line(tally: Tally) -> dict[str, object]:
    """How a meter answered."""
    times = sorted(tally.times_s)
    return {
        "asked": tally.asked,
        "answered": tally.answered,
        "silent": tally.silent,
        "garbled": tally.garbled,
        "stray": tally.stray,
        "median_ms": round(1000 * times[len(times) // 2]) if times else None,
        "slowest_ms": round(1000 * times[-1]) if times else None,
    }


def _meter(name: str, meter: Commissioned, language: Language) -> dict[str, object]:
    wanted, first = meter.metered.wanted, meter.first
    profile = wanted.profile
    return {
        "meter": name,
        "outcome": meter.verdict.outcome,
        "says": [text.told(language) for text in meter.verdict.reasons],
        "bus": meter.metered.bus,
        "address": msgspec.to_builtins(wanted.address),
        "place": diagnosis.place(wanted.address),
        "vendor": profile.vendor,
        "model": profile.model,
        "profile": meter.profile,
        "grade": profile.grade,
        "source": profile.source,
        "identity": dict(meter.identity),
        "ct": shown(wanted.ct),
        "pt": shown(wanted.pt),
        "own_ratios": {key: shown(ratio) for key, ratio in meter.ratios.items()},
        "checks": [check.as_json(language) for check in meter.checks],
        "values": [row.as_json(language) for row in first.rows] if first else [],
        "rounds": meter.rounds,
        "line": line(meter.tally),
    }
