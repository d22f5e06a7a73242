"""`ingestor events import` and `ingestor readings import`: a file of them to an ingestor's API."""

import argparse
import sys
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import urllib3

from ingestor.commands.posting import way_to
from ingestor.tables import CSV, JSON, JSON_LINES
from wire.config import read_secret
from wire.errors import ConfigError, TransientError

EXAMPLES = {
    "events": (
        "ingestor events import shift.csv --site cq-wheel --url http://127.0.0.1:8421 \\",
        "      --key-file mes.key --dry-run          say what would be taken, write nothing",
        "wattprint events import jobs.xml --lots bought --site cq-wheel --url … --key-file mes.key",
    ),
    "readings": (
        "ingestor readings import bills.csv --site cq-wheel --url http://127.0.0.1:8421 \\",
        "      --key-file clerk.key --dry-run        manual readings, deliveries, bills, corrections",
    ),
}
_TYPES = {".csv": CSV, ".json": JSON, ".jsonl": JSON_LINES, ".xml": "application/xml"}
_TIMEOUT_S = 60.0


class _Placed(msgspec.Struct, frozen=True):
    id: str
    offset: int
    new: bool


class _Fault(msgspec.Struct, frozen=True):
    where: str
    problem: str


class _Refusal(msgspec.Struct, frozen=True):
    title: str
    detail: str
    faults: list[_Fault] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("import",))
    parser.add_argument("file", type=Path, metavar="FILE", help=", ".join(_TYPES))
    parser.add_argument("--site", required=True, metavar="SITE")
    parser.add_argument("--url", required=True, metavar="URL", help="of the ingestor's API")
    parser.add_argument("--key-file", type=Path, required=True, metavar="FILE")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="whom https trusts")
    parser.add_argument("--dry-run", action="store_true", help="check only, write nothing")
    parser.add_argument(
        "--lots", choices=("batch", "bought"), default="batch", help="what B2MML consumes"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 all taken, 1 none and why, row by row. Raises ConfigError or TransientError."""
    kind = _TYPES.get(arguments.file.suffix.lower())
    if kind is None:
        raise ConfigError(f"{arguments.file}: is none of {', '.join(_TYPES)}")
    try:
        body = arguments.file.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{arguments.file}: cannot be read: {exc.strerror}") from exc
    status, answer = _send(arguments, kind, body)
    if status in (200, 201):
        placed = msgspec.json.decode(answer, type=list[_Placed])
        new = sum(each.new for each in placed)
        would = "would be taken" if arguments.dry_run else "taken"
        print(f"{arguments.file}: {new} {would}, {len(placed) - new} known before")
        return 0
    if status in (429, 503):
        raise TransientError(f"{arguments.url}: {status}: come again later")
    refusal = _refusal(status, answer)
    for fault in refusal.faults:
        where = f"{fault.where}: " if fault.where else ""
        print(f"{arguments.file}: {where}{fault.problem}", file=sys.stderr)
    if not refusal.faults:
        print(f"{arguments.file}: {refusal.title}: {refusal.detail}", file=sys.stderr)
    print(f"{arguments.file}: nothing was taken", file=sys.stderr)
    return 1


def _send(arguments: argparse.Namespace, kind: str, body: bytes) -> tuple[int, bytes]:
    asked = {"dry_run": "true"} if arguments.dry_run else {}
    if kind.endswith("xml"):
        asked["lots"] = arguments.lots
    url = f"{arguments.url.rstrip('/')}/v1/{arguments.site}/{arguments.word}?{urlencode(asked)}"
    headers = {
        "Authorization": f"Bearer {read_secret(arguments.key_file)}",
        "Content-Type": kind,
    }
    try:
        with way_to(arguments.url, arguments.ca_file, _TIMEOUT_S) as http:
            answer = http.request("POST", url, body=body, headers=headers)
    except urllib3.exceptions.HTTPError as exc:
        raise TransientError(f"{url}: {exc}") from exc
    return answer.status, answer.data


def _refusal(status: int, answer: bytes) -> _Refusal:
    try:
        return msgspec.json.decode(answer, type=_Refusal)
    except msgspec.DecodeError:
        return _Refusal(str(status), answer[:300].decode(errors="replace"))
