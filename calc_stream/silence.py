"""Whom nobody waits for any longer. Pure: "now" is when the ingestor wrote the record."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np

from calc_stream.core import Readings, Versions
from calc_stream.core.whole import LIMIT
from calc_stream.notices import Notices
from wire.messages import Heartbeat, MeterEvent
from wire.segment import Header


class Patience(msgspec.Struct, frozen=True):
    """How old a meter's last good reading must be: with the gateway's word that none comes (it is
    silent, or its register in doubt), and without."""

    silent_after_ms: int
    close_after_ms: int


class Backlog(msgspec.Struct, frozen=True):
    """Readings from `from_ms` on that a gateway has yet to send; `told_ms`: since when it says so."""

    from_ms: int
    told_ms: int


class Sender(msgspec.Struct, frozen=True):
    """A source of production events that sends heartbeats: it has told everything up to `upto_ms`, by
    its own clock; `told_ms`: when it said so."""

    upto_ms: int
    told_ms: int


T = TypeVar("T", Backlog, Sender)


class Told(msgspec.Struct):
    """What is kept besides the core's state.

    `chain`: the journal's chain value at the last record; `silent`: meters gateways called so;
    `backlogs`: what gateways have yet to send, by gateway; `senders`: of events, by name; `problems`:
    records that could not be used, with the reason; `notices`: see there.
    """

    chain: str = ""
    first_ms: int | None = None
    now_ms: int = 0
    silent: set[str] = set()
    backlogs: dict[str, Backlog] = {}
    senders: dict[str, Sender] = {}
    segments: int = 0
    readings: int = 0
    problems: dict[str, str] = {}
    notices: Notices = msgspec.field(default_factory=Notices)

    def wait(self, header: Header) -> None:
        """What the gateway has yet to send, as its newest segment says: the newest leave first."""
        from_ms, known = header.waits_from_ms, self.backlogs.get(header.gateway)
        if from_ms is None:
            self.backlogs.pop(header.gateway, None)
        elif known is None or known.from_ms != from_ms:
            self.backlogs[header.gateway] = Backlog(from_ms, self.now_ms)

    def beat(self, heartbeat: Heartbeat) -> None:
        """The journal has all events a sender counts: none of before is still on its way."""
        self.senders[heartbeat.source] = Sender(heartbeat.heartbeat, self.now_ms)

    def events_ms(self, patience: Patience) -> int:
        """Up to when all senders have told everything; LIMIT where nobody says how far they are."""
        return min((s.upto_ms for _, s in self.waited(self.senders, patience)), default=LIMIT)

    def held_ms(self, patience: Patience) -> int:
        """From when on something is still on its way; LIMIT when nothing is."""
        return min((b.from_ms for _, b in self.waited(self.backlogs, patience)), default=LIMIT)

    def waited(self, of: Mapping[str, T], patience: Patience) -> list[tuple[str, T]]:
        """Whose backlog got shorter, or who was heard, not longer ago than a meter is waited for."""
        patient_ms = patience.close_after_ms
        return [(name, own) for name, own in of.items() if self.now_ms - own.told_ms <= patient_ms]

    def hear(self, events: Sequence[MeterEvent]) -> None:
        self.notices.hear(events)
        for event in events:
            if event.event == "silent":
                self.silent.add(event.meter)
            elif event.event == "back":
                self.silent.discard(event.meter)


def silent_meters(
    versions: Versions, readings: Readings, told: Told, patience: Patience
) -> frozenset[str]:
    """Registers declared silent; never all of them: who told last is waited for."""
    meters = versions.all_meters
    firsts, lasts = readings.reaches(meters)
    read = firsts < LIMIT
    began_ms = told.first_ms or told.now_ms
    ages = told.now_ms - np.where(read, lasts, began_ms)
    doubted = told.notices.doubted(readings).keys()
    said = readings.among(meters, {*told.silent, *map(_export, told.silent), *doubted})
    silent = np.where(said, patience.silent_after_ms, patience.close_after_ms) < ages
    if silent.all() and read.any():
        newest = lasts == lasts[read].max()
        silent[max(np.flatnonzero(newest).tolist(), key=lambda at: meters[at].id)] = False
    return frozenset(meters[at].id for at in np.flatnonzero(silent).tolist())


def _export(meter: str) -> str:
    return f"{meter}.export"
