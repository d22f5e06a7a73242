"""The accounts a batch's energy is on, and every interval in which one of them received something."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from calc_stream.core.decimals import fixed, significant
from calc_stream.core.postings import Postings, network_of, post
from calc_stream.core.stores import Stocks
from calc_stream.evidence.budget import Grounds, accounts_of, window


class IntervalTrail(msgspec.Struct, frozen=True):
    """From edge to edge: what the account received, by source in the source's unit."""

    from_ms: int
    to_ms: int
    amounts: dict[str, str]


class AccountTrail(msgspec.Struct, frozen=True):
    """An account and how much of it counts: 1 the batch's own, else what was drawn of its good output.

    `amounts`: all that it received, by source in the source's unit, exactly the sum of `intervals`.
    """

    account: str
    counts: str
    amounts: dict[str, str]
    intervals: list[IntervalTrail]


def accounts_trail(over: Sequence[Grounds], batch: str) -> list[AccountTrail]:
    """The batch's own account first, then those of what it was made of. `over`: version by version."""
    if not over:
        return []
    counts = accounts_of(over[0].batches, batch)
    own = f"batch:{batch}"
    names = [own, *(name for name in counts if name != own)]
    return [_account(over, name, significant(counts[name], 6)) for name in names]


def _account(over: Sequence[Grounds], account: str, counts: str) -> AccountTrail:
    intervals: list[IntervalTrail] = []
    sums: dict[str, int] = {}
    stores = any(its.model.stores for its in over)
    stocks: Stocks = {}
    for its in over:
        # What stores hold goes on into the next version.
        edges = its.edges if stores and its is not over[-1] else window(its, {account})
        if edges.size < 2:
            continue
        postings = post(network_of(its.model), its.nodes, its.readings, edges, stocks)
        stocks = postings.ended
        for (from_ms, to_ms), quanta in _received(postings, account).items():
            intervals.append(IntervalTrail(from_ms, to_ms, _texts(over, quanta)))
            for source, amount in quanta.items():
                sums[source] = sums.get(source, 0) + amount
    return AccountTrail(account, counts, _texts(over, sums), intervals)


def _received(postings: Postings, account: str) -> dict[tuple[int, int], dict[str, int]]:
    """Quanta by interval and source, in order of time."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    mine = [at for at, name in enumerate(postings.accounts) if name.name == account]
    for at in np.flatnonzero(np.isin(postings.account, mine)).tolist():
        interval = int(postings.starts[at]), int(postings.ends[at])
        source, own = postings.sources[postings.source[at]], found.setdefault(interval, {})
        own[source] = own.get(source, 0) + int(postings.quanta[at])
    return found


def _texts(over: Sequence[Grounds], quanta: Mapping[str, int]) -> dict[str, str]:
    texts = {}
    for source, amount in sorted(quanta.items()):
        model = next(its.model for its in over if source in its.model.sources)
        carrier = model.carrier_of(source)
        texts[source] = fixed(amount, carrier.quanta_per_unit, carrier.digits)
    return texts
