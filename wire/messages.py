"""The facts that travel: what a meter answered, what happened to it, what the plant produced.

Frozen, without behaviour. Times are UTC milliseconds; energy is exact integers.
"""

import msgspec

# mantissa and power of ten: the value is mantissa * 10**exponent in the quantity's unit, exactly.
Value = tuple[int, int]

QUALITIES = ("good", "interpolated", "backfilled", "suspect", "estimated")
# What may be booked. The rest is kept and shown, and counted as left out.
BOOKED = frozenset({"good", "interpolated", "backfilled"})

EVENT_TYPES = ("start", "stop", "state", "quantity", "input", "void", "swap", "lot")
STATES = (
    *("producing", "setup", "cleaning", "idle_in_order", "fault"),
    *("idle", "standby", "off"),
)


class Sample(msgspec.Struct, frozen=True):
    """The values one answer of a meter carried, all of the same instant.

    `values` maps a quantity of `wire.quantities` to its exact value in that quantity's unit.
    """

    meter: str
    t_ms: int
    values: dict[str, Value]
    quality: str = "good"


class MeterEvent(msgspec.Struct, frozen=True):
    """A discontinuity, seen by the agent and never silent.

    `swap`, `rollover` and `reset` end one register and start the next: `detail` then holds
    `quantity`, `closing` and `opening` as decimal strings in that quantity's unit.
    """

    meter: str
    t_ms: int
    event: str
    detail: dict[str, str] = {}


class ProductionEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One line of an events file, also what a plant's system sends (see the records format).

    `source` and `n` number the events of one sender, so that a missing one is noticed. A sender that
    counts from 1 again names a new `epoch`: then it was restarted, and is not another of its name.
    """

    id: str
    t: str
    type: str
    node: str | None = None
    batch: str | None = None
    product: str | None = None
    weight: str | None = None
    state: str | None = None
    good: str | None = None
    scrap: str | None = None
    unit: str | None = None
    of: str | None = None
    quantity: str | None = None
    from_: str | None = msgspec.field(name="from", default=None)
    meter: str | None = None
    closing: str | None = None
    opening: str | None = None
    lot: str | None = None
    factor: str | None = None
    document: str | None = None
    pcf: str | None = None
    supplier: str | None = None
    source: str | None = None
    epoch: str | None = None
    n: int | None = None


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """«I am alive at `heartbeat` ms and everything up to number `n` has been sent.»"""

    source: str
    n: int
    heartbeat: int
    epoch: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """A segment number the ingestor will not take, and why."""

    seq: int
    reason: str


class Receipt(msgspec.Struct, frozen=True):
    """«Have everything of this stream up to `upto`, whose hash is `head`», signed.

    `refused` segments are in quarantine and stay with the agent; `gaps` are ranges still missing.
    `journal` is the site's journal offset after them; `key` names the signer; `sig` signs the
    message with `sig` empty.
    """

    site: str
    gateway: str
    stream: str
    upto: int
    head: str
    journal: int
    key: str
    time_ms: int
    refused: list[Refusal] = []
    gaps: list[tuple[int, int]] = []
    sig: str = ""


class ResendRequest(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """«Send the segments numbered `from` to `to` of this stream again.»"""

    stream: str
    from_: int
    to: int


class EventRefusal(msgspec.Struct, frozen=True):
    """An event that will never be taken as it was told. Its number is free for one told better."""

    n: int
    id: str
    reason: str


class EventReceipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """«Have every event of this source up to number `upto`.»

    `gaps` are missing behind it, given what has come and the last heartbeat; `refused`, the newest
    of them, since the ingestor's start: quarantine keeps them all.
    """

    source: str
    upto: int
    epoch: str | None = None
    gaps: list[tuple[int, int]] = []
    refused: list[EventRefusal] = []


class GatewayState(msgspec.Struct, frozen=True):
    """A gateway's own health: birth, last will and once in a while."""

    gateway: str
    online: bool
    t_ms: int
    stream: str = ""
    sealed: int = 0
    receipted: int = 0
    meters: dict[str, str] = {}
