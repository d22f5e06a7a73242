"""What an ingestor is told.

~~~toml
journal = "journal.db"
state = "ingestor"                       # quarantine, cursors, embedded history
receipt_key = "receipt.key"              # made if absent; its public half beside it as .pub
heartbeat_s = 60                         # a sender's heartbeat is journaled no oftener

[broker]
host = "127.0.0.1"
port = 1883

[api]
host = "127.0.0.1"
port = 8421
keys_file = "api.keys"                   # who may call: made by `ingestor apikey new`

[timestamps]                             # optional: a time stamp (RFC 3161) on every tree head
url = "https://tsa.example.com/tsr"

[[gateways]]                             # none are needed where they come by [enrol]
site = "cq-wheel"
gateway = "gw-1"
public_key_file = "gw-1.key.pub"

[[sinks]]                                # without any: the embedded history
kind = "embedded"
~~~
"""

import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from ingestor import sinks
from ingestor.partitions import partition_of
from ingestor.sinks import Configured
from wire import config, tls
from wire.callers import CallersFile
from wire.errors import BadData, ConfigError
from wire.mqtt import Broker
from wire.signing import PublicKey
from wire.topics import id_problem


class Api(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the HTTP API listens, who may call it (`callers.py`), and how often each of them.

    With `cert_file` it is HTTPS.
    """

    keys_file: Path
    cert_file: Path | None = None
    key_file: Path | None = None
    host: str = "127.0.0.1"
    port: config.Port = 8421
    most_body_bytes: int = 8 * 1024 * 1024
    requests_per_s: Annotated[float, msgspec.Meta(gt=0)] = 100
    burst: Annotated[int, msgspec.Meta(ge=1)] = 200


class Enrol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Gateways with a code get certificates from the authority of this folder (`wattprint ca`)."""

    authority: Path
    days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 90


class Timestamps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A server that says of every tree head when it was there. `ca_file`: whom its HTTPS is trusted by."""

    url: str
    ca_file: Path | None = None
    timeout_s: Annotated[float, msgspec.Meta(gt=0)] = 20


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway whose segments are taken."""

    site: str
    gateway: str
    public_key_file: Path


class QuarantineLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of what is no use is kept."""

    most: int = 10_000
    most_bytes: int = 256 * 1024 * 1024


class IngestorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One `ingestor.toml`."""

    journal: Path
    state: Path
    receipt_key: Path
    gateways: list[Gateway] = []
    broker: Broker = Broker()
    client_id: str = "wattprint-ingestor"
    partitions: int = 1  # processes the sites are divided between; see `partitions.py`
    partition: int = 1
    api: Api | None = None
    enrol: Enrol | None = None
    timestamps: Timestamps | None = None
    heartbeat_s: Annotated[float, msgspec.Meta(ge=1)] = 60
    sinks: list[dict[str, Any]] = msgspec.field(default_factory=lambda: [{"kind": "embedded"}])
    quarantine: QuarantineLimits = QuarantineLimits()

    def __post_init__(self) -> None:
        if not 1 <= self.partition <= self.partitions:
            raise ValueError("partition must be 1 to partitions")

    @property
    def session(self) -> str:
        """The client id: another division has other subscriptions, so it is another session."""
        if self.partitions == 1:
            return self.client_id
        return f"{self.client_id}-{self.partition}-of-{self.partitions}"

    def takes(self, site: str) -> bool:
        """Whether a site is this process's."""
        return partition_of(site, self.partitions) == self.partition

    def check_taken(self, site: str) -> None:
        """Raises BadData for a site that is another process's."""
        if not self.takes(site):
            owner = partition_of(site, self.partitions)
            raise BadData(
                f"site {site} is partition {owner}'s of {self.partitions}; this is {self.partition}: "
                "set url to that ingestor's"
            )


class Plan(msgspec.Struct, frozen=True):
    """A configuration whose every file and name has been found; `gateways` are this partition's."""

    config: IngestorConfig
    gateways: list[tuple[str, str, PublicKey]]
    sinks: list[Configured]


def load(path: Path) -> Plan:
    """The configuration in `path`. Raises ConfigError for the first problem; see `problems`."""
    for problem in problems(path):
        raise problem
    found = config.load(path, IngestorConfig)
    return Plan(
        found,
        [
            (g.site, g.gateway, _public_key(path, at, g))
            for at, g in enumerate(found.gateways)
            if found.takes(g.site)
        ],
        [sinks.configure(table, path, f"sinks[{at}]") for at, table in enumerate(found.sinks)],
    )


def problems(path: Path) -> list[ConfigError]:
    """Everything wrong with the configuration in `path`; opens no connection."""
    try:
        found = config.load(path, IngestorConfig)
    except ConfigError as exc:
        return [exc]
    told: list[ConfigError] = []
    if not found.gateways and not found.enrol:
        cure = "names no gateway; add [[gateways]], or [enrol]"
        told.append(config.refuse(path, "gateways", cure))
    told += _gateway_problems(path, found.gateways)
    names = []
    for at, table in enumerate(found.sinks):
        told += _tried(sinks.configure, table, path, f"sinks[{at}]")
        names.append(table.get("name", table.get("kind")))
    for name in {name for name in names if names.count(name) > 1}:
        told.append(config.refuse(path, "sinks", f"two are called {name!r}; give one a `name`"))
    if found.api:
        told += _keys_problems(path, found.api)
        told += _tried(_certified, path, found.api)
    told += _tried(config.readable, found.broker, path, "broker")
    if found.enrol:
        told += _enrol_problems(path, found)
    if found.timestamps:
        told += _tried(config.readable, found.timestamps, path, "timestamps")
        if not found.timestamps.url.startswith(("http://", "https://")):
            rule = "must start with http:// or https://"
            told.append(config.refuse(path, "timestamps.url", rule))
    return told


def _gateway_problems(path: Path, gateways: list[Gateway]) -> Iterator[ConfigError]:
    owners: dict[tuple[str, str], int] = {}
    for at, gateway in enumerate(gateways):
        for key in ("site", "gateway"):
            if problem := id_problem(getattr(gateway, key)):
                yield config.refuse(path, f"gateways[{at}].{key}", problem)
        try:
            public = _public_key(path, at, gateway)
        except ConfigError as exc:
            yield exc
            continue
        if (first := owners.setdefault((gateway.site, public.id), at)) != at:
            problem = f"is the key of gateways[{first}], too; every gateway has a key of its own"
            yield config.refuse(path, f"gateways[{at}].public_key_file", problem)


def _enrol_problems(path: Path, found: IngestorConfig) -> list[ConfigError]:
    if found.api is None or found.api.cert_file is None:
        cure = "needs [api] with cert_file: a code must not travel in clear"
        return [config.refuse(path, "enrol", cure)]
    if found.enrol and not (found.enrol.authority / "ca.pem").exists():
        cure = "has no ca.pem; `wattprint ca init` makes one"
        problem = f"{found.enrol.authority}: {cure}"
        return [config.refuse(path, "enrol.authority", problem)]
    return []


def _certified(path: Path, api: Api) -> None:
    if api.cert_file is not None:
        try:
            tls.load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), api.cert_file, api.key_file)
        except ConfigError as exc:
            raise config.refuse(path, "api.cert_file", str(exc)) from exc


def _keys_problems(path: Path, api: Api) -> list[ConfigError]:
    try:
        callers_file(api).all()
    except ConfigError as exc:
        return [config.refuse(path, "api.keys_file", str(exc))]
    if not api.keys_file.exists():
        cure = "is not there; make a key: ingestor apikey new NAME --role operator"
        return [config.refuse(path, "api.keys_file", f"{api.keys_file}: {cure}")]
    return []


def callers_file(api: Api) -> CallersFile:
    """The API's keys, to be changed."""
    return CallersFile(api.keys_file, lambda: secrets.token_urlsafe(32))


def _public_key(path: Path, at: int, gateway: Gateway) -> PublicKey:
    key = f"gateways[{at}].public_key_file"
    try:
        return PublicKey.parse(config.read_secret(gateway.public_key_file))
    except ConfigError as exc:
        raise config.refuse(path, key, f"{exc}; the gateway prints it: edge-agent key") from exc
    except BadData as exc:
        raise config.refuse(path, key, f"{gateway.public_key_file}: {exc}") from exc


def _tried(find: Any, *arguments: object) -> list[ConfigError]:
    try:
        find(*arguments)
    except ConfigError as exc:
        return [exc]
    return []
