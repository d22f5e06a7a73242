"""Campaigns: batches of one product that follow each other on a node and share its set-up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calc_stream.core.batches import Batch
from calc_stream.core.versions import Versions


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
    node: str,
    starts: Iterable[tuple[int, Iterable[str]]],
    versions: Versions,
    batches: Mapping[str, Batch],
) -> tuple[Campaign, ...]:
    """The campaigns of a node. `starts`: what starts there when, in order.

    A batch belongs to the campaign before it when both make the same (told) product and it starts
    at most `campaign_max_s` after that one's first start. A batch that starts again stays where it is.
    """
    found: list[Campaign] = []
    seen: set[str] = set()
    for t_ms, started in starts:
        for batch in sorted(started):
            if batch in seen:
                continue
            seen.add(batch)
            last = found[-1] if found else None
            if last is not None and t_ms <= last.over_ms and _same(last.batches[0], batch, batches):
                mine = (*last.batches, batch)
                found[-1] = Campaign(last.account, node, mine, last.first_ms, last.over_ms)
                continue
            if last is not None:
                over_ms = min(last.over_ms, t_ms)
                found[-1] = Campaign(last.account, node, last.batches, last.first_ms, over_ms)
            over_ms = t_ms + versions.at(t_ms).policy.campaign_max_s * 1000
            found.append(Campaign(f"campaign:{node}:{batch}", node, (batch,), t_ms, over_ms))
    return tuple(found)


def _same(one: str, other: str, batches: Mapping[str, Batch]) -> bool:
    product = batches[one].product
    return product is not None and product == batches[other].product
