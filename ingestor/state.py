"""What an ingestor keeps in its state folder, and the clock it is dated by."""

import time

from ingestor.config import Plan
from ingestor.projector import Cursors
from ingestor.quarantine import Quarantine


def now_ms() -> int:
    """The wall clock, UTC."""
    return time.time_ns() // 1_000_000


def open_quarantine(plan: Plan) -> Quarantine:
    limits = plan.config.quarantine
    path = plan.config.state / "quarantine.db"
    return Quarantine(path, now_ms, limits.most, limits.most_bytes)


def open_cursors(plan: Plan) -> Cursors:
    return Cursors(plan.config.state / "cursors.db")
