"""`wattprint verify`: whether a bundle's figure follows from what it shows, or a document shows what the
calculator signed. Asks nobody."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.x509 import Certificate

from calc_stream.core.decimals import instant
from calc_stream.disclosing import TYPES
from calc_stream.evidence.disclosure import Disclosed, read_document
from calc_stream.evidence.levels import lacking, load_levels
from calc_stream.evidence.stamps import authority
from calc_stream.verification import Verified, verify
from wire.config import read_secret
from wire.errors import BadData, ConfigError
from wire.signing import PublicKey

EXAMPLES = """examples:
  wattprint verify B-0007.zip --key receipt.key.pub       0 good, 1 broken, 2 not looked at
  wattprint verify B-0007.zip --key ed25519:qk0… --json
  wattprint verify B-0007.zip                             says which key you must know
  wattprint verify wheel.json --key ed25519:qk0…          a document that was disclosed to you
  wattprint verify B-0007.zip --key receipt.key.pub --tsa-ca tsa-ca.pem --cosigner auditor.key.pub
"""


class Broken(msgspec.Struct, frozen=True):
    """What `--json` prints of a bundle that does not hold."""

    good: bool
    broken: str


class Good(msgspec.Struct, frozen=True):
    """What `--json` prints of one that does."""

    good: bool
    found: Verified | Disclosed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    parser.add_argument("bundle", type=Path, metavar="FILE", help="a bundle, or a document")
    parser.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="KEY",
        help="a public key of the ingestor (of a document: of the calculator), or its file; again for "
        "one that followed it",
    )
    parser.add_argument(
        "--tsa-ca",
        type=Path,
        metavar="FILE",
        help="by whose authority the tree heads must have time stamps, PEM; "
        "with the server's own certificate where its answers lack it",
    )
    parser.add_argument(
        "--cosigner",
        action="append",
        default=[],
        metavar="KEY",
        help="an auditor's public key, or its file: he must have signed the last tree head, too",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(args: argparse.Namespace) -> int:
    """0 when every link holds, 1 when one is broken. Raises ConfigError for what cannot be read."""
    keys = [_key("--key", told) for told in args.key]
    cosigners = [_key("--cosigner", told) for told in args.cosigner]
    trusted = _authority(args.tsa_ca) if args.tsa_ca else []
    try:
        data = args.bundle.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{args.bundle}: cannot be read: {exc.strerror}") from exc
    try:
        found: Verified | Disclosed
        if data[:1] == b"{":
            if trusted or cosigners:
                raise ConfigError(
                    "--tsa-ca, --cosigner: are of bundles; a document has no tree head"
                )
            found = read_document(data, keys)
        else:
            found = verify(data, keys, trusted, cosigners)
    except BadData as exc:
        said = msgspec.json.encode(Broken(False, str(exc))).decode()
        print(said if args.json else _plain(f"{args.bundle}: broken: {exc}"))
        return 1
    if args.json:
        print(msgspec.json.encode(Good(True, found)).decode())
    else:
        print("\n".join(map(_plain, _lines(args.bundle, found))))
    return 0


def _lines(path: Path, found: Verified | Disclosed) -> Iterator[str]:
    return _told(path, found) if isinstance(found, Verified) else _disclosed(path, found)


def _plain(line: str) -> str:
    """One line whatever is in it: no name in a stranger's file writes another, or moves the cursor."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _told(path: Path, found: Verified) -> Iterator[str]:
    if (its := found.footprint) is not None:
        yield f"{path}: good: footprint {its.id} of {its.product}, {its.period}, of {its.site}"
        yield f"{its.kg_co2e} kg CO2e per {its.unit} over {len(found.rows)} batches, {its.good} good"
        yield "each batch and the footprint computed again, the same in every digit"
    else:
        row = found.row
        yield f"{path}: good: batch {row.batch}, revision {row.revision}, of {row.site}"
        mass = "kg CO2e unknown" if row.kg_co2e is None else f"{row.kg_co2e} kg CO2e"
        per = "" if row.kg_co2e_per_unit is None else f", {row.kg_co2e_per_unit} per {row.unit}"
        yield f"{row.energy_kwh} kWh, {mass}{per}; computed again, the same in every digit"
    since = f"after {found.since}" if found.since else "from the first record on"
    shown = f"{found.records} records, {found.segments} of them segments, {found.left_out} left out"
    yield f"from {shown}; the journal {since} up to {found.until}"
    yield f"as it stood at record {found.upto}; whether another took its place since is not in it"
    keys = ", ".join(found.keys)
    if found.is_pinned:
        yield f"signed by {keys}, as given"
    else:
        yield f"signed by key {keys}, which you must know: ask the plant, and give it with --key"
    if found.stamped:
        if found.is_stamp_trusted:
            yield f"the last head was there at {found.stamped}, by whom you trust"
        else:
            yield f"a stamp, whose is not asked (--tsa-ca), says the head was there at {found.stamped}"
    for cosigner in found.cosigners:
        yield f"signed by {cosigner}, too"
    if found.disclosed is not None:
        whose = PublicKey.parse(found.disclosed.key).id
        yield f"disclosed by fields under root {found.disclosed.root}, signed by {whose}"
    for gateway, own in found.gateways.items():
        yield f"readings signed by {gateway} with key {', '.join(own)}"
    yield f"root {found.root}"
    for remark in found.remarks:
        yield f"note: {remark}"


def _disclosed(path: Path, found: Disclosed) -> Iterator[str]:
    its = found.document
    told = its.commitment
    yield f"{path}: good: {told.kind} {told.id} of {told.site}, disclosed to {its.to} ({its.level})"
    for field in its.shown:
        value = field.value
        said = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield f"  {field.name}: {said}"
    yield f"{len(its.shown)} fields shown, {found.hidden} hidden, all under root {told.root}"
    kept_back = lacking(load_levels(TYPES), told.kind, its.level, [each.name for each in its.shown])
    if kept_back:
        yield f"note: level {its.level} as shipped shows these, too: {', '.join(kept_back)}"
    known = ", as given" if found.is_pinned else ", which you must know: ask the plant, see --key"
    yield f"signed by {found.key} on {instant(its.issued_ms)}{known}"


def _key(option: str, told: str) -> PublicKey:
    try:
        return PublicKey.parse(told if told.startswith("ed25519:") else read_secret(Path(told)))
    except BadData as exc:
        raise ConfigError(f"{option}: {told}: {exc}") from exc


def _authority(path: Path) -> list[Certificate]:
    try:
        return authority(path.read_bytes())
    except OSError as exc:
        raise ConfigError(f"--tsa-ca: {path}: cannot be read: {exc.strerror}") from exc
    except BadData as exc:
        raise ConfigError(f"--tsa-ca: {path}: {exc}") from exc
