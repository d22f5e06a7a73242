"""What the commands on published footprints share: which are there, and by which terms they are made."""

import argparse
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from calc_stream.commands.explain import DEMO, places
from calc_stream.commands.export import site_of
from calc_stream.config import Config, terms_of
from calc_stream.footprints.footprint import Footprint, Withdrawal, successors
from calc_stream.footprints.shelf import FILE, open_shelf
from calc_stream.ledger.store import open_store
from calc_stream.publishing import Terms
from wire import config
from wire.errors import ConfigError


@dataclass(frozen=True)
class Published:
    """Every one of a site, or of a product, in the order of publishing; what was withdrawn, by id."""

    site: str
    footprints: list[Footprint]
    withdrawn: dict[str, Withdrawal]

    @property
    def standing(self) -> list[Footprint]:
        """Those nothing took the place of, and nobody withdrew."""
        gone = successors(self.footprints).keys() | self.withdrawn.keys()
        return [each for each in self.footprints if each.id not in gone]


def published(args: argparse.Namespace, product: str | None = None) -> Published:
    """Raises ConfigError, also where nothing of the product was."""
    ledger = ledger_of(args)
    with closing(open_store(ledger)) as store:
        site = site_of(store, ledger, args.site)
    found = Published(site, [], {})
    if (ledger / FILE).exists():  # who only looks makes no file
        with closing(open_shelf(ledger)) as shelf:
            all_ = shelf.all(site) if product is None else shelf.of(site, product)
            found = Published(site, all_, shelf.withdrawn(site))
    if product is not None and not found.footprints:
        raise ConfigError(
            f"no footprint of {product!r} was published; see `wattprint footprint list`"
        )
    return found


def ledger_of(args: argparse.Namespace) -> Path:
    """The state directory that is meant. Raises ConfigError."""
    found: Path = args.ledger or places(args)[0]
    return found


def terms(args: argparse.Namespace, site: str) -> Terms:
    """By the calculator's configuration. Raises ConfigError."""
    if args.config is None and not DEMO.exists():
        raise ConfigError("--config: give the calculator's configuration: it says by which method")
    found = terms_of(config.load(args.config or DEMO, Config))
    if found.site != site:
        raise ConfigError(f"--site: the configuration is of {found.site!r}, not {site!r}")
    return found
