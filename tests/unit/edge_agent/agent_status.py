"""A status as an agent writes it, for tests."""

import msgspec

from edge_agent.status import LinkStatus, MeterStatus, Status, StoreStatus

T = 1_795_000_000_000
QUARTER_MS = 900_000


def meter(**said: object) -> MeterStatus:
    whole = MeterStatus(
        bus="line-a",
        health="ok",
        since_ms=T - 3_600_000,
        slots_due=3600,
        slots_answered=3590,
        requests=7200,
        answers=7185,
        silent=9,
        garbled=4,
        stray=2,
        p50_ms=41.2,
        p99_ms=55.0,
        probe_ms=None,
        error="",
        error_ms=None,
        quarters=[(T - 1_000_000, T - 1_000_000, 900, 899), (T - 100_000, T - 100_000, 100, 100)],
    )
    return msgspec.structs.replace(whole, **said)


def agent(meters: dict[str, MeterStatus] | None = None, **said: object) -> Status:
    whole = Status(
        site="cq",
        gateway="gw-1",
        running=True,
        pid=4711,
        t_ms=T,
        mono_ms=5_000_000,
        boot="b1",
        clock="synchronized",
        started_ms=T - 3_600_000,
        cpu_ms=61_230,
        resident_bytes=45_000_000,
        stuck=[],
        refused=[],
        store=StoreStatus(3, T - 4_000, 4_096_000, 12_000_000_000),
        link=LinkStatus("broker.example:8883", True, T - 3_000_000, 1),
        meters=meters if meters is not None else {"m-1": meter()},
    )
    return msgspec.structs.replace(whole, **said)
