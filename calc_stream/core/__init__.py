"""The pure core: records in, exact postings and results out. No clock, file, socket or random.

`recompute` is the definition; `SiteState` (and `step`, the same over bytes) equals it live.
"""

from calc_stream.core.accounts import Account
from calc_stream.core.batches import Batch, Lot
from calc_stream.core.burdens import Burden, burdens
from calc_stream.core.chunk import Block, Changes, Chunk, Registers, registers_of
from calc_stream.core.definition import recompute
from calc_stream.core.events import Event, Problem
from calc_stream.core.json_lines import BadLine
from calc_stream.core.ledger import Ledger
from calc_stream.core.model import SiteModel, parse_model
from calc_stream.core.periods import Marks, Periods
from calc_stream.core.pools import Spreading, Transfer
from calc_stream.core.postings import Postings
from calc_stream.core.records import parse_event, parse_events, parse_readings
from calc_stream.core.result import batch_result, canonical, compute_result
from calc_stream.core.series import Readings
from calc_stream.core.state import SiteState, step
from calc_stream.core.swaps import Swap
from calc_stream.core.versions import Versions
from wire.reasons import Reason, because

__all__ = [
    "Account",
    "BadLine",
    "Batch",
    "Block",
    "Burden",
    "Changes",
    "Chunk",
    "Event",
    "Ledger",
    "Lot",
    "Marks",
    "Periods",
    "Postings",
    "Problem",
    "Readings",
    "Reason",
    "Registers",
    "SiteModel",
    "SiteState",
    "Spreading",
    "Swap",
    "Transfer",
    "Versions",
    "batch_result",
    "because",
    "burdens",
    "canonical",
    "compute_result",
    "parse_event",
    "parse_events",
    "parse_model",
    "parse_readings",
    "recompute",
    "registers_of",
    "step",
]
