"""`wattprint pact ask`: asks a partner for footprints; the answer comes to our own door, later."""

import argparse
import time
import uuid
from contextlib import closing
from pathlib import Path

from calc_stream.config import load_plan
from calc_stream.pact import events
from calc_stream.pact.client import Host
from calc_stream.pact.kinds import moment, urn
from calc_stream.pact.outbox import Outbox, open_outbox
from calc_stream.pact.settings import Pact, Partner
from wire.config import read_secret
from wire.errors import BadData, ConfigError

EXAMPLES = """examples:
  wattprint pact ask example-castings --product urn:gtin:4012345678918 --config calc.toml
  wattprint pact ask example-castings --company urn:lei:529900EXAMPLE0000000 --valid-on 2026-11-01T00:00:00Z \\
      --comment "for the wheels of 2026" --config calc.toml
"""


def add_arguments(word: argparse.ArgumentParser) -> None:
    """The options of the word."""
    word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
    word.add_argument("name", metavar="NAME", help="of [[pact.partners]], with url")
    word.add_argument("--config", type=Path, required=True, metavar="FILE", help="the calculator's")
    word.add_argument(
        "--product", action="append", default=[], metavar="URN", help="of this product"
    )
    word.add_argument("--company", action="append", default=[], metavar="URN", help="of this one")
    word.add_argument("--valid-on", default="", metavar="TIME", help="such as 2026-11-01T00:00:00Z")
    word.add_argument("--comment", default="", metavar="TEXT", help="for people")


def run(args: argparse.Namespace) -> int:
    """0 once they took the question. Raises ConfigError, BadData, TransientError."""
    config = load_plan(args.config).config
    if config.pact is None:
        raise ConfigError(f"{args.config}: pact: is missing: an answer comes to our own door")
    partner = config.pact.partner(args.name)
    if partner is None or not partner.url or partner.secret_file is None:
        known = ", ".join(each.name for each in config.pact.partners if each.url) or "none"
        raise ConfigError(
            f"{args.config}: pact.partners: {args.name!a} is none with url; known: {known}"
        )
    asked = _asked(args)
    with closing(open_outbox(config.state)) as outbox:
        id_ = ask(config.pact, partner, asked, outbox)
    print(f"{partner.name} was asked: request {id_}")
    print(
        f"the running calculator keeps the answer in {config.state / 'received'}, its log says so"
    )
    return 0


def ask(pact: Pact, partner: Partner, asked: events.Asked, outbox: Outbox) -> str:
    """The id of the request. It is known before it leaves, for an answer may be quick, and stays so
    where nobody can tell whether it arrived."""
    id_, now_ms = str(uuid.uuid4()), time.time_ns() // 1_000_000
    body = events.made(asked, id_, f"{pact.base}/3/events", now_ms)
    secret = read_secret(partner.secret_file) if partner.secret_file else ""
    host = Host(partner.url, partner.client_id, secret, partner.ca_file, time.sleep)
    outbox.asked(partner.name, id_, now_ms)
    try:
        host.send(body)
    except (BadData, ConfigError):
        outbox.forget(id_)
        raise
    finally:
        host.close()
    return id_


def _asked(args: argparse.Namespace) -> events.Asked:
    for option, values, kind in (
        ("--product", args.product, urn),
        ("--company", args.company, urn),
        ("--valid-on", [args.valid_on] if args.valid_on else [], moment),
    ):
        for value in values:
            if (fault := kind(value)) is not None:
                raise ConfigError(f"{option}: {fault[0]}; {fault[1]}")
    if not args.product and not args.company:
        raise ConfigError("pact ask: say of what: --product or --company")
    return events.Asked(
        tuple(args.product), tuple(args.company), args.valid_on, "Active", args.comment
    )
