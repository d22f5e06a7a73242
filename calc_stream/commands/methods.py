"""`wattprint methods`: by which rules energy becomes a footprint, and what each demands of a site."""

import argparse
from collections.abc import Iterator

import msgspec

from calc_stream.factors.method import Method, Slot, known_methods
from wire.errors import ConfigError

EXAMPLES = """examples:
  wattprint methods list
  wattprint methods show cbam
  wattprint methods show pact3 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    for name, what in (
        ("list", "one line a method"),
        ("show", "factors, gases, contracts, policy and units of one method"),
    ):
        word = words.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
        word.formatter_class, word.epilog = argparse.RawDescriptionHelpFormatter, EXAMPLES
        if name == "show":
            word.add_argument("name", metavar="METHOD", help="its id, such as gbt24067")
        word.add_argument("--json", action="store_true", help="one JSON object instead of text")


def run(args: argparse.Namespace) -> int:
    """Prints what was asked. Raises ConfigError."""
    found = known_methods()
    if args.word == "show":
        found = [method for method in found if method.id == args.name]
        if not found:
            known = ", ".join(method.id for method in known_methods())
            raise ConfigError(f"methods: there is no method {args.name!r}; known: {known}")
    if args.json:
        print(msgspec.json.encode({"methods": found}, order="deterministic").decode())
    elif args.word == "list":
        print("\n".join(map(_line, found)))
    else:
        print("\n".join(_card(found[0])))
    return 0


def _line(method: Method | Slot) -> str:
    if isinstance(method, Slot):
        return f"{method.id:14} cannot be used: missing are {', '.join(method.missing)}"
    rule = f"{method.factor_kind}, {method.electricity}, {method.gwp}, C {method.c_to_co2}"
    return f"{method.id:14} {method.title} ({method.standard}): {rule}"


def _card(method: Method | Slot) -> Iterator[str]:
    said = msgspec.to_builtins(method)
    for key, value in said.items():
        if isinstance(value, dict):
            for name, of in value.items():
                text = of if isinstance(of, str) else ", ".join(of) or "the model's own"
                yield f"{key}.{name}".ljust(24) + text
        else:
            yield f"{key:24}{', '.join(value) if isinstance(value, tuple | list) else value}"
    if isinstance(method, Method):
        gwp = method.gwp_set
        yield f"{'gwp document':24}{gwp.document}, {gwp.publisher}, {gwp.dated}; {gwp.status}"
        yield from (f"gwp.{gas}".ljust(24) + number for gas, number in gwp.gases.items())
