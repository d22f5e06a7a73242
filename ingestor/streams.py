"""Pure: the chain of one gateway's stream, and where the next segment stands in it.

`upto` is the last number this side has decided on, and `head` the SHA-256 of the segment with that
number, whether it was appended or refused: it is the hash its gateway knows too. The chain goes on
after a refused segment, because its successor names it as `prev`. The very bytes that were refused
may be taken later, when nothing speaks against them any more: a clock was set, a program is newer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from wire import topics
from wire.errors import BadData
from wire.messages import Refusal
from wire.segment import GENESIS, Header, Segment
from wire.segment.gap import Gap

# A receipt names every refused segment. A stream with more of them stands still until a person
# has looked; it costs nothing, since its gateway keeps what is not signed for.
MOST_REFUSED = 1000


class Fork(BadData):
    """Two different segments claim one place: a disk was copied, or set back."""


class RefusedSegment(msgspec.Struct, frozen=True, tag_field="type", tag="refused"):
    """Takes a refused segment's place in the journal (a record of kind `correction`)."""

    gateway: str
    stream: str
    seq: int
    hash: str
    reason: str


class Lost(msgspec.Struct, frozen=True):
    """Numbers that will never come, by their gateway's own signed word; `head`: hash of `last`."""

    first: int
    last: int
    head: str


class Stream(msgspec.Struct, frozen=True):
    """How far one stream has come."""

    site: str
    gateway: str
    stream: str
    upto: int = 0
    head: str = GENESIS
    refused: tuple[Refusal, ...] = ()
    lost: tuple[Lost, ...] = ()

    def after(self, seq: int, hash_: str, prev: str, reason: str = "") -> "Stream":
        """The stream once `seq`, which follows `prev`, is decided on; with a `reason` it was refused.

        A number before `upto` is a refused or lost one, taken after all.
        """
        replace = msgspec.structs.replace
        if (lost := self.lost_at(seq)) is not None:
            rest = [each for each in self.lost if each != lost]
            if seq > lost.first:
                rest.append(Lost(lost.first, seq - 1, prev))
            return replace(self, lost=tuple(sorted(rest, key=lambda each: each.first)))
        if seq <= self.upto:
            return replace(self, refused=tuple(r for r in self.refused if r.seq != seq))
        refused = (*self.refused, Refusal(seq, reason)) if reason else self.refused
        return replace(self, upto=seq, head=hash_, refused=refused)

    def past(self, gap: Gap) -> "Stream":
        """The stream once its gateway has said that what comes next is lost."""
        lost = (*self.lost, Lost(self.upto + 1, gap.last, gap.head))
        return msgspec.structs.replace(self, upto=gap.last, head=gap.head, lost=lost)

    def lost_at(self, seq: int) -> Lost | None:
        """The lost range a number is in."""
        return next((each for each in self.lost if each.first <= seq <= each.last), None)


@dataclass(frozen=True)
class Candidate:
    """A segment that its gateway did sign. `reason` says why its content is refused, if it is."""

    header: Header
    hash: str
    data: bytes
    reason: str
    gap: Gap | None = None  # it is no segment, but the word that there is none
    opened: Segment | None = None

    @property
    def stream(self) -> tuple[str, str, str]:
        return self.header.site, self.header.gateway, self.header.stream

    @property
    def key(self) -> str:
        """The journal's key for it."""
        return segment_key(self.header.gateway, self.header.stream, self.header.seq)

    @property
    def topic(self) -> str:
        """Where it came in."""
        return str(topics.GatewayTopic(self.header.site, self.header.gateway, "seg"))


def segment_key(gateway: str, stream: str, seq: int) -> str:
    return f"{gateway}/{stream}/{seq}"


Verdict = Literal["next", "known", "refused", "late", "ahead", "gap"]


def judge(stream: Stream, candidate: Candidate, known_hash: Callable[[int], str | None]) -> Verdict:
    """Where `candidate` stands. `known_hash` tells the hash of a number decided on before.

    Raises Fork; BadData for a stream that has been refused too much, and for a lost segment whose
    successor is not there: nothing shows that it is the one.
    """
    header = candidate.header
    place = f"{header.gateway}/{header.stream}/{header.seq}"
    if candidate.gap is not None and candidate.gap.last <= stream.upto:
        return "known"
    if header.seq > stream.upto + 1:
        return "ahead"
    if candidate.gap is not None:
        return "gap"
    if (lost := stream.lost_at(header.seq)) is not None:
        if (header.seq, candidate.hash) != (lost.last, lost.head):
            raise BadData(f"{place} was lost, and {lost.last} with hash {lost.head} comes first")
        return "late"
    if header.seq <= stream.upto:
        if (known := known_hash(header.seq)) != candidate.hash:
            raise Fork(f"fork: {place} is {candidate.hash} and was {known}")
        refused = any(header.seq == each.seq for each in stream.refused)
        return "refused" if refused else "known"
    if header.prev != stream.head:
        raise Fork(f"fork: {place} follows {header.prev}, the stream stands at {stream.head}")
    if candidate.reason and len(stream.refused) >= MOST_REFUSED:
        raise BadData(f"{place}: {candidate.reason}; {MOST_REFUSED} refused, the stream waits")
    return "next"


class Held:
    """Segments that came before their predecessors, few and in memory: their gateway has them."""

    def __init__(self, most: int = 64, most_bytes: int = 16 * 1024 * 1024) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._waiting: dict[tuple[str, str, str], dict[int, Candidate]] = {}
        self._highest: dict[tuple[str, str, str], int] = {}

    def put(self, candidate: Candidate) -> None:
        """Hold it if there is room; either way the gap before it is known from now on."""
        waiting = self._waiting.setdefault(candidate.stream, {})
        seq = candidate.header.seq
        self._highest[candidate.stream] = max(self._highest.get(candidate.stream, 0), seq)
        fits = len(waiting) < self._most and self._bytes + len(candidate.data) <= self._most_bytes
        if seq not in waiting and fits:
            waiting[seq] = candidate
            self._bytes += len(candidate.data)

    def get(self, stream: tuple[str, str, str], seq: int) -> Candidate | None:
        return self._waiting.get(stream, {}).get(seq)

    def waiting(self, stream: tuple[str, str, str]) -> list[Candidate]:
        """Everything held of one stream."""
        return list(self._waiting.get(stream, {}).values())

    def streams(self, site: str) -> set[str]:
        """Streams of a site, as `<gateway>/<stream>`, of which something came too early."""
        return {
            f"{gateway}/{stream}" for its, gateway, stream in self._highest.copy() if its == site
        }

    def forget(self, stream: tuple[str, str, str], upto: int) -> None:
        """Let go of everything up to `upto`."""
        waiting = self._waiting.get(stream, {})
        for seq in [seq for seq in waiting if seq <= upto]:
            self._bytes -= len(waiting.pop(seq).data)

    def drop(self, candidate: Candidate) -> None:
        """Let go of one that turned out not to belong."""
        if self._waiting.get(candidate.stream, {}).pop(candidate.header.seq, None):
            self._bytes -= len(candidate.data)

    def gaps(self, stream: Stream) -> list[tuple[int, int]]:
        """The ranges missing between `upto` and the highest number seen."""
        key = (stream.site, stream.gateway, stream.stream)
        gaps, begin = [], stream.upto + 1
        for seq in (*sorted(self._waiting.get(key, {})), self._highest.get(key, 0) + 1):
            if seq > begin:
                gaps.append((begin, seq - 1))
            begin = max(begin, seq + 1)
        return gaps
