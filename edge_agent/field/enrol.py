"""`edge-agent enrol`: the gateway's certificate, and whom it may trust, with a single-use code."""

import argparse
import sys
from pathlib import Path

import wire.config
from edge_agent.config import AgentConfig
from edge_agent.renewal import enrolling
from wire.enrolment import Code
from wire.errors import BadData, ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's words."""
    parser.description = (
        "Make this gateway's keys, get its certificate and the keys receipts are signed with, and"
        " keep them in the files the configuration names: broker.ca_file, broker.cert_file (which"
        " holds the key, too) and receipt_key_file. The code comes from `wattprint ca invite`; it"
        " is read from --code-file or standard input, so that no list of processes shows it. The"
        " same code is good again until the certificate has come."
    )
    parser.epilog = (
        "examples:\n"
        "  edge-agent enrol --config agent.toml < gw-1.code\n"
        "  edge-agent enrol --config agent.toml --code-file gw-1.code\n"
        "  wattprint enrol --config agent.toml < gw-1.code\n\n"
        "exit codes: 0 done; 1 refused, or nobody answers; 2 the configuration is wrong"
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument("--code-file", type=Path, metavar="FILE", help="default: standard input")


def run(args: argparse.Namespace) -> int:
    """Exit code as the command's help has it. Raises ConfigError, TransientError and BadData."""
    gateway = enrolling(wire.config.load(args.config, AgentConfig), args.config)
    text = wire.config.read_secret(args.code_file) if args.code_file else sys.stdin.readline()
    try:
        code = Code.parse(text)
    except BadData as exc:
        raise ConfigError(f"{args.code_file or 'standard input'}: {exc}") from exc
    got = gateway.enrol(code)
    print(f"{gateway.files.cert}: {got.name}, good until {got.until}")
    print(f"{gateway.files.receipt_keys}: whose receipts count")
    return 0
