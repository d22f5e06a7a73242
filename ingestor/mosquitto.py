"""What Mosquitto is told: mutual TLS 1.3, and who may do what, a block for each name.

Gateways and plant systems have a listener where the name in the certificate is the user and the
client id: nobody can take over another's session. The services have one of their own, with an
authority of its own: they need several sessions each (the ingestor's doctor is not the ingestor).
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ingestor.authority import CA, GATEWAYS_CA, SIGNED_BY, Authority, Kind
from wire.config import Port
from wire.errors import ConfigError
from wire.files import keep, make_folder
from wire.segment import MAX_SEGMENT
from wire.topics import ROOT

FOLDER = "broker"  # in the authority's: everything the broker needs, and no key but its own
SERVER = "server"  # the name of its certificate there
# What each service does, and nothing else.
SERVICES: dict[str, tuple[str, ...]] = {
    "ingestor": (
        *(f"read {ROOT}/+/+/{kind}" for kind in ("seg", "state")),
        *(f"write {ROOT}/+/+/{kind}" for kind in ("rcpt", "req")),
        *(f"read {ROOT}/+/event{more}" for more in ("", "/+")),
        f"write {ROOT}/+/event/rcpt/#",
        # What comes out of quarantine is offered again.
        f"write {ROOT}/+/+/seg",
        *(f"write {ROOT}/+/event{more}" for more in ("", "/+")),
        "read $SYS/#",
    ),
    "calculator": (f"write {ROOT}/+/batch/#", f"write {ROOT}/+/alarm/#"),
    "reader": (f"read {ROOT}/+/batch/#", f"read {ROOT}/+/alarm/#"),
}
_GATEWAY = (("write", "seg"), ("write", "state"), ("read", "rcpt"), ("read", "req"))
# Its name is the source it may speak as: the topic of all sources is no system's.
_SYSTEM = (
    *(("write", "event/{own}"), ("read", "event/rcpt/{own}")),
    *(("read", "batch/#"), ("read", "alarm/#")),
)


class Installation(msgspec.Struct, frozen=True):
    """Where the broker listens. `hosts`: every name and address of the machine it is asked by."""

    hosts: list[str]
    port: Port = 8883
    services_host: str = "127.0.0.1"
    services_port: Port = 8884


def write(authority: Authority, told: Installation) -> Path:
    """Everything but the broker's own certificate; the folder. Raises ConfigError."""
    folder = authority.folder / FOLDER
    names = authority.names()
    files = {
        "mosquitto.conf": configuration(folder, told).encode(),
        "gateways.acl": _acl(names, GATEWAYS_CA).encode(),
        "services.acl": _acl(names, CA).encode(),
    }
    try:
        make_folder(folder, 0o755)  # the broker is another user
        for name in (CA, GATEWAYS_CA):
            files[f"{name}.pem"] = authority.certificate(name).read_bytes()
            files[f"{name}.crl"] = authority.crl(name).read_bytes()
        for file, text in files.items():
            if not (folder / file).exists() or (folder / file).read_bytes() != text:
                keep(folder / file, text, 0o644)
    except OSError as exc:
        raise ConfigError(f"{folder}: cannot be written: {exc.strerror}") from exc
    return folder


def configuration(folder: Path, told: Installation) -> str:
    """`mosquitto.conf`, to be included by that of the system."""
    gateways = _listener(folder, f"{told.port}", GATEWAYS_CA, "gateways.acl")
    services = _listener(folder, f"{told.services_port} {told.services_host}", CA, "services.acl")
    return (
        "# Written by `wattprint ca`, which overwrites changes.\n"
        "per_listener_settings true\n"
        "\n"
        "# What does not fit a queue is dropped without a word; it comes again, for nothing counts\n"
        "# as delivered before its receipt. So a queue bounds memory, and need not hold a week.\n"
        "max_queued_messages 20000\n"
        "max_queued_bytes 268435456\n"
        "max_inflight_messages 500\n"
        f"max_packet_size {MAX_SEGMENT + 65536}\n"
        "max_keepalive 300\n"
        "persistent_client_expiration 14d\n"
        "sys_interval 10\n"
        "\n# Gateways and plant systems.\n"
        f"{gateways}use_username_as_clientid true\n"
        "\n# Ingestor, calculator and readers.\n"
        f"{services}"
    )


def _listener(folder: Path, where: str, signer: str, acl: str) -> str:
    return (
        f"listener {where}\n"
        "tls_version tlsv1.3\n"
        f"cafile {folder}/{signer}.pem\n"
        f"crlfile {folder}/{signer}.crl\n"
        f"certfile {folder}/{SERVER}.pem\n"
        f"keyfile {folder}/{SERVER}.key\n"
        "require_certificate true\n"
        "allow_anonymous false\n"
        "use_identity_as_username true\n"
        f"acl_file {folder}/{acl}\n"
    )


def _acl(names: Mapping[str, Kind], signer: str) -> str:
    blocks = ["# Written by `wattprint ca`. What is not named here is refused.\n"]
    for name, kind in names.items():
        if SIGNED_BY[kind] == signer and (rights := _rights(name, kind)):
            blocks.append("".join((f"user {name}\n", *(f"topic {right}\n" for right in rights))))
    return "\n".join(blocks)


def _rights(name: str, kind: Kind) -> tuple[str, ...]:
    site, _, own = name.partition(".")
    match kind:
        case "gateway":
            return tuple(f"{may} {ROOT}/{site}/{own}/{what}" for may, what in _GATEWAY)
        case "system":
            return tuple(f"{may} {ROOT}/{site}/{what.format(own=own)}" for may, what in _SYSTEM)
        case "service":
            return SERVICES.get(name, ())
        case "server":
            return ()
