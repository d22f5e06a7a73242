"""What a group of arrivals would add, gathered before anything is written."""

from collections import ChainMap, Counter
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field

from ingestor.events import Conflict, Fault, Refused, fault_of
from ingestor.quarantine import Poison
from ingestor.streams import Candidate, Stream
from wire.errors import BadData
from wire.journal import Entry
from wire.segment import Segment

Place = tuple[str, str, str, bool]  # (site, kind, key, new)


@dataclass
class Group:
    """What is to come on top of the journal, and what goes to quarantine."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    added: MutableMapping[tuple[str, str, str], Entry] = field(default_factory=dict)
    streams: dict[tuple[str, str, str], Stream] = field(default_factory=dict)
    forked: set[tuple[str, str, str]] = field(default_factory=set)
    # (site, numbering, number) -> the event it belongs to
    numbered: MutableMapping[tuple[str, str, int], str] = field(default_factory=dict)
    # (site, source, epoch) of events to be receipted
    senders: set[tuple[str, str, str | None]] = field(default_factory=set)
    poison: list[Poison] = field(default_factory=list)
    opened: list[Segment] = field(default_factory=list)  # of the entries, where they are at hand
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, site: str, entry: Entry) -> None:
        self.entries.setdefault(site, []).append(entry)
        self.added[site, entry.kind, entry.key] = entry

    def keep(self, candidate: Candidate, reason: str) -> None:
        self.poison.append(Poison(candidate.topic, reason, candidate.data))

    def draft(self) -> "Group":
        """One that sees what this one would add; nothing of it counts before `adopt`."""
        return Group(added=ChainMap({}, self.added), numbered=ChainMap({}, self.numbered))

    def adopt(self, draft: "Group") -> None:
        for site, entries in draft.entries.items():
            for entry in entries:
                self.add(site, entry)
        self.numbered.update(draft.numbered)
        self.senders |= draft.senders
        self.counts.update(draft.counts)


def all_or_none(
    group: Group,
    documents: Sequence[bytes],
    dry_run: bool,
    judge: Callable[[Group, bytes], Place],
) -> list[Place]:
    """Every document into the group, or none: Refused names each fault. A dry run adds nothing."""
    draft = group.draft()
    placed: list[Place] = []
    faults: list[Fault] = []
    for at, document in enumerate(documents):
        try:
            placed.append(judge(draft, document))
        except Conflict as exc:
            faults.append(fault_of(at, exc.why, exc.data))
        except BadData as exc:
            faults.append(fault_of(at, exc))
    if faults:
        raise Refused(faults)
    if not dry_run:
        group.adopt(draft)
    return placed
