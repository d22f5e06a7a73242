"""Which process of several takes which site, decided by the site's name alone.

Plain topics under a fixed client id: a broker's shared subscription loses what the process that
fails had in hand. A journal is one process's, and a site's chain is in one journal: so a site never
moves by itself.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from wire.errors import ConfigError


def partition_of(site: str, partitions: int) -> int:
    """From 1 to `partitions`."""
    digest = hashlib.sha256(site.encode()).digest()
    return int.from_bytes(digest[:8]) % partitions + 1


def check_journal(path: Path, sites: Iterable[str], partition: int, partitions: int) -> None:
    """Raises ConfigError if a journal holds a site that is another partition's."""
    for site in sites:
        if (owner := partition_of(site, partitions)) != partition:
            raise ConfigError(
                f"partition: {path} holds site {site}, which is partition {owner}'s of {partitions}; "
                f"this is {partition}. Set partitions and partition as they were when it was begun, "
                "or give it to that partition"
            )
