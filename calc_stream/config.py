"""The calculator's configuration file.

~~~toml
journal = "journal.db"          # the ingestor's, on the same machine; without it: over its API
state = "calc"                  # a directory: the ledger
site = "cq-wheel"
model = "model.toml"            # handed to the ingestor; what counts is what the journal holds
factors = "factors"             # a directory of own factor files beside the shipped ones; optional
method = "gbt24067"
lateness_s = 60                 # how long after its last stop a batch waits for late readings
silent_after_s = 30             # a meter its gateway calls silent is waited for this long
close_after_s = 259200          # any meter, or sender of events, is waited for this long (72 h)

[ingestor]
url = "http://127.0.0.1:8421"
token_file = "api.token"        # made by `ingestor apikey new calculator --role operator,auditor`

[web]
host = "127.0.0.1"
port = 8420
keys_file = "api.keys"          # optional: who may look, made by `ingestor apikey`; without it the
                                # page is open, and takes events on this machine only

[engine]                        # optional: see calc_stream/engines/
kind = "embedded"

[broker]                        # optional: publish every batch's footprint there
host = "127.0.0.1"
port = 1883

[footprints]                    # optional: publish product factors (docs/footprints.md)
declaration = "products.toml"   # what only people know of products; optional
period = "month"                # day, month, quarter or year, by the site's clock
drift_percent = 10              # a running figure that moved further from the last one is published,
drift_batches = 5               # once it stands on so many batches
validity_days = 365

[pact]                          # optional: offer them to other companies, see calc_stream/pact/settings.py
url = "https://pact.wheels.example.com"
keys_file = "pact.keys"
cert_file = "pact.pem"
key_file = "pact.key.pem"

[[webhooks]]                    # optional: alarms to another system, signed
url = "https://alarms.example.com/wattprint"
secret_file = "webhook.secret"

[influxdb]                      # optional: closed batches beside the readings, for charts
url = "http://127.0.0.1:8086"   # 1.x, 2.x, 3 Core, VictoriaMetrics: what knows /write
database = "wattprint"          # it has to be there; the ingestor's sink makes it
username = "wattprint"          # 2.x and 3: any
password_file = "influxdb.pw"   # 2.x and 3: the token
~~~
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import msgspec

from calc_stream import engines
from calc_stream.core import SiteModel, parse_model
from calc_stream.core.decimals import parse_fraction
from calc_stream.factors import FactorSet, doubts, load, load_method
from calc_stream.footprints.due import Rules as FootprintRules
from calc_stream.footprints.period import Every
from calc_stream.pact import settings as pact
from calc_stream.pact.settings import Pact
from calc_stream.pact.upstream import read_declaration
from calc_stream.publishing import Terms
from calc_stream.silence import Patience
from calc_stream.site import Rules
from wire import config
from wire.callers import CallersFile
from wire.config import Port, read_secret, readable, refuse
from wire.errors import ConfigError
from wire.journal import Remote
from wire.mqtt import Broker


class Ingestor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the model and the factors are handed in, and the journal is read if it is not here."""

    url: str
    token_file: Path
    ca_file: Path | None = None


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the page and the API are served, and to whom (`wire/callers.py`; None: to anybody).

    Each key may make `requests_per_s` requests after `burst` at once.
    """

    host: str = "127.0.0.1"
    port: Port = 8420
    keys_file: Path | None = None
    requests_per_s: Annotated[float, msgspec.Meta(gt=0)] = 100
    burst: Annotated[int, msgspec.Meta(ge=1)] = 200


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told of alarms."""

    url: str
    secret_file: Path

    def secret(self) -> bytes:
        """A `whsec_…` one is base64, as Standard Webhooks has it; any other is taken as it is.

        Raises ConfigError.
        """
        text = read_secret(self.secret_file)
        if not text.startswith("whsec_"):
            return text.encode()
        try:
            return base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except ValueError as exc:
            raise ConfigError(f"{self.secret_file}: whsec_ is followed by base64") from exc


class Footprints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When product factors are published, and what is declared of the products."""

    declaration: Path | None = None
    period: Every = "month"
    drift_percent: float = 10
    drift_batches: Annotated[int, msgspec.Meta(ge=1)] = 5
    validity_days: Annotated[int, msgspec.Meta(ge=1, le=1095)] = 365

    @property
    def rules(self) -> FootprintRules:
        drift = parse_fraction(str(self.drift_percent)) / 100
        return FootprintRules(
            self.period, drift, self.drift_batches, self.validity_days * 86_400_000
        )


class InfluxDB(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where closed batches go as they are stated (`feed.py`)."""

    url: str
    database: str = "wattprint"
    retention_policy: str = ""
    username: str = ""
    password_file: Path | None = None

    @property
    def place(self) -> str:
        """Another database begins anew."""
        return f"influxdb {self.url.rstrip('/')} {self.database} {self.retention_policy}".strip()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. Relative paths count from the working directory."""

    state: Path
    site: str
    model: Path
    ingestor: Ingestor
    journal: Path | None = None
    web: Web = Web()
    factors: Path | None = None
    method: str = "gbt24067"
    lateness_s: float = 60
    silent_after_s: float = 30
    close_after_s: float = 72 * 3600
    engine: dict[str, Any] = {}
    broker: Broker | None = None
    webhooks: list[Webhook] = []
    influxdb: InfluxDB | None = None
    footprints: Footprints | None = None
    pact: Pact | None = None

    @property
    def place(self) -> Path | Remote:
        """Where the journal is."""
        its = self.ingestor
        return self.journal or Remote(its.url, its.token_file, its.ca_file)

    @property
    def patience(self) -> Patience:
        """How long whom is waited for."""
        return Patience(round(self.silent_after_s * 1000), round(self.close_after_s * 1000))


@dataclass(frozen=True)
class Plan:
    """A configuration with everything it names, read and judged; nothing is opened."""

    config: Config
    rules: Rules
    model: SiteModel
    factors: FactorSet
    engine: ModuleType
    engine_settings: Any
    warnings: tuple[str, ...]
    footprints: Terms | None = None


def load_plan(path: Path) -> Plan:
    """Raises ConfigError."""
    found = config.load(path, Config)
    for key in ("lateness_s", "silent_after_s", "close_after_s"):
        if getattr(found, key) < 0:
            raise refuse(path, key, "must be from 0 up")
    if not found.ingestor.url.startswith(("http://", "https://")):
        raise refuse(path, "ingestor.url", "must start with http:// or https://")
    try:
        read_secret(found.ingestor.token_file)
    except ConfigError as exc:
        raise refuse(path, "ingestor.token_file", str(exc)) from exc
    _check_doors(path, found)
    if found.footprints is not None and not 0 < found.footprints.drift_percent <= 1000:
        raise refuse(path, "footprints.drift_percent", "must be above 0, at most 1000")
    try:
        method = load_method(found.method)
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    model = parse_model(read_text(found.model), str(found.model))
    if model.site != found.site:
        raise refuse(found.model, "site", f"is {model.site!r}; {path} says {found.site!r}")
    method.check(model)
    factors = load(found.factors)
    for name, source in model.sources.items():
        if source.factor is not None and source.factor not in factors.names():
            problem = (
                f"no factor or series is named {source.factor!r}; see calc-stream factors list"
            )
            raise refuse(found.model, f"sources.{name}.factor", problem)
    engine, settings = engines.settings(found.engine, str(path))
    rules = Rules(found.site, method, round(found.lateness_s * 1000), found.patience)
    warnings = (*_doubts(model, factors, rules), *_openness(found.web))
    footprints = terms_of(found) if found.footprints else None
    return Plan(found, rules, model, factors, engine, settings, warnings, footprints)


def terms_of(found: Config) -> Terms:
    """By which a site's footprints are published, now or by hand. Raises ConfigError."""
    its = found.footprints or Footprints()
    declaration = read_declaration(its.declaration) if its.declaration else None
    lateness_ms = round(found.lateness_s * 1000)
    method = load_method(found.method)
    return Terms(found.site, method, lateness_ms, found.patience, its.rules, declaration)


def _check_doors(path: Path, found: Config) -> None:
    """Who may come in, and who is told. Raises ConfigError."""
    keys = found.web.keys_file
    if keys is not None:
        try:
            known = CallersFile(keys, str).all()
        except ConfigError as exc:
            raise refuse(path, "web.keys_file", str(exc)) from exc
        if not known:
            cure = "holds no key; make one: wattprint apikey new NAME --role viewer"
            raise refuse(path, "web.keys_file", f"{keys}: {cure}")
        if found.pact is not None and found.pact.keys_file.resolve() == keys.resolve():
            cure = "give companies a file of their own: wattprint pact key new NAME --keys FILE"
            raise refuse(path, "pact.keys_file", f"is that of the page; {cure}")
    if found.influxdb is not None:
        if not found.influxdb.url.startswith(("http://", "https://")):
            raise refuse(path, "influxdb.url", "must start with http:// or https://")
        readable(found.influxdb, path, "influxdb")
    for at, hook in enumerate(found.webhooks):
        if not hook.url.startswith(("http://", "https://")):
            raise refuse(path, f"webhooks[{at}].url", "must start with http:// or https://")
        try:
            hook.secret()
        except ConfigError as exc:
            raise refuse(path, f"webhooks[{at}].secret_file", str(exc)) from exc
    if found.pact is not None:
        if found.footprints is None or found.footprints.declaration is None:
            raise refuse(
                path, "footprints.declaration", "is missing: [pact] offers what it declares"
            )
        pact.check(path, found.pact)


def read_text(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: is not UTF-8 text (byte {exc.start})") from exc


def _doubts(model: SiteModel, factors: FactorSet, rules: Rules) -> list[str]:
    """What can be computed, but not to kg CO2e, or not as the model has it."""
    found = [f"{key}: {problem}" for key, problem in doubts(model, factors, rules.method)]
    for difference in rules.method.policy_for(model.policy)[1]:
        ours, wanted = difference.model, difference.method
        found.append(f"policy.{difference.key}: is {ours!r}; {rules.method.id} counts {wanted!r}")
    return found


def _openness(web: Web) -> list[str]:
    if web.keys_file is not None or web.host in ("127.0.0.1", "::1", "localhost"):
        return []
    return [f"web.keys_file: is missing: whoever reaches {web.host}:{web.port} sees everything"]
