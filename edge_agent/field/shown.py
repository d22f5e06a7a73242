"""Rounds of a meter as a table for a person, or as JSON for a program."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TextIO

from edge_agent.drivers import Meter, Wanted
from edge_agent.exact import as_decimal
from edge_agent.field import diagnosis, table
from edge_agent.field.rounds import Round, Row
from wire.quantities import QUANTITIES


@dataclass
class AsTable:
    """For a person."""

    out: TextIO
    before: Round | None = None

    def begin(self, wanted: Wanted, identity: dict[str, str]) -> None:
        """Who it is."""
        profile, place = wanted.profile, diagnosis.place(wanted.address)
        self._print(f"{wanted.name}: {profile.vendor} {profile.model}, {place}")
        for key, text in identity.items():
            self._print(f"{key} {text}")

    def round(self, taken: Round, t_ms: int) -> None:
        """What it says."""
        if self.before is not None:
            self._print(f"\n{_time(t_ms)}")
        rows = [_cells(row, self.before) for row in taken.rows]
        for line in table.lines(("quantity", "where", "raw", "value", "judgement"), rows):
            self._print(line)
        for check in taken.checks:
            self._print(f"{check.level}: {check.text}")
        for missed in taken.missed:
            self._print(f"no answer: {missed}")
        self.before = taken

    def failed(self, why: str, t_ms: int) -> None:
        """A round that brought nothing."""
        self._print(f"\n{_time(t_ms)} {why}")

    def end(self, meter: Meter) -> None:
        """How it answered."""
        tally = meter.tally
        told = f"{tally.answered} of {tally.asked} requests answered"
        if times := sorted(tally.times_s):
            median, most = 1000 * times[len(times) // 2], 1000 * times[-1]
            told += f", the median in {median:.0f} ms, the slowest in {most:.0f} ms"
        self._print(f"\n{told}")

    def _print(self, line: str) -> None:
        print(line, file=self.out, flush=True)


@dataclass
class AsJson:
    """For a program: one object a line."""

    out: TextIO
    meter: str = ""
    identity: dict[str, str] = field(default_factory=dict)

    def begin(self, wanted: Wanted, identity: dict[str, str]) -> None:
        """Told with every round."""
        self.meter, self.identity = wanted.name, identity

    def round(self, taken: Round, t_ms: int) -> None:
        """What it says."""
        self._print({"t_ms": t_ms, "identity": self.identity, **taken.as_json()})

    def failed(self, why: str, t_ms: int) -> None:
        """A round that brought nothing."""
        self._print({"t_ms": t_ms, "error": why})

    def end(self, meter: Meter) -> None:
        """Nothing more: whoever counts, counts the lines."""

    def _print(self, told: dict[str, object]) -> None:
        print(json.dumps({"meter": self.meter, **told}, ensure_ascii=False), file=self.out)
        self.out.flush()


def _cells(row: Row, before: Round | None) -> tuple[str, ...]:
    """A row; of a counter with what it did since the round before."""
    told = str(row.judgement)
    last = before.number(row.quantity) if before is not None else None
    if last is not None and row.number is not None and QUANTITIES[row.quantity].cumulative:
        rise = row.number - last
        told += f"; fell by {as_decimal(-rise)}" if rise < 0 else f", +{as_decimal(rise)}"
    return row.quantity, row.where, row.raw, row.value, told


def _time(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).astimezone().strftime("%H:%M:%S")
