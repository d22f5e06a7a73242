"""Certificates, keys and secrets: whether they count, for how long, and who else can read them."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ingestor.authority import CA, GATEWAYS_CA, Authority
from ingestor.config import IngestorConfig
from wire.errors import ConfigError
from wire.finding import Finding, bad, dates, ok, pair, private, warn

_DAY_MS = 86_400_000
_OWN = "wattprint ca service DIR ingestor --out FILE"
_SERVER = "wattprint ca server DIR, then restart broker and ingestor"


def examine(settings: IngestorConfig, now_ms: int) -> Iterator[Finding]:
    """Everything the configuration names."""
    broker, api = settings.broker, settings.api
    if broker.ca_file is not None:
        yield dates("authority of the broker", broker.ca_file, now_ms, "copy it from the authority")
    elif broker.host not in ("127.0.0.1", "::1", "localhost"):
        cure = "set ca_file, cert_file and port in [broker]; see deploy/README.md"
        yield warn("broker", f"{broker} is spoken to in clear", cure)
    if broker.cert_file is not None:
        what = "certificate for the broker"
        yield from pair(what, broker.cert_file, broker.key_file, now_ms, _OWN)
    if broker.password_file is not None:
        yield private("password for the broker", broker.password_file)
    if api is not None and api.cert_file is not None:
        yield from pair("certificate of the API", api.cert_file, api.key_file, now_ms, _SERVER)
    elif api is not None and api.host not in ("127.0.0.1", "::1", "localhost"):
        cure = "set cert_file in [api]: keys travel in every request"
        yield warn("API", f"{api.host}:{api.port} is spoken to in clear", cure)
    if settings.receipt_key.exists():
        yield private("receipt key", settings.receipt_key)
    if settings.enrol is not None:
        yield from _authority(settings, now_ms)


def _authority(settings: IngestorConfig, now_ms: int) -> Iterator[Finding]:
    if settings.enrol is None:
        return
    try:
        authority = Authority(settings.enrol.authority, lambda: now_ms)
        issued = authority.issued()
    except ConfigError as exc:
        yield bad("authority", str(exc), "restore it from the last backup")
        return
    cure = "make a new authority; see deploy/README.md"
    for name in (CA, GATEWAYS_CA):
        yield dates(f"authority {name}", authority.certificate(name), now_ms, cure, 365)
    yield private("authority, key", authority.folder / f"{GATEWAYS_CA}.key")
    # A gateway renews with a third left; one with less than a sixth has tried in vain, or is off.
    late_ms = settings.enrol.days * _DAY_MS // 6
    gateways = {name: deed for name, deed in issued.items() if deed.kind == "gateway"}
    late = {n: deed for n, deed in gateways.items() if deed.until_ms - now_ms < late_ms}
    for name, deed in late.items():
        until = f"{datetime.fromtimestamp(deed.until_ms / 1000, UTC):%Y-%m-%d}"
        over = "has expired on" if deed.until_ms <= now_ms else "was not renewed; it ends on"
        cure = "is the gateway on, and does it reach our API? Its log says why it cannot renew"
        yield warn(f"certificate of {name}", f"{over} {until}", cure)
    yield ok("gateways", f"{len(gateways) - len(late)} of {len(gateways)} certificates in order")
