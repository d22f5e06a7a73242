"""The plant's journal as it comes about where much goes wrong: in virtual time, with the agent's own
judgement of registers, and with what left late, twice or not at all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec

from calc_stream.factors import load
from edge_agent import counters
from edge_agent.dating import shifted
from simulators.instrument import Instrument
from simulators.live import instruments
from simulators.scenario import Scenario
from simulators.site_model import model_toml
from tests.unit.simulators.reading import counter
from wire.journal import Entry, open_writer
from wire.messages import MeterEvent, Sample
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey

SITE = "demo"
SEAL_MS = 5_000
Ms = int


@dataclass(frozen=True)
class Faults:
    """Seconds after the plant's beginning, by meter where it is one meter's; see `TROUBLED`."""

    gaps: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # not asked
    silent: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # asked, and told so
    exchanged: Mapping[str, int] = field(default_factory=dict)
    rolls: Mapping[str, str] = field(default_factory=dict)  # kWh to its turn at the beginning
    glitches: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # shows zero
    slow_clock: tuple[int, int, int] | None = None  # from, until: so many ms behind, then set
    backlog: tuple[int, int, int] | None = None  # read from, until; sent at
    twice: tuple[int, int] | None = None  # sent again, as another stream
    late_events: tuple[int, int, int] | None = None  # happened from, until; told so much later
    corrected: int = 0  # so many batches' counts were told wrong first

    def of_meter(self, meter: str, at_ms: Ms) -> bool:
        """Whether a meter is read at all."""
        spans = [own[meter] for own in (self.gaps, self.silent) if meter in own]
        return not any(1000 * since <= at_ms < 1000 * until for since, until in spans)


@dataclass(order=True)
class Due:
    """What reaches the ingestor, and when; `n` keeps what comes together in order."""

    t_ms: Ms
    n: int
    entry: Entry = field(compare=False)


def write(
    folder: Path,
    scenario: Scenario,
    seconds: int,
    faults: Faults,
    biases: Mapping[str, Fraction] | None = None,
) -> Path:
    """The journal of so many seconds. `biases`: by meter, what it shows of what flows, less 1."""
    key = SigningKey.load_or_create(folder / "gw.key")
    plant = _Plant(scenario, seconds, faults, biases or {})
    entries = [*plant.segments(key), *plant.events()]
    dues = sorted(Due(t_ms, n, entry) for n, (t_ms, entry) in enumerate(entries))
    now = [scenario.t0_ms]
    writer = open_writer(folder / "journal.db", lambda: now[0])
    model = model_toml(scenario.plant, SITE)
    writer.append(SITE, [Entry("model", "m", model.encode())])
    writer.append(SITE, [Entry("factor", "f", load().encode())])
    for due in dues:
        now[0] = due.t_ms
        writer.append(SITE, [due.entry])
    writer.close()
    return folder / "journal.db"


class _Plant:
    def __init__(
        self, scenario: Scenario, seconds: int, faults: Faults, biases: Mapping[str, Fraction]
    ) -> None:
        self.scenario, self.faults, self.t0_ms = scenario, faults, scenario.t0_ms
        self.end_ms = scenario.t0_ms + 1000 * seconds
        self._meters = instruments(scenario)
        self._biases = biases
        self._state: dict[str, counters.State] = {}
        self._exchanged: set[str] = set()

    def segments(self, key: SigningKey) -> Iterator[tuple[Ms, Entry]]:
        """Sealed every five seconds, sent a second later or when the way is free again."""
        prev, waits_ms = GENESIS, None
        for seq, begin in enumerate(range(self.t0_ms, self.end_ms, SEAL_MS), 1):
            samples, events = self._told(begin, begin + SEAL_MS)
            second, sent_ms = (begin - self.t0_ms) // 1000, begin + SEAL_MS + 1000
            if (held := self.faults.backlog) and held[0] <= second < held[2]:
                behind = second < held[1]
                sent_ms = self.t0_ms + 1000 * held[2] if behind else sent_ms
                waits_ms = None if behind else self.t0_ms + 1000 * held[0]
            else:
                waits_ms = None
            place = Place(SITE, "gw", "0" * 32, seq, prev, "boot", "ntp", waits_ms)
            data = seal(place, samples, events, key)
            prev = open_segment(data).hash
            yield sent_ms, Entry("segment", f"gw/0/{seq}", data)
            again = self.faults.twice
            if again and again[0] <= second < again[1]:
                copy = replace(place, stream="1" * 32, prev=GENESIS, waits_from_ms=None)
                yield (
                    sent_ms + 17_000,
                    Entry("segment", f"gw/1/{seq}", seal(copy, samples, [], key)),
                )

    def events(self) -> Iterator[tuple[Ms, Entry]]:
        """Of the production system, and of whoever exchanged a meter."""
        wrong = self.faults.corrected
        for event in self.scenario.events(1, self.scenario.due(self.end_ms)):
            at_ms = _ms(str(event["t"]))
            late = self.faults.late_events
            second = (at_ms - self.t0_ms) // 1000
            told_ms = at_ms + (1000 * late[2] if late and late[0] <= second < late[1] else 0)
            yield told_ms, _event(event)
            if event["type"] == "quantity" and wrong:
                wrong -= 1
                said = {key: event[key] for key in ("t", "batch", "unit")} | {"type": "quantity"}
                yield told_ms, _event({**said, "id": f"wrong-{wrong}", "good": "1000"})
                void = {"id": f"void-{wrong}", "t": event["t"], "type": "void"}
                yield told_ms + 9_000, _event({**void, "of": f"wrong-{wrong}"})
        for meter, second in self.faults.exchanged.items():
            yield self.t0_ms + 1000 * second + 15_000, _event(self._word(meter, second))

    def _told(self, begin: Ms, end: Ms) -> tuple[list[Sample], list[MeterEvent]]:
        samples: list[Sample] = []
        events: list[MeterEvent] = []
        slow = self.faults.slow_clock
        for at, instrument in enumerate(self._meters):
            name = instrument.meter.name
            for t_ms in range(begin + 23 * at, end, 1000):
                second = (t_ms - self.t0_ms) // 1000
                events += self._silence(name, t_ms, second)
                if not self.faults.of_meter(name, t_ms - self.t0_ms):
                    continue
                behind_ms = slow[2] if slow and slow[0] <= second < slow[1] else 0
                judged = self._judged(instrument, t_ms, behind_ms)
                samples += judged.samples
                events += judged.events
        return samples, events

    def _judged(self, instrument: Instrument, t_ms: Ms, behind_ms: Ms) -> counters.Judged:
        """What the agent makes of an answer. By a clock that is behind and set before anything
        leaves: judged by the wrong time, dated anew with the rest."""
        name = instrument.meter.name
        state = self._state.get(name, {})
        if self._is_exchanged(name, t_ms) and name not in self._exchanged:
            self._exchanged.add(name)
            state = counters.replaced(state)
        shown = self._shown(instrument, t_ms)
        if (t_ms - self.t0_ms) // 1000 in self.faults.glitches.get(name, ()):
            shown = Fraction(0)
        value = (int(shown * 10_000), -4)
        plant = self.scenario.plant
        bounds = counters.Register(
            Fraction(plant.rated(instrument.meter), 1000), _modulus(instrument), float32=True
        )
        sample = Sample(
            name, t_ms - behind_ms, {instrument.counts: value, "voltage_l1": (2301, -1)}
        )
        state = counters.shifted(state, -behind_ms)
        found = counters.judge(state, sample, {instrument.counts: bounds})
        self._state[name] = counters.shifted(found.state, behind_ms)
        samples, events = (shifted(told, behind_ms) for told in (found.samples, found.events))
        return counters.Judged(samples, events, self._state[name])

    def _silence(self, meter: str, t_ms: Ms, second: int) -> list[MeterEvent]:
        since, until = self.faults.silent.get(meter, (-1, -1))
        told = {since: "silent", until: "back"}.get(second)
        return [MeterEvent(meter, t_ms, told)] if told else []

    def _is_exchanged(self, meter: str, t_ms: Ms) -> bool:
        at_s = self.faults.exchanged.get(meter)
        return at_s is not None and t_ms >= self.t0_ms + 1000 * at_s

    def _shown(self, instrument: Instrument, t_ms: Ms) -> Fraction:
        """What the display shows, with the meter's own error; a new meter begins at 12."""
        name = instrument.meter.name
        shown = _read(instrument, t_ms)
        if bias := self._biases.get(name):
            first = _read(instrument, self.t0_ms)
            off = (shown - first) * bias
            shown += Fraction(round(off * 10_000), 10_000)
        if name in self.faults.rolls:
            turn = 10**6 - Fraction(self.faults.rolls[name])
            shown = (turn + shown - _read(instrument, self.t0_ms)) % 10**6
        if self._is_exchanged(name, t_ms):
            shown += 12 - _read(instrument, self.t0_ms + 1000 * self.faults.exchanged[name])
        return shown

    def _word(self, meter: str, second: int) -> dict[str, Any]:
        """Both registers, written down by whoever exchanged the meter."""
        instrument = next(i for i in self._meters if i.meter.name == meter)
        at_ms = self.t0_ms + 1000 * second
        closing = _read(instrument, at_ms)
        ends = {"closing": f"{float(closing):.4f}", "opening": "12"}
        return {
            "id": f"exchange-{meter}",
            "t": _stamp(at_ms),
            "type": "swap",
            "meter": meter,
            **ends,
        }


def _read(instrument: Instrument, t_ms: Ms) -> Fraction:
    return counter(instrument, t_ms) * instrument.meter.ct


def _modulus(instrument: Instrument) -> Fraction | None:
    digits = instrument.profile.protocol == "dlt645"
    return Fraction(10**6 * instrument.meter.ct) if digits else None


def _event(event: Mapping[str, Any]) -> Entry:
    return Entry("event", str(event["id"]), msgspec.json.encode(event))


def _ms(stamp: str) -> Ms:
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


def _stamp(t_ms: Ms) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).isoformat(timespec="milliseconds")
