"""What stands behind the door for other companies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calc_stream.pact.catalogue import Catalogue
from calc_stream.pact.outbox import Outbox
from calc_stream.pact.settings import Pact
from calc_stream.web.audit import Audit
from calc_stream.web.guard import Guard
from wire.signing import PublicKey


@dataclass(frozen=True)
class Office:
    """`received`: the folder for documents of others; `public`: of the key that signs tokens."""

    pact: Pact
    catalogue: Catalogue
    outbox: Outbox
    guard: Guard
    public: PublicKey
    audit: Audit
    received: Path
    now_ms: Callable[[], int]
    new_id: Callable[[], str]
