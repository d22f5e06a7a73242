"""What pools and campaigns gave a batch: what each received, and which part of it by what. Pure."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from calc_stream.core import Spreading, Versions
from calc_stream.core.accounts import Cell, Sums
from calc_stream.core.burdens import by_source
from calc_stream.core.decimals import fixed, significant
from calc_stream.core.pools import Drivers, Transfer
from calc_stream.core.series import Span


class PoolTrail(msgspec.Struct, frozen=True):
    """A pool in a window, or a campaign (no window): what it `received`, by source in the source's unit,
    and what the batch bears of it. `share`: its part of all that `by` measures."""

    account: str
    by: str
    from_ms: int | None
    to_ms: int | None
    received: dict[str, str]
    share: str
    amounts: dict[str, str]


def pools_trail(spreading: Spreading, spans: Iterable[Span], batch: str) -> list[PoolTrail]:
    """In order of time, campaigns last. `spans`: what is spread lies in them."""
    if spreading.span is None:
        return []
    whole = list(spans)
    return [*_windows(spreading, whole, batch), *_campaigns(spreading, batch)]


def _windows(spreading: Spreading, spans: list[Span], batch: str) -> Iterator[PoolTrail]:
    versions = spreading.periods.versions
    for window in spreading.periods.windows(spreading.span or (0, 0)):
        if not any(first <= window[0] and window[1] <= last for first, last in spans):
            continue
        by = versions.at(window[0]).policy.spread
        for account, mine in _of(spreading.of_windows([window]), batch).items():
            node = account.removeprefix("pool:")
            share = _share(spreading.drivers(node, window), batch)
            received = _texts(versions, spreading.gathered(node, window))
            yield PoolTrail(account, by, *window, received, share, _texts(versions, mine))


def _campaigns(spreading: Spreading, batch: str) -> Iterator[PoolTrail]:
    versions = spreading.periods.versions
    for campaign in spreading.campaigns():
        if batch not in campaign.batches:
            continue
        for account, mine in _of(spreading.of_campaigns([campaign]), batch).items():
            share = _share(spreading.outputs(campaign), batch)
            received = _texts(versions, _received(spreading.sums, account))
            amounts = _texts(versions, mine)
            yield PoolTrail(account, "output", None, None, received, share, amounts)


def _of(transfers: Iterable[Transfer], batch: str) -> dict[str, dict[Cell, int]]:
    """What the batch gets, by account."""
    found: dict[str, dict[Cell, int]] = {}
    for transfer in transfers:
        if transfer.batch == batch:
            own = found.setdefault(transfer.account, {})
            key = transfer.period, transfer.source
            own[key] = own.get(key, 0) + transfer.quanta
    return found


def _received(sums: Sums, name: str) -> dict[Cell, int]:
    found: dict[Cell, int] = {}
    for account, cells in sums.items():
        for key, quanta in cells.items() if account.name == name else ():
            found[key] = found.get(key, 0) + quanta
    return found


def _share(drivers: Drivers, batch: str) -> str:
    return significant(drivers[batch] / sum(drivers.values()), 6)


def _texts(versions: Versions, cells: Mapping[Cell, int]) -> dict[str, str]:
    texts = {}
    for source, quanta in by_source(cells).items():
        carrier = versions.carrier_of(source)
        texts[source] = fixed(int(quanta), carrier.quanta_per_unit, carrier.digits)
    return texts
