"""Where our footprints are offered to others, and who they are.

~~~toml
[pact]
url = "https://pact.wheels.example.com"     # as others reach it, also behind a proxy
keys_file = "pact.keys"                     # who may ask: wattprint pact key new NAME --keys pact.keys
host = "0.0.0.0"
port = 8443
cert_file = "pact.pem"                      # with key_file; without both, behind_proxy = true:
key_file = "pact.key.pem"                   # a proxy on this machine speaks TLS and sends X-Forwarded-Proto
drafts = false                              # true: footprints gate to gate are offered, too, and say so

[[pact.partners]]                           # optional: who is answered and told, and what they may see
name = "example-cars"                       # of its key
products = ["wheel-17"]                     # optional; without it: all
url = "https://pact.cars.example.com"       # their server, for our answers to their requests
client_id = "wheels"                        # what they gave to us
secret_file = "cars.secret"
ca_file = "cars-ca.pem"                     # optional: if no public authority knows their server
notify = true                               # tell them of every new footprint
~~~
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from wire.callers import CallersFile
from wire.config import Port, read_secret, refuse
from wire.errors import ConfigError
from wire.tls import load_pair, trusting

T = TypeVar("T")
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


class Partner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A company we exchange with. Without `url` it may ask, and cannot be answered later."""

    name: str
    products: tuple[str, ...] | None = None
    url: str = ""
    client_id: str = ""
    secret_file: Path | None = None
    ca_file: Path | None = None
    notify: bool = False


class Pact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[pact]`."""

    url: str
    keys_file: Path
    host: str = "0.0.0.0"
    port: Port = 8443
    cert_file: Path | None = None
    key_file: Path | None = None
    behind_proxy: bool = False
    drafts: bool = False
    partners: tuple[Partner, ...] = ()

    @property
    def base(self) -> str:
        return self.url.rstrip("/")

    def partner(self, name: str) -> Partner | None:
        """By the name of its key."""
        return next((each for each in self.partners if each.name == name), None)

    def may_see(self, name: str, product: str) -> bool:
        """Who has a key sees everything, unless its partner's entry says what."""
        found = self.partner(name)
        return found is None or found.products is None or product in found.products

    def tls(self) -> ssl.SSLContext | None:
        """The server's own; None behind a proxy. Raises ConfigError."""
        if self.cert_file is None:
            return None
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        load_pair(made, self.cert_file, self.key_file)
        return made


def check(path: Path, settings: Pact) -> None:
    """Everything the table of `path` names, read once. Raises ConfigError."""
    _check_url(path, "pact.url", settings.url)
    if settings.cert_file is None and not settings.behind_proxy:
        cure = "is missing: PACT is spoken over TLS only; behind a proxy set behind_proxy = true"
        raise refuse(path, "pact.cert_file", cure)
    if settings.behind_proxy and (settings.cert_file or settings.host not in _HERE):
        cure = 'the proxy speaks TLS: leave cert_file out and set host = "127.0.0.1"'
        raise refuse(path, "pact.behind_proxy", cure)
    _told(path, "pact.cert_file", settings.tls)
    known = _told(path, "pact.keys_file", CallersFile(settings.keys_file, str).all)
    if not known:
        cure = f"holds no key; make one: wattprint pact key new NAME --keys {settings.keys_file}"
        raise refuse(path, "pact.keys_file", f"{settings.keys_file}: {cure}")
    names = {caller.name for caller in known}
    for at, partner in enumerate(settings.partners):
        here = f"pact.partners[{at}]"
        if partner.name not in names:
            raise refuse(
                path, f"{here}.name", f"{partner.name!r} has no key in {settings.keys_file}"
            )
        if partner.name in {each.name for each in settings.partners[:at]}:
            raise refuse(path, f"{here}.name", f"{partner.name!r} stands there twice")
        _check_partner(path, here, partner)


def _check_partner(path: Path, here: str, partner: Partner) -> None:
    if not partner.url:
        if partner.notify:
            raise refuse(path, f"{here}.url", "is missing: it is where they are told")
        return
    _check_url(path, f"{here}.url", partner.url)
    if not partner.client_id or partner.secret_file is None:
        raise refuse(path, f"{here}.client_id", "with url go client_id and secret_file")
    secret = partner.secret_file
    _told(path, f"{here}.secret_file", lambda: read_secret(secret))
    if partner.ca_file is not None:
        ca = partner.ca_file
        _told(path, f"{here}.ca_file", lambda: trusting(ca))


def _check_url(path: Path, key: str, url: str) -> None:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment:
        raise refuse(path, key, f'{url!a} must be as "https://pact.example.com"')


def _told(path: Path, key: str, act: Callable[[], T]) -> T:
    try:
        return act()
    except ConfigError as exc:
        raise refuse(path, key, str(exc)) from exc
