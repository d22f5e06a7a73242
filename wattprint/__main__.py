"""`wattprint WORD …`: one command to remember. It imports no service; it starts them."""

import argparse
import importlib.metadata
import os
import sys
from pathlib import Path

from wattprint import up
from wire.errors import WattprintError

# word -> (package that owns it, what it does)
WORDS = {
    "compute": ("calc_stream", "footprints from files: model, events, readings"),
    "explain": ("calc_stream", "walk a batch's footprint back to readings and segments"),
    "bundle": ("calc_stream", "the evidence of a batch's figure in one file"),
    "verify": ("calc_stream", "judge such a bundle by itself: proofs, signatures, the figure"),
    "disclose": ("calc_stream", "a figure for somebody, as much of it as he is to know"),
    "whatif": ("calc_stream", "a batch or a month by another factor, policy, method or model"),
    "inventory": ("calc_stream", "a month's greenhouse gases by scope, and where they went"),
    "bills": ("calc_stream", "what was billed against what the meters counted, by month"),
    "export": ("calc_stream", "closed batches and product factors as CSV or JSON"),
    "footprint": ("calc_stream", "published product factors: list, show, publish"),
    "kpi": ("calc_stream", "a product's figure by period, signed, restatements and breaks shown"),
    "grade": ("calc_stream", "the class a product's figure earns by somebody's limits"),
    "pact": ("calc_stream", "judge product footprints of PACT v3, and fetch those of suppliers"),
    "factors": ("calc_stream", "list, show, check and import emission factors"),
    "methods": ("calc_stream", "list and show method profiles"),
    "doctor": ("ingestor", "say what is wrong with broker, disk, clock, database, and the cure"),
    "apikey": ("ingestor", "make, list, rotate and revoke keys of the ingestor's API"),
    "ca": ("ingestor", "make certificates, and the broker's configuration"),
    "keys": ("ingestor", "list, revoke, end and rotate the keys whose signatures count"),
    "enrol": ("edge_agent", "get a gateway its certificate with a single-use code"),
    "events": ("ingestor", "send a file of production events, or check it with --dry-run"),
    "readings": ("ingestor", "send manual readings, deliveries, bills and corrections"),
    "history": ("ingestor", "import what an InfluxDB has gathered so far"),
    "journal": ("ingestor", "verify or show the journal"),
    "cosign": ("ingestor", "sign tree heads as an auditor, each going on from the last"),
    "segment": ("ingestor", "show what a sealed segment holds"),
    "quarantine": ("ingestor", "list, show and replay what was refused"),
    "project": ("ingestor", "write the journal's readings into a database again"),
    "reconcile": ("ingestor", "compare the journal with the database"),
    "scan": ("edge_agent", "name the meters on a serial line or in a network"),
    "read": ("edge_agent", "read one meter, with raw words and judgement"),
    "report": ("edge_agent", "write down how every meter of a gateway was found"),
    "profiles": ("edge_agent", "list and show meter profiles"),
    "judge": ("simulators", "compare results with an independent computation and the true plant"),
}
SERVICES = {
    "edge-agent": "edge_agent",
    "ingestor": "ingestor",
    "calc-stream": "calc_stream",
    "plant-sim": "simulators",
}
_EXAMPLES = """examples:
  wattprint up                         the simulated plant, live on http://localhost:8420
  wattprint up --for 60 --json         run for a minute, print one JSON object
  wattprint compute --model model.toml --events events.jsonl --readings readings.jsonl --json
  wattprint edge-agent check --config agent.toml
"""


def _parser() -> argparse.ArgumentParser:
    words = "\n".join(f"  {word:<12}{what}" for word, (_, what) in WORDS.items())
    services = "\n".join(f"  {word:<12}run | check | …" for word in SERVICES)
    parser = argparse.ArgumentParser(
        prog="wattprint",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Meters energy in factories and turns it into live, provable product footprints.",
        epilog=f"words that start the package that owns them:\n{words}\n\nservices:\n{services}\n\n{_EXAMPLES}",
    )
    version = importlib.metadata.version("wattprint")
    parser.add_argument("--version", action="version", version=f"wattprint {version}")
    subparsers = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    up.add_arguments(subparsers.add_parser("up", help="start everything on this machine"))
    return parser


def main() -> int:
    """The console script's entry."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word in WORDS:
        _become(WORDS[word][0], sys.argv[1:])
    if word in SERVICES:
        _become(SERVICES[word], sys.argv[2:])
    if not word:
        _parser().print_help()
        return 0
    if not word.startswith("-") and word != "up":
        known = ", ".join(sorted([*WORDS, *SERVICES, "up"]))
        print(f"wattprint: there is no word {word!r}; known: {known}", file=sys.stderr)
        return 2
    arguments = _parser().parse_args()
    try:
        return up.run(arguments)
    except WattprintError as exc:
        print(f"wattprint: {exc}", file=sys.stderr)
        return 2


def _become(package: str, arguments: list[str]) -> None:
    """Replace this process by the package's own: signals and exit codes are then its own, too."""
    root = Path(__file__).parent.parent
    if not (root / package / "__main__.py").exists():
        print(f"wattprint: package {package} is not installed here", file=sys.stderr)
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, "-m", package, *arguments])


if __name__ == "__main__":
    sys.exit(main())
