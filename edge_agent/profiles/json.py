"""The shape of a profile for meters and gateways that tell their values as JSON documents.

~~~toml
protocol = "json"
path = "/rpc/Shelly.GetStatus"      # what an HTTP meter is asked for
time = { path = "/sys/unixtime", as = "unix_s" }

[identity]
serial = "/sys/mac"

[registers]
active_energy_import = { path = "/emdata:0/total_act", unit = "Wh", decimals = 3 }
~~~

A path inside a document is a JSON Pointer (RFC 6901); `{channel}` in it is the site's channel
number. `plus` names further places whose numbers are added.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from edge_agent.profiles import model
from edge_agent.profiles.model import Meaning


class Register(Meaning, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One quantity: where its number stands in the document, and what to add to it."""

    path: str
    plus: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All places whose numbers make the quantity."""
        return (self.path, *self.plus)

    @property
    def where(self) -> str:
        """See the base."""
        return " + ".join(self.paths)


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the meter's own number and model stand; `expect`: what the model says there."""

    serial: str | None = None
    model: str | None = None
    expect: tuple[str, ...] = ()


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the document says when its values were measured, and how it is written.

    `iso8601` must carry its offset from UTC: a local time without one is no time.
    """

    path: str
    as_: Literal["unix_s", "unix_ms", "iso8601"] = msgspec.field(name="as")


class Profile(model.Profile, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model that speaks JSON."""

    protocol: Literal["json"]
    registers: dict[str, Register]
    path: str = ""
    time: Time | None = None
    identity: Identity = Identity()

    @property
    def meanings(self) -> Mapping[str, Register]:
        """See the base."""
        return self.registers

    def rules(self) -> Iterator[str]:
        """See the base."""
        if self.path:
            yield f"asked for by HTTP: {self.path}"
        yield f"time of measurement: {self.time.path if self.time else 'that of its arrival'}"
        for key in ("serial", "model"):
            if place := getattr(self.identity, key):
                yield f"{key}: {place}"


def problems(profile: Profile) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it) for everything that cannot be true of a document."""
    for quantity, register in profile.registers.items():
        if register.decimals is None:
            yield f"registers.{quantity}", "decimals is missing: say to which it is rounded"
        for path in register.paths:
            if not path.startswith("/"):
                yield f"registers.{quantity}", f"{path!r} is no JSON Pointer; it starts with /"
    places = {
        "identity.serial": profile.identity.serial,
        "identity.model": profile.identity.model,
        "time": profile.time.path if profile.time else None,
    }
    for key, place in places.items():
        if place is not None and not place.startswith("/"):
            yield key, f"{place!r} is no JSON Pointer; it starts with /"
