"""What needs a person: found in a site's state, never repaired silently. Pure."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from calc_stream.site import Site

_MOST_PROBLEMS = 20


class Alarm(msgspec.Struct, frozen=True):
    """`kind` is for programs, `about` names the thing, `text` is for people."""

    kind: Literal["closure", "silent", "unmapped", "unread", "residual", "record", "event"]
    about: str
    text: str


def alarms(site: Site) -> list[Alarm]:
    """The gravest kinds first."""
    return list(_alarms(site)) if site.state.model is not None else []


def _alarms(site: Site) -> Iterator[Alarm]:
    state = site.state
    for source, quanta in state.closure().items():
        if quanta:
            yield Alarm("closure", source, f"{quanta} quanta of {source} are on no account")
    for about, why in list(site.told.problems.items())[:_MOST_PROBLEMS]:
        yield Alarm("record", about, why)
    for meter in sorted(state.silent):
        yield Alarm("silent", meter, f"{meter} is silent: batches close without it, incomplete")
    read = set(state.readings.meters())
    for unread in state.model.meters if state.model else ():
        if unread.id not in read and unread.id not in state.silent:
            yield Alarm("unread", unread.id, f"{unread.id} was never read: nothing can be posted")
    for register, why in site.unmapped().items():
        yield Alarm("unmapped", register, f"{register}: {why}")
    for account, sums in state.totals().items():
        # Meters differ by their errors, so a small negative residual is no news.
        below = {source for source, quanta in sums.items() if quanta < 0}
        if account.startswith("residual:") and below and _matters(site, sums):
            yield Alarm("residual", account, f"{account}: more went out than came in")


def _matters(site: Site, sums: dict[str, int]) -> bool:
    """More than a hundredth of what entered the site: beyond what class 1 meters may differ by."""
    inflow = sum(site.state.inflow().values())
    return -sum(quanta for quanta in sums.values() if quanta < 0) * 100 > inflow
