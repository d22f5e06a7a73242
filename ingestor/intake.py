"""The heart: a group of arrivals in; journal records, quarantine and words to say out.

Synchronous and owned by one thread. A group is judged on top of what the journal holds, then
appended with one transaction a site. What this side believes changes only after that, by reading
the appended records; so a failed append needs no undoing, and the same group can be offered again.
"""

import hashlib
import itertools
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ingestor import admission, events, receipts
from ingestor.keys import Keys
from ingestor.quarantine import Poison, Quarantine
from ingestor.receipts import Receipts, Saying
from ingestor.standing import Source, Standing, check_site
from ingestor.streams import Candidate, Fork, Held, RefusedSegment, Stream, judge, segment_key
from wire import topics
from wire.errors import BadData
from wire.journal import Entry, Record, Writer
from wire.messages import GatewayState, Heartbeat, ProductionEvent

log = logging.getLogger(__name__)

RESEND_AFTER_MS = 5000


@dataclass(frozen=True)
class Packet:
    """Bytes that came over MQTT. Nobody waits for an answer but its acknowledgement."""

    topic: str
    data: bytes


@dataclass(frozen=True)
class Post:
    """Documents of one kind that came over HTTP: all of them are taken, or none."""

    site: str
    kind: Literal["event", "model", "factor"]
    documents: tuple[bytes, ...]


@dataclass(frozen=True)
class Placed:
    """Where a document stands in the journal; `new` is false for one that stood there before."""

    key: str
    hash: str
    offset: int
    new: bool


Result = list[Placed] | BadData


@dataclass(frozen=True)
class Taken:
    """What became of a group, in its order, and what is to be published."""

    results: list[Result]
    sayings: list[Saying]


@dataclass
class _Group:
    """What a group would add, on top of the journal."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    added: dict[tuple[str, str, str], Entry] = field(default_factory=dict)
    streams: dict[tuple[str, str, str], Stream] = field(default_factory=dict)
    sources: set[tuple[str, str]] = field(default_factory=set)
    poison: list[Poison] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, site: str, entry: Entry) -> None:
        self.entries.setdefault(site, []).append(entry)
        self.added[site, entry.kind, entry.key] = entry


class Intake:
    """Everything that may enter the journal enters here."""

    def __init__(
        self,
        journal: Writer,
        standings: dict[str, Standing],
        keys: Keys,
        receipts_: Receipts,
        quarantine: Quarantine,
        now_ms: Callable[[], int],
    ) -> None:
        # (site, what) since the start; what stands in the journal is counted by `standings`.
        self.counts: Counter[tuple[str, str]] = Counter()
        self.standings = standings
        self.heartbeats: dict[tuple[str, str], Heartbeat] = {}
        self.gateways: dict[tuple[str, str], GatewayState] = {}
        self.held = Held()
        self._journal = journal
        self._keys = keys
        self._receipts = receipts_
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._asked_ms: dict[tuple[str, str, str], int] = {}

    def take(self, arrivals: Sequence[Packet | Post]) -> Taken:
        """Journal what is good, keep what is not. When this returns, all of it is on disk.

        Raises TransientError when a disk fails; the group may then be offered again.
        """
        group = _Group()
        judged = [self._judge(group, arrival) for arrival in arrivals]
        self._quarantine.keep(group.poison)
        placed: dict[tuple[str, str, str], Record] = {}
        for site, entries in group.entries.items():
            for record in self._journal.append(site, entries):
                self.standings[site].absorb(record)
                placed[site, record.kind, record.key] = record
        for stream in group.streams.values():
            self.held.forget((stream.site, stream.gateway, stream.stream), stream.upto)
        self.counts.update(group.counts)
        results: list[Result] = [
            one if isinstance(one, BadData) else [self._placed(placed, *key) for key in one]
            for one in judged
        ]
        return Taken(results, self._sayings(group))

    def greetings(self) -> list[Saying]:
        """Every current receipt, for a broker that may have lost what it retained."""
        said = []
        for standing in self.standings.values():
            said += [self._receipt(stream) for stream in standing.streams.values()]
            for name, source in standing.sources.items():
                said.append(receipts.of_events(standing.site, name, source.upto))
        return said

    def _judge(
        self, group: _Group, arrival: Packet | Post
    ) -> list[tuple[str, str, str, bool]] | BadData:
        """(site, kind, key, new) of every document it brought, or why it is not taken."""
        try:
            if isinstance(arrival, Packet):
                self._packet(group, arrival)
                return []
            check_site(self.standings, arrival.site)
            if arrival.kind == "event":
                return self._posted_events(group, arrival)
            return [self._document(group, arrival.site, arrival.kind, arrival.documents[0])]
        except BadData as exc:
            self._not_taken(group, arrival, exc)
            return exc

    def _not_taken(self, group: _Group, arrival: Packet | Post, why: BadData) -> None:
        if isinstance(why, Fork):
            log.error("%s", why)
        if isinstance(arrival, Packet):
            group.poison.append(Poison(arrival.topic, str(why), arrival.data))
            group.counts[arrival.topic.split("/")[2], "quarantined"] += 1
        elif isinstance(why, events.Conflict):
            group.poison.append(Poison(topics.events(arrival.site), str(why), why.data))
            group.counts[arrival.site, "quarantined"] += 1

    def _packet(self, group: _Group, packet: Packet) -> None:
        if packet.topic.endswith("/seg"):
            candidate = admission.examine(packet.topic, packet.data, self._keys, self._now_ms)
            self._segment(group, candidate)
        elif packet.topic.endswith("/state"):
            self._state(packet)
        else:
            self._event_message(group, packet)

    def _segment(self, group: _Group, candidate: Candidate) -> None:
        """Append it, and whatever was held for it."""
        check_site(self.standings, candidate.header.site)
        self._place(group, candidate)
        while True:
            upto = group.streams[candidate.stream].upto
            follower = self.held.get(candidate.stream, upto + 1)
            if follower is None:
                return
            try:
                self._place(group, follower)
            except BadData as exc:
                self.held.drop(follower)
                topic = topics.GatewayTopic(*follower.stream[:2], "seg")
                self._not_taken(group, Packet(str(topic), follower.data), exc)
                return

    def _place(self, group: _Group, candidate: Candidate) -> None:
        header, where = candidate.header, candidate.stream
        standing = self.standings[header.site]
        stream = group.streams.get(where) or standing.stream(header.gateway, header.stream)
        group.streams[where] = stream  # whatever comes of it, its gateway is answered
        verdict = judge(stream, candidate, lambda seq: self._known_hash(group, stream, seq))
        if verdict == "known":
            group.counts[header.site, "duplicates"] += 1
        elif verdict == "ahead":
            self.held.put(candidate)
        else:
            group.streams[where] = stream.after(header.seq, candidate.hash, candidate.reason)
            if candidate.reason:
                self._refuse(group, candidate)
            else:
                group.add(header.site, Entry("segment", candidate.key, candidate.data))

    def _refuse(self, group: _Group, candidate: Candidate) -> None:
        header = candidate.header
        log.error("segment %s is refused: %s", candidate.key, candidate.reason)
        mark = RefusedSegment(
            header.gateway, header.stream, header.seq, candidate.hash, candidate.reason
        )
        group.add(header.site, Entry("correction", candidate.key, msgspec.json.encode(mark)))
        topic = topics.GatewayTopic(header.site, header.gateway, "seg")
        group.poison.append(Poison(str(topic), candidate.reason, candidate.data))
        group.counts[header.site, "refused"] += 1

    def _known_hash(self, group: _Group, stream: Stream, seq: int) -> str | None:
        key = segment_key(stream.gateway, stream.stream, seq)
        for kind in ("segment", "correction"):
            entry = group.added.get((stream.site, kind, key))
            record = None if entry else self._journal.find(stream.site, kind, key)
            data = entry.data if entry else record.data if record else None
            if data is not None and kind == "correction":
                return msgspec.json.decode(data, type=RefusedSegment).hash
            if data is not None:
                return record.hash if record else hashlib.sha256(data).hexdigest()
        return None

    def _state(self, packet: Packet) -> None:
        place = topics.parse_gateway(packet.topic)
        try:
            state = msgspec.json.decode(packet.data, type=GatewayState)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise BadData(f"gateway state: {exc}") from exc
        check_site(self.standings, place.site)
        self.gateways[place.site, place.gateway] = state

    def _event_message(self, group: _Group, packet: Packet) -> None:
        site = topics.parse_event(packet.topic)
        check_site(self.standings, site)
        told = events.read_message(packet.data)
        if isinstance(told, Heartbeat):
            self.heartbeats[site, told.source] = told
        else:
            self._event(group, site, told)
        if told.source is not None:
            group.sources.add((site, told.source))

    def _posted_events(self, group: _Group, post: Post) -> list[tuple[str, str, str, bool]]:
        """All or none: nothing is added before every one has been read and compared."""
        told = [events.read_event(document) for document in post.documents]
        first: dict[str, ProductionEvent] = {}
        for event in told:
            known = first.setdefault(event.id, event)
            if not events.same(known, event):
                problem = f"event {event.id!r} stands twice in the list and differs"
                raise events.Conflict(problem, events.encode(event))
            self._examine(group, post.site, event)
        return [
            (post.site, "event", event.id, self._event(group, post.site, event)) for event in told
        ]

    def _event(self, group: _Group, site: str, event: ProductionEvent) -> bool:
        """Whether it is new; then it is added. Raises Conflict."""
        if event.source is not None:
            group.sources.add((site, event.source))
        if self._examine(group, site, event):
            group.counts[site, "duplicates"] += 1
            return False
        group.add(site, Entry("event", event.id, events.encode(event)))
        return True

    def _examine(self, group: _Group, site: str, event: ProductionEvent) -> bool:
        """Whether it is known already. Raises Conflict; BadData for an impossible time."""
        if events.t_ms(event) > self._now_ms() + admission.DAY_MS:
            raise BadData(f"event {event.id!r}: t: is more than a day in the future")
        entry = group.added.get((site, "event", event.id))
        record = None if entry else self._journal.find(site, "event", event.id)
        data = entry.data if entry else record.data if record else None
        if data is None:
            return False
        if not events.same(msgspec.json.decode(data, type=ProductionEvent), event):
            problem = f"event {event.id!r} was told before and said something else"
            raise events.Conflict(problem, events.encode(event))
        return True

    def _document(
        self, group: _Group, site: str, kind: str, data: bytes
    ) -> tuple[str, str, str, bool]:
        """A model or factor set; one that is already in force is not repeated."""
        digest = hashlib.sha256(data).hexdigest()
        newest = self._newest(group, site, kind)
        if newest is not None and newest[1] == digest:
            return site, kind, newest[0], False
        # The same document may come into force a second time, after another one.
        for again in itertools.count(1):
            key = digest if again == 1 else f"{digest}/{again}"
            if (site, kind, key) not in group.added and not self._journal.find(site, kind, key):
                break
        group.add(site, Entry(kind, key, data))
        return site, kind, key, True

    def _newest(self, group: _Group, site: str, kind: str) -> tuple[str, str] | None:
        """(key, hash) of the newest document of a kind."""
        for entry in reversed(group.entries.get(site, [])):
            if entry.kind == kind:
                return entry.key, hashlib.sha256(entry.data).hexdigest()
        known = self.standings[site].latest.get(kind)
        if known is None:
            return None
        record = self._journal.read(site, known[0] - 1, 1)[0]
        return record.key, record.hash

    def _placed(
        self,
        placed: dict[tuple[str, str, str], Record],
        site: str,
        kind: str,
        key: str,
        new: bool,
    ) -> Placed:
        record = placed.get((site, kind, key)) or self._journal.find(site, kind, key)
        if record is None:
            raise AssertionError(f"{kind} {key} was neither found nor appended")
        return Placed(key, record.hash, record.offset, new)

    def _sayings(self, group: _Group) -> list[Saying]:
        said = []
        for where in group.streams:
            stream = self.standings[where[0]].stream(*where[1:])
            said.append(self._receipt(stream))
            self.counts[stream.site, "receipts"] += 1
            gaps = self.held.gaps(stream)
            now_ms = self._now_ms()
            if gaps and now_ms - self._asked_ms.get(where, 0) >= RESEND_AFTER_MS:
                self._asked_ms[where] = now_ms
                said.append(receipts.resend(stream, gaps[0]))
        for site, name in group.sources:
            source = self.standings[site].sources.get(name, Source())
            said.append(receipts.of_events(site, name, source.upto))
        return said

    def _receipt(self, stream: Stream) -> Saying:
        offset = self.standings[stream.site].offset
        return self._receipts.of_stream(stream, self.held.gaps(stream), offset)
