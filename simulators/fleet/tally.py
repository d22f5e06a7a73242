"""What a fleet sent, what was signed for, and how long that took."""

from array import array
from dataclasses import dataclass, field

from simulators.fleet.gateway import Sealed

PHASES = ("backlog", "live")
_MIB = 1 << 20


@dataclass
class Phase:
    """Totals of the segments of one phase, and the time from sealing to receipt of each.

    `late_s`: how long after its time one was sealed, at most; more than a little means that this
    process cannot give the load it was asked for.
    """

    sealed: int = 0
    receipted: int = 0
    readings: int = 0
    bytes: int = 0
    first_s: float = float("inf")
    last_s: float = 0.0
    late_s: float = 0.0
    waits_s: "array[float]" = field(default_factory=lambda: array("d"))


class Tally:
    """All gateways together. Seconds are of the sender's clock."""

    def __init__(self) -> None:
        self.phases = {name: Phase() for name in PHASES}
        self.refused: list[str] = []
        self.resent = 0
        self.lost = 0

    def note_sealed(self, sealed: Sealed, late_s: float) -> None:
        phase = self.phases[sealed.phase]
        phase.late_s = max(phase.late_s, late_s)
        phase.sealed += 1
        phase.first_s = min(phase.first_s, sealed.sealed_s)

    def note_receipted(self, sealed: Sealed, now_s: float) -> None:
        phase = self.phases[sealed.phase]
        phase.receipted += 1
        phase.readings += sealed.readings
        phase.bytes += len(sealed.data)
        phase.last_s = max(phase.last_s, now_s)
        phase.waits_s.append(now_s - sealed.sealed_s)

    @property
    def is_good(self) -> bool:
        """Whether everything was signed for."""
        return not self.lost and not self.refused

    def figures(self) -> dict[str, object]:
        """The result as one JSON object."""
        phases = {name: _figures(phase) for name, phase in self.phases.items() if phase.sealed}
        return {
            "lost": self.lost,
            "refused": len(self.refused),
            "why_refused": sorted(set(self.refused))[:10],
            "resent": self.resent,
            **phases,
        }

    def lines(self) -> list[str]:
        """The same for people."""
        out = []
        for name, phase in self.phases.items():
            if phase.sealed:
                f = _figures(phase)
                out.append(
                    f"{name}: {phase.receipted} of {phase.sealed} segments,"
                    f" {phase.readings} readings, {phase.bytes / _MIB:.1f} MiB in"
                    f" {f['seconds']} s: {f['segments_per_s']} segments/s,"
                    f" {f['readings_per_s']} readings/s"
                )
                out.append(
                    f"{name}: sealed to receipt p50 {f['receipt_p50_ms']} ms,"
                    f" p99 {f['receipt_p99_ms']} ms, longest {f['receipt_max_ms']} ms;"
                    f" sealed up to {f['late_ms']} ms late"
                )
        if not any(phase.receipted for phase in self.phases.values()):
            out.append(
                "nothing was signed for: are these gateways enrolled, and is it this broker?"
            )
        refused = f", {len(self.refused)} refused: {self.refused[0]}" if self.refused else ""
        return [*out, f"lost: {self.lost} segments{refused}; sent again: {self.resent}"]


def _figures(phase: Phase) -> dict[str, object]:
    seconds = max(0.0, phase.last_s - phase.first_s) if phase.receipted else 0.0
    waits = sorted(phase.waits_s)

    def at(share: float) -> float | None:
        return (
            round(1000 * waits[min(len(waits) - 1, int(share * len(waits)))], 1) if waits else None
        )

    def rate(count: int) -> float | None:
        return round(count / seconds, 1) if seconds else None

    return {
        "segments": phase.sealed,
        "receipted": phase.receipted,
        "readings": phase.readings,
        "bytes": phase.bytes,
        "seconds": round(seconds, 2),
        "segments_per_s": rate(phase.receipted),
        "readings_per_s": rate(phase.readings),
        "receipt_p50_ms": at(0.5),
        "receipt_p99_ms": at(0.99),
        "receipt_max_ms": at(1.0),
        "late_ms": round(1000 * phase.late_s),
    }
