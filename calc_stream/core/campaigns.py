"""Campaigns: batches of one product that follow each other on a node and share its set-up."""

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from calc_stream.core.batches import Batch
from calc_stream.core.versions import Versions

First = tuple[int, str]  # when a batch first starts on a node


@dataclass(frozen=True, slots=True)
class Campaign:
    """`batches` in the order of their first start on the node, `first_ms` that of the first one.
    It is over at `over_ms` at the latest: nothing that starts later belongs to it."""

    account: str
    node: str
    batches: tuple[str, ...]
    first_ms: int
    over_ms: int


def campaigns_of(
    node: str, firsts: Iterable[First], versions: Versions, batches: Mapping[str, Batch]
) -> Iterator[Campaign]:
    """The campaigns of a node, from the one on that the first of the firsts begins.

    A batch belongs to the campaign before it when both make the same (told) product and it starts
    at most `campaign_max_s` after that one's first start. A batch that starts again stays where it is.
    """
    members: list[str] = []
    first_ms = over_ms = 0
    for t_ms, batch in firsts:
        if members and t_ms <= over_ms and _same(members[0], batch, batches):
            members.append(batch)
            continue
        if members:
            yield _campaign(node, members, first_ms, min(over_ms, t_ms))
        members, first_ms = [batch], t_ms
        over_ms = t_ms + versions.at(t_ms).policy.campaign_max_s * 1000
    if members:
        yield _campaign(node, members, first_ms, over_ms)


class Campaigns:
    """The campaigns of a node whose batches come to start at other times, or to make something else.

    `all`: in order; `accounts`: theirs, by batch.
    """

    def __init__(self, node: str, versions: Versions) -> None:
        self.all: tuple[Campaign, ...] = ()
        self.accounts: dict[str, str] = {}
        self._node, self._versions = node, versions
        self._firsts: list[First] = []

    def follow(
        self, gone: Collection[First], come: Collection[First], batches: Mapping[str, Batch]
    ) -> set[str]:
        """Firsts that are others now, or others' than they were; the batches that are in another
        campaign."""
        if not gone and not come:
            return set()
        for first in gone:
            del self._firsts[bisect_left(self._firsts, first)]
        for first in come:
            insort(self._firsts, first)
        changed = sorted([*gone, *come])
        # The last one that began before all this begins as it did.
        kept = max(bisect_left(self.all, changed[0], key=_leader) - 1, 0)
        begin = bisect_left(self._firsts, _leader(self.all[kept])) if self.all else 0
        begin = min(begin, bisect_left(self._firsts, changed[0]))
        ahead = (self._firsts[at] for at in range(begin, len(self._firsts)))
        fresh: list[Campaign] = []
        rest = len(self.all)
        for campaign in campaigns_of(self._node, ahead, self._versions, batches):
            leader = _leader(campaign)
            at = bisect_left(self.all, leader, key=_leader)
            if leader > changed[-1] and at < len(self.all) and _leader(self.all[at]) == leader:
                rest = at  # from here on all is as it was
                break
            fresh.append(campaign)
        old, self.all = self.all, (*self.all[:kept], *fresh, *self.all[rest:])
        before = {batch: c.account for c in old[kept:rest] for batch in c.batches}
        now = {batch: c.account for c in fresh for batch in c.batches}
        for batch in before:
            del self.accounts[batch]
        self.accounts |= now
        return {
            batch for batch in before.keys() | now.keys() if before.get(batch) != now.get(batch)
        }


def _campaign(node: str, members: list[str], first_ms: int, over_ms: int) -> Campaign:
    account = f"campaign:{node}:{members[0]}"
    return Campaign(account, node, tuple(members), first_ms, over_ms)


def _leader(campaign: Campaign) -> First:
    return campaign.first_ms, campaign.batches[0]


def _same(one: str, other: str, batches: Mapping[str, Batch]) -> bool:
    product = batches[one].product
    return product is not None and product == batches[other].product
