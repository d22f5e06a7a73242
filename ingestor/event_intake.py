"""Production events on their way into a group: known ones, numbers, heartbeats and refusals."""

from collections.abc import Callable

import msgspec

from ingestor import events
from ingestor.admission import NOT_BEFORE_MS
from ingestor.events import BadEvent, Conflict
from ingestor.group import Group, Place, all_or_none
from ingestor.standing import Renumbered, Source, Standing, numbering
from wire.errors import BadData
from wire.journal import Entry, Writer
from wire.messages import EventReceipt, EventRefusal, Heartbeat, ProductionEvent
from wire.reasons import because

_MOST_REFUSED = 100
Sender = tuple[str, str, str | None]  # (site, source, epoch)


class EventIntake:
    """Judges events on top of what the journal and the group have.

    `heartbeats`: the last of each sender; `refused`: what was not taken of it, by number. One heartbeat
    of a sender in `heartbeat_ms` is journaled, and only when everything it counts is there.
    """

    def __init__(
        self,
        journal: Writer,
        standings: dict[str, Standing],
        latest_ms: Callable[[str], int],
        heartbeat_ms: int,
    ) -> None:
        self.heartbeats: dict[Sender, Heartbeat] = {}
        self.refused: dict[Sender, dict[int, EventRefusal]] = {}
        self._journal = journal
        self._standings = standings
        self._latest_ms = latest_ms
        self._heartbeat_ms = heartbeat_ms

    def message(self, group: Group, site: str, data: bytes, owner: str | None) -> None:
        """What a plant's system published; `owner`: the only source that may say so. Raises BadData."""
        try:
            told = events.read_message(data)
            if owner is not None and told.source not in (None, owner):
                raise BadData(f"source: is {told.source} on the topic of {owner}")
            if isinstance(told, Heartbeat):
                self.beat(group, site, told)
            else:
                self._event(group, site, told)
        except BadData as exc:
            self._refuse(group, site, data, owner, exc)
            raise

    def beat(self, group: Group, site: str, told: Heartbeat) -> None:
        """A sender is alive, and says how far it has come."""
        sender = site, told.source, told.epoch
        self.heartbeats[sender] = told
        group.senders.add(sender)
        run = numbering(told.source, told.epoch)
        known = self._standings[site].sources.get(run, Source())
        if known.upto < told.n or told.heartbeat > self._latest_ms(site):
            return
        key = f"{run}/{told.heartbeat // self._heartbeat_ms * self._heartbeat_ms}"
        if self._known_data(group, site, "heartbeat", key) is None:
            group.add(site, Entry("heartbeat", key, msgspec.json.encode(told)))

    def posted(
        self, group: Group, site: str, documents: tuple[bytes, ...], dry_run: bool
    ) -> list[Place]:
        """All or none; Refused names each fault. A dry run adds nothing either way."""

        def judge(draft: Group, document: bytes) -> Place:
            event = events.read_event(document)
            return site, "event", event.id, self._event(draft, site, event)

        return all_or_none(group, documents, dry_run, judge)

    def _refuse(
        self, group: Group, site: str, data: bytes, owner: str | None, why: BadData
    ) -> None:
        """Tell the sender, if the message says whose number it is."""
        told = events.numbered(data)
        if told is None or owner not in (None, told.source):
            return
        sender = site, told.source, told.epoch
        refused = self.refused.setdefault(sender, {})
        refused[told.n] = EventRefusal(told.n, told.id, str(why))
        if len(refused) > _MOST_REFUSED:
            del refused[next(iter(refused))]
        group.senders.add(sender)

    def receipt(self, sender: Sender) -> EventReceipt:
        """How far a sender's events have come."""
        site, source, epoch = sender
        known = self._standings[site].sources.get(numbering(source, epoch), Source())
        beat = self.heartbeats.get(sender)
        refused = self.refused.get(sender, {})
        for n in [n for n in refused if known.has(n)]:  # told better since
            del refused[n]
        gaps = known.gaps(beat.n if beat else 0)
        return EventReceipt(source, known.upto, epoch, gaps, list(refused.values()))

    def _event(self, group: Group, site: str, event: ProductionEvent) -> bool:
        """Whether it is new; then it is added. Raises Conflict; BadData for an impossible time."""
        t_ms = events.t_ms(event)
        if t_ms > self._latest_ms(site):
            raise BadEvent(event, "t", because("future"))
        if t_ms < NOT_BEFORE_MS:
            raise BadEvent(event, "t", because("past"))
        known = self._known_event(group, site, event.id)
        if known is not None and not events.same(known, event):
            why = BadEvent(event, "id", because("told_before"))
            raise Conflict(why, events.encode(event))
        number = self._new_number(group, site, event, known)
        if known is None:
            group.add(site, Entry("event", event.id, events.encode(event)))
            return True
        group.counts[site, "duplicates"] += 1
        if number is not None:
            group.add(site, Entry("correction", number.key, msgspec.json.encode(number)))
        return False

    def _known_event(self, group: Group, site: str, id_: str) -> ProductionEvent | None:
        data = self._known_data(group, site, "event", id_)
        return None if data is None else msgspec.json.decode(data, type=ProductionEvent)

    def _known_data(self, group: Group, site: str, kind: str, key: str) -> bytes | None:
        """What the group or the journal has under this key."""
        entry = group.added.get((site, kind, key)) or self._journal.find(site, kind, key)
        return entry.data if entry else None

    def _new_number(
        self, group: Group, site: str, event: ProductionEvent, known: ProductionEvent | None
    ) -> Renumbered | None:
        """Its number, if it is told for the first time. Raises Conflict if it is another's."""
        if event.source is None or event.n is None:
            return None
        group.senders.add((site, event.source, event.epoch))
        number = Renumbered(event.id, event.source, event.n, event.epoch)
        run = numbering(event.source, event.epoch)
        owner = group.numbered.get((site, run, event.n))
        if owner is None and self._standings[site].sources.get(run, Source()).has(event.n):
            its_own = known is not None and (known.source, known.epoch, known.n) == (
                *(event.source, event.epoch, event.n),
            )
            again = self._known_data(group, site, "correction", number.key)
            its_own = its_own or again == msgspec.json.encode(number)
            owner = event.id if its_own else ""
        if owner is None:
            group.numbered[site, run, event.n] = event.id
            return number
        if owner != event.id:
            why = because("other_number", n=str(event.n), sender=run)
            raise Conflict(BadEvent(event, "n", why), events.encode(event))
        return None
