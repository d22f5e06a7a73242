"""What the commands on published footprints share: which are there, and by which terms they are made."""

import argparse
from contextlib import closing

from calc_stream.commands.explain import DEMO, places
from calc_stream.commands.export import site_of
from calc_stream.config import Config, terms_of
from calc_stream.footprints.footprint import Footprint
from calc_stream.footprints.shelf import FILE, open_shelf
from calc_stream.ledger.store import open_store
from calc_stream.publishing import Terms
from wire import config
from wire.errors import ConfigError


def published(args: argparse.Namespace, product: str | None = None) -> list[Footprint]:
    """Every one of the site, or of a product, in the order of publishing. Raises ConfigError."""
    ledger = args.ledger or places(args)[0]
    with closing(open_store(ledger)) as store:
        site = site_of(store, ledger, args.site)
    found: list[Footprint] = []
    if (ledger / FILE).exists():  # who only looks makes no file
        with closing(open_shelf(ledger)) as shelf:
            found = shelf.all(site) if product is None else shelf.of(site, product)
    if product is not None and not found:
        raise ConfigError(
            f"no footprint of {product!r} was published; see `wattprint footprint list`"
        )
    return found


def terms(args: argparse.Namespace, site: str) -> Terms:
    """By the calculator's configuration. Raises ConfigError."""
    if args.config is None and not DEMO.exists():
        raise ConfigError("--config: give the calculator's configuration: it says by which method")
    found = terms_of(config.load(args.config or DEMO, Config))
    if found.site != site:
        raise ConfigError(f"--site: the configuration is of {found.site!r}, not {site!r}")
    return found
