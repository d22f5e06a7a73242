"""`ingestor ca …`: the authority, certificates, and what the broker is told of them."""

import argparse
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ingestor import certificates, mosquitto
from ingestor.authority import CA, Authority, Kind
from ingestor.mosquitto import FOLDER, SERVER, SERVICES, Installation
from ingestor.state import now_ms
from wire import topics
from wire.enrolment import Code
from wire.errors import ConfigError
from wire.files import keep
from wire.signing import SigningKey

EXAMPLES = (
    "wattprint ca init /var/lib/wattprint/authority --host broker.example --host 192.0.2.7",
    "wattprint ca invite /var/lib/wattprint/authority cq-wheel gw-1 > gw-1.code",
    "wattprint ca gateway /var/lib/wattprint/authority cq-wheel gw-1 --out gw-1.pem     without enrolment",
    "wattprint ca system /var/lib/wattprint/authority cq-wheel mes --out mes.pem        sends events over MQTT",
    "wattprint ca service /var/lib/wattprint/authority reader --out reader.pem",
    "wattprint ca revoke /var/lib/wattprint/authority cq-wheel gw-1",
    "wattprint ca server /var/lib/wattprint/authority          a new certificate for broker and API",
    "ingestor ca list /var/lib/wattprint/authority",
)
_SETTINGS = "installation.json"
_DAYS = 730  # a server's, a service's, and what is made by hand


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `ca`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str, *named: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=what, description=what)
        added.add_argument("folder", type=Path, metavar="DIR", help="of the authority")
        for each in named:
            added.add_argument(each, metavar=each.upper())
        return added

    it = action("init", "make the authority, the broker's configuration and the services' own")
    it.add_argument(
        "--host", action="append", required=True, dest="hosts", help="a name or address of it"
    )
    it.add_argument("--port", type=int, default=8883, help="for gateways; default: %(default)s")
    it.add_argument("--services-host", default="127.0.0.1", help="default: %(default)s")
    it.add_argument("--services-port", type=int, default=8884, help="default: %(default)s")
    it = action("invite", "let a gateway in, and print its single-use code", "site", "gateway")
    it.add_argument(
        "--hours", type=float, default=72, help="the code is good; default: %(default)s"
    )
    for name, what, named in (
        ("gateway", "make key and certificate of a gateway by hand", ("site", "name")),
        ("system", "make those of a system that sends events", ("site", "name")),
        ("service", f"make those of a service: {', '.join(SERVICES)}", ("name",)),
    ):
        it = action(name, what, *named)
        it.add_argument("--out", type=Path, required=True, metavar="FILE")
        it.add_argument("--days", type=int, default=_DAYS, help="default: %(default)s")
    action("server", "make new certificates for broker and API; then restart both")
    action("revoke", "let nothing of a gateway or system count any more", "site", "name")
    action("list", "print every name, what it is and until when")


def run(arguments: argparse.Namespace) -> int:
    """Do what was typed. Raises ConfigError."""
    if arguments.action == "init":
        return _init(arguments)
    authority = Authority(arguments.folder, now_ms)
    match arguments.action:
        case "list":
            _list(authority)
            return 0
        case "server":
            _server(authority, _settings(authority))
        case "invite":
            name = _name(arguments.site, arguments.gateway)
            authority.add(name, "gateway")
            _invite(authority, name, now_ms() + int(arguments.hours * 3_600_000))
        case "revoke":
            count = authority.revoke(_name(arguments.site, arguments.name))
            _say(f"{count} certificates count no more; its keys: `wattprint keys revoke`")
        case "service":
            if arguments.name not in SERVICES:
                raise ConfigError(f"{arguments.name}: is none of {', '.join(SERVICES)}")
            _by_hand(authority, arguments.name, "service", arguments)
        case kind:
            name = _name(arguments.site, arguments.name)
            if kind == "system" and (problem := topics.source_problem(arguments.name)):
                raise ConfigError(f"{arguments.name}: {problem}")
            _by_hand(authority, name, kind, arguments)
    _told(authority)
    return 0


def _init(arguments: argparse.Namespace) -> int:
    settings = Installation(
        arguments.hosts, arguments.port, arguments.services_host, arguments.services_port
    )
    authority = Authority.create(arguments.folder.absolute(), now_ms)
    _keep(authority.folder / _SETTINGS, msgspec.json.format(msgspec.json.encode(settings)), 0o644)
    _server(authority, settings)
    for name in ("ingestor", "calculator"):
        _client(authority, name, "service", _DAYS, authority.folder / "services" / f"{name}.pem")
    _told(authority)
    _say(f"the authority's fingerprint is {authority.ca().sha256}")
    _say(f"{authority.folder / CA}.key is needed for servers and services only: put it away")
    return 0


def _server(authority: Authority, settings: Installation) -> None:
    """One for the broker and one for the API, which is another user."""
    broker, services = authority.folder / FOLDER, authority.folder / "services"
    hosts = list(dict.fromkeys((*settings.hosts, settings.services_host, "localhost")))
    authority.add(SERVER, "server")
    key, public = certificates.new_server_key()
    _keep(broker / f"{SERVER}.key", key, 0o600)
    _keep(broker / f"{SERVER}.pem", authority.issue(SERVER, public, _DAYS, hosts), 0o644)
    key, public = certificates.new_server_key()
    _keep(services / "api.pem", key + authority.issue(SERVER, public, _DAYS, hosts), 0o600)


def _by_hand(authority: Authority, name: str, kind: Kind, arguments: argparse.Namespace) -> None:
    if arguments.out.exists():
        raise ConfigError(f"--out: {arguments.out} is there already; name a new file")
    _client(authority, name, kind, arguments.days, arguments.out)


def _client(authority: Authority, name: str, kind: Kind, days: int, out: Path) -> None:
    """Key and certificate in one file: they change together."""
    authority.add(name, kind)
    key = SigningKey.new()
    _keep(out, key.pem + authority.issue(name, key.public.raw, days), 0o600)
    _say(f"{out}: key and certificate of {name}")


def _invite(authority: Authority, name: str, until_ms: int) -> None:
    code = Code.new(secrets.token_bytes(16), authority.ca().sha256)
    authority.invite(name, code.mark, until_ms)
    print(code)
    _say(f"good once, for {name}, until {_day(until_ms)}; on the gateway: edge-agent enrol")


def _told(authority: Authority) -> None:
    folder = mosquitto.write(authority, _settings(authority))
    _say(f"{folder}: written; the broker reads lists of names and revocations at a reload")


def _settings(authority: Authority) -> Installation:
    path = authority.folder / _SETTINGS
    try:
        return msgspec.json.decode(path.read_bytes(), type=Installation)
    except (OSError, msgspec.DecodeError) as exc:
        raise ConfigError(f"{path}: cannot be read: {exc}") from exc


def _list(authority: Authority) -> None:
    issued = authority.issued()
    for name, kind in authority.names().items():
        until = _day(issued[name].until_ms) if name in issued else "no certificate yet"
        print(f"{name}\t{kind}\t{until}")


def _name(site: str, name: str) -> str:
    for text in (site, name):
        if problem := topics.id_problem(text):
            raise ConfigError(f"{text}: {problem}")
    return topics.client_id(site, name)


def _keep(path: Path, content: bytes, mode: int) -> None:
    try:
        keep(path, content, mode)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc


def _day(t_ms: int) -> str:
    return f"{datetime.fromtimestamp(t_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _say(text: str) -> None:
    print(text, file=sys.stderr)
