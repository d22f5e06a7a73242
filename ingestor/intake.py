"""The heart: a group of arrivals in; journal records, quarantine and words to say out.

Synchronous and owned by one thread. A group is judged on top of what the journal holds, then
appended with one transaction a site. What this side believes changes only after that, by reading
the appended records; so a failed append needs no undoing, and the same group can be offered again.
"""

import hashlib
import logging
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from ingestor import admission, receipts
from ingestor.attested import Attested
from ingestor.days import Days
from ingestor.documents import Documents
from ingestor.event_intake import EventIntake
from ingestor.events import Refused
from ingestor.group import Group, Place
from ingestor.keys import Keys
from ingestor.opened import Opened
from ingestor.quarantine import Poison, Quarantine
from ingestor.receipts import Receipts, Saying
from ingestor.standing import Standing, check_site
from ingestor.statements import StatementIntake
from ingestor.streams import Candidate, Fork, Held, RefusedSegment, Stream, judge, segment_key
from wire import topics
from wire.errors import BadData
from wire.journal import Entry, Record, Writer
from wire.messages import EventReceipt, GatewayState, Heartbeat
from wire.segment import read_header
from wire.segment.gap import Gap
from wire.topics import GatewayTopic

log = logging.getLogger(__name__)

RESEND_AFTER_MS = 5000
MOST_RESENT = 1000  # as many as a gateway sends for one request
_AHEAD_OF_FORK = "its stream has a fork, and its predecessor has not come"


@dataclass(frozen=True)
class Packet:
    """Bytes that came over MQTT. Nobody waits for an answer but its acknowledgement."""

    topic: str
    data: bytes


@dataclass(frozen=True)
class Post:
    """Documents of one kind that came over HTTP: all of them are taken, or none."""

    site: str
    kind: Literal["event", "statement", "segment", "model", "factor", "key", "stamp", "cosignature"]
    documents: tuple[bytes, ...]
    dry_run: bool = False


@dataclass(frozen=True)
class Placed:
    """Where a document stands in the journal; `new` is false for one that stood there before.

    After a dry run what is new stands nowhere: its `offset` is 0.
    """

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


class Intake:
    """Everything that may enter the journal enters here."""

    def __init__(
        self,
        journal: Writer,
        standings: dict[str, Standing],
        keys: Keys,
        receipts_: Receipts,
        days: Days,
        quarantine: Quarantine,
        now_ms: Callable[[], int],
        followers: Sequence[Opened] = (),
        heartbeat_ms: int = 60_000,
    ) -> None:
        # (site, what) since the start; what stands in the journal is counted by `standings`.
        self.counts: Counter[tuple[str, str]] = Counter()
        self.standings = standings
        self.events = EventIntake(journal, standings, self._latest_ms, heartbeat_ms)
        self._statements = StatementIntake(journal, self._latest_ms)
        self.gateways: dict[tuple[str, str], GatewayState] = {}
        self.held = Held()
        self._journal = journal
        self._keys = keys
        self._receipts = receipts_
        self._days = days
        self._documents = Documents(journal, standings, keys)
        self._attested = Attested(journal)
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._followers = followers
        # stream -> when it was asked for numbers, and the last of them
        self._asked: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._forked: set[tuple[str, str, str]] = set()

    def take(self, arrivals: Sequence[Packet | Post]) -> Taken:
        """Journal what is good, keep what is not. When this returns, all of it is on disk.

        Raises TransientError when a disk fails; the group may then be offered again.
        """
        group = Group()
        judged = [self._judge(group, arrival) for arrival in arrivals]
        self._quarantine.keep(group.poison)
        self._forked |= group.forked
        for segment in group.opened:
            for follower in self._followers:
                follower.put(segment)
        placed: dict[tuple[str, str, str], Record] = {}
        for site, entries in group.entries.items():
            for record in self._days.append(self.standings[site], entries):
                placed[site, record.kind, record.key] = record
                if record.kind == "key":
                    self._keys.add([record])
        for stream in group.streams.values():
            self.held.forget((stream.site, stream.gateway, stream.stream), stream.upto)
        self.counts.update(group.counts)
        results: list[Result] = [
            one if isinstance(one, BadData) else [self._placed(placed, *key) for key in one]
            for one in judged
        ]
        return Taken(results, self._sayings(group))

    def beat(self, site: str, told: Heartbeat) -> EventReceipt:
        """A heartbeat that waits for its answer. Raises BadData; TransientError when a disk fails."""
        check_site(self.standings, site)
        group = Group()
        self.events.beat(group, site, told)
        self._days.append(self.standings[site], group.entries.get(site, []))
        return self.events.receipt((site, told.source, told.epoch))

    def close_days(self) -> None:
        """Sign for what a day brought once it is over, also where nothing comes any more."""
        for standing in self.standings.values():
            self._days.close(standing)

    def greetings(self) -> list[Saying]:
        """Every current receipt, for a broker that may have lost what it retained."""
        said = []
        for standing in self.standings.values():
            said += [self._receipt(stream) for stream in standing.streams.values()]
            for name in standing.sources:
                source, _, epoch = name.partition("/")
                receipt = self.events.receipt((standing.site, source, epoch or None))
                said.append(receipts.of_events(standing.site, receipt))
        return said

    def _judge(
        self, group: Group, arrival: Packet | Post
    ) -> list[tuple[str, str, str, bool]] | BadData:
        """(site, kind, key, new) of every document it brought, or why it is not taken."""
        try:
            if isinstance(arrival, Packet):
                self._packet(group, arrival)
                return []
            if arrival.kind == "segment":
                return [self._posted_segment(group, arrival.site, arrival.documents[0])]
            if arrival.kind == "key":
                return [self._documents.key(group, arrival.site, arrival.documents[0])]
            check_site(self.standings, arrival.site)
            if arrival.kind == "event":
                its = arrival.documents, arrival.dry_run
                return self.events.posted(group, arrival.site, *its)
            if arrival.kind == "statement":
                its = arrival.documents, arrival.dry_run
                return self._statements.posted(group, arrival.site, *its)
            document = arrival.documents[0]
            if arrival.kind == "stamp":
                return [self._attested.stamp(group, arrival.site, document)]
            if arrival.kind == "cosignature":
                return [self._attested.cosignature(group, arrival.site, document)]
            return [self._documents.document(group, arrival.site, arrival.kind, document)]
        except BadData as exc:
            self._not_taken(group, arrival, exc)
            return exc

    def _not_taken(self, group: Group, arrival: Packet | Post, why: BadData) -> None:
        if isinstance(why, Fork):
            log.error("%s", why)
        if isinstance(arrival, Packet):
            group.poison.append(Poison(arrival.topic, str(why), arrival.data))
            site = arrival.topic.split("/")[2]
            group.counts[site, "quarantined"] += 1
        elif isinstance(why, Refused) and arrival.kind == "event" and not arrival.dry_run:
            for fault in why.faults:
                if fault.conflict is not None:
                    origin = topics.events(arrival.site)
                    group.poison.append(Poison(origin, fault.problem, fault.conflict))
                    group.counts[arrival.site, "quarantined"] += 1

    def _packet(self, group: Group, packet: Packet) -> None:
        if packet.topic.endswith("/seg"):
            candidate = admission.examine(packet.topic, packet.data, self._keys, self._latest_ms)
            self._segment(group, candidate)
        elif packet.topic.endswith("/state"):
            self._state(packet)
        else:
            site, owner = topics.parse_event(packet.topic)
            check_site(self.standings, site)
            self.events.message(group, site, packet.data, owner)

    def _segment(self, group: Group, candidate: Candidate) -> None:
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
                self._not_taken(group, Packet(follower.topic, follower.data), exc)
                return

    def _posted_segment(self, group: Group, site: str, data: bytes) -> Place:
        """One that came without a broker; its sender looks whether the journal has it then."""
        header, _, _ = read_header(data)
        topic = str(GatewayTopic(site, header.gateway, "seg"))
        candidate = admission.examine(topic, data, self._keys, self._latest_ms)
        self._segment(group, candidate)
        return site, "segment", candidate.key, True

    def _place(self, group: Group, candidate: Candidate) -> None:
        header, where = candidate.header, candidate.stream
        standing = self.standings[header.site]
        stream = group.streams.get(where) or standing.stream(header.gateway, header.stream)
        group.streams[where] = stream  # whatever comes of it, its gateway is answered
        try:
            verdict = judge(stream, candidate, lambda seq: self._known_hash(group, stream, seq))
        except Fork:
            self._fork(group, where)
            raise
        if verdict == "ahead":
            if candidate.gap is None:  # the word of a gap is asked for again when its turn comes
                self.held.put(replace(candidate, opened=None))  # it may wait for long
            if where in self._forked | group.forked:
                group.keep(candidate, _AHEAD_OF_FORK)
        elif verdict == "known" or (verdict in ("refused", "late") and candidate.reason):
            group.counts[header.site, "duplicates"] += 1
            if verdict != "known":
                group.keep(candidate, candidate.reason)
        elif candidate.gap is not None:
            self._gap(group, stream, candidate, candidate.gap)
        else:
            if verdict != "next":
                log.warning("segment %s was refused or lost and is taken now", candidate.key)
            its = (header.seq, candidate.hash, header.prev, candidate.reason)
            group.streams[where] = stream.after(*its)
            if candidate.reason:
                self._refuse(group, candidate)
            else:
                group.add(header.site, Entry("segment", candidate.key, candidate.data))
                if candidate.opened is not None:
                    group.opened.append(candidate.opened)

    def _gap(self, group: Group, stream: Stream, candidate: Candidate, gap: Gap) -> None:
        """What comes next is lost: its gateway's word takes its place, and the numbers go on."""
        key = segment_key(stream.gateway, stream.stream, stream.upto + 1)
        log.error("segments %s to %d are lost: %s", key, gap.last, gap.why)
        group.streams[candidate.stream] = stream.past(gap)
        group.add(stream.site, Entry("gap", key, candidate.data))
        group.counts[stream.site, "lost"] += gap.last - stream.upto

    def _refuse(self, group: Group, candidate: Candidate) -> None:
        header = candidate.header
        log.error("segment %s is refused: %s", candidate.key, candidate.reason)
        mark = RefusedSegment(
            header.gateway, header.stream, header.seq, candidate.hash, candidate.reason
        )
        group.add(header.site, Entry("correction", candidate.key, msgspec.json.encode(mark)))
        group.keep(candidate, candidate.reason)
        group.counts[header.site, "refused"] += 1

    def _fork(self, group: Group, where: tuple[str, str, str]) -> None:
        """From now on what is ahead may be of the other branch: then its turn never comes."""
        if where not in self._forked | group.forked:
            group.forked.add(where)
            for candidate in self.held.waiting(where):
                group.keep(candidate, _AHEAD_OF_FORK)

    def _known_hash(self, group: Group, stream: Stream, seq: int) -> str | None:
        key = segment_key(stream.gateway, stream.stream, seq)
        if added := group.added.get((stream.site, "segment", key)):
            return hashlib.sha256(added.data).hexdigest()
        if known := self._journal.hash_of(stream.site, "segment", key):
            return known
        if data := self._known_data(group, stream.site, "correction", key):
            return msgspec.json.decode(data, type=RefusedSegment).hash
        return None

    def _known_data(self, group: Group, site: str, kind: str, key: str) -> bytes | None:
        """What the group or the journal has under this key."""
        entry = group.added.get((site, kind, key)) or self._journal.find(site, kind, key)
        return entry.data if entry else None

    def _state(self, packet: Packet) -> None:
        place = topics.parse_gateway(packet.topic)
        try:
            state = msgspec.json.decode(packet.data, type=GatewayState)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise BadData(f"gateway state: {exc}") from exc
        check_site(self.standings, place.site)
        self.gateways[place.site, place.gateway] = state

    def _latest_ms(self, site: str) -> int:
        """What is later is in the future; while our own clock is behind the journal, nothing is."""
        now_ms = self._now_ms()
        behind = now_ms < self.standings[site].newest_ms
        return sys.maxsize if behind else now_ms + admission.DAY_MS

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
            return Placed(key, "", 0, new)
        return Placed(key, record.hash, record.offset, new)

    def _sayings(self, group: Group) -> list[Saying]:
        said = []
        for where in group.streams:
            stream = self.standings[where[0]].stream(*where[1:])
            said.append(self._receipt(stream))
            self.counts[stream.site, "receipts"] += 1
            gaps = self.held.gaps(stream)
            now_ms = self._now_ms()
            asked_ms, asked = self._asked.get(where, (0, 0))
            # Again after a while; and at once when all that was asked for has come.
            if gaps and (stream.upto >= asked or now_ms - asked_ms >= RESEND_AFTER_MS):
                first, last = gaps[0][0], min(gaps[0][1], gaps[0][0] + MOST_RESENT - 1)
                self._asked[where] = now_ms, last
                said.append(receipts.resend(stream, (first, last)))
        for sender in group.senders:
            said.append(receipts.of_events(sender[0], self.events.receipt(sender)))
        return said

    def _receipt(self, stream: Stream) -> Saying:
        offset = self.standings[stream.site].offset
        return self._receipts.of_stream(stream, self.held.gaps(stream), offset)
