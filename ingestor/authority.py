"""The authority of one installation: whose certificates there are, and which no longer count.

Two of them, so that the key that has to be at hand for enrolment can make gateways and nothing
else: `ca` signs the broker's, the API's and the services' certificates, and its key may be put
away; `gateways-ca` signs gateways and plant systems. What was done stands in a file that only
grows; everything else follows from it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from ingestor import certificates
from ingestor.certificates import Issuer
from wire.certificate import Certificate, load, read_all
from wire.errors import BadData, ConfigError
from wire.files import give, keep, make_folder

CA, GATEWAYS_CA = "ca", "gateways-ca"
_MOST_NAME = 64  # of a common name, by RFC 5280

Kind = Literal["gateway", "system", "service", "server"]
# Which authority signs for whom.
SIGNED_BY: dict[Kind, str] = {
    "gateway": GATEWAYS_CA,
    "system": GATEWAYS_CA,
    "service": CA,
    "server": CA,
}


class Deed(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of what was done. `code`: SHA-256 of a single-use code; `keys`: who it is bound to."""

    did: Literal["name", "invite", "bind", "issue", "revoke"]
    name: str
    kind: Kind
    t_ms: int
    until_ms: int = 0
    serial: str = ""
    code: str = ""
    keys: str = ""


class Authority:
    """A directory of certificates, keys and deeds. Everything raises ConfigError."""

    def __init__(self, folder: Path, now_ms: Callable[[], int]) -> None:
        self.folder = folder.absolute()  # the broker runs elsewhere
        self._now_ms = now_ms
        self._deeds = self.folder / "deeds.jsonl"
        if not self.certificate(CA).exists():
            problem = "is no authority's directory; `wattprint ca init` makes one"
            raise ConfigError(f"{folder}: {problem}")

    @classmethod
    def create(cls, folder: Path, now_ms: Callable[[], int]) -> "Authority":
        """New authorities in a new or empty folder."""
        try:
            make_folder(folder, 0o711)  # the broker has to come through
            if any(folder.iterdir()):
                raise ConfigError(f"{folder}: is not empty; name a new directory")
            for name in (GATEWAYS_CA, CA):
                key, certificate = certificates.new_authority(f"wattprint {name}", now_ms())
                keep(folder / f"{name}.key", key)
                keep(folder / f"{name}.pem", certificate, 0o644)
        except OSError as exc:
            raise ConfigError(f"{folder}: cannot be written: {exc.strerror}") from exc
        made = cls(folder, now_ms)
        for name in (CA, GATEWAYS_CA):
            made._revoke(name, ())
        return made

    def certificate(self, name: str) -> Path:
        """Where an authority's own certificate is."""
        return self.folder / f"{name}.pem"

    def crl(self, name: str) -> Path:
        """Where the list of what an authority revoked is."""
        return self.folder / f"{name}.crl"

    def ca(self) -> Certificate:
        """What everybody trusts; codes carry its fingerprint."""
        return load(self.certificate(CA))

    def deeds(self) -> list[Deed]:
        """Everything done so far, in order."""
        try:
            lines = self._deeds.read_bytes().splitlines() if self._deeds.exists() else []
            return [msgspec.json.decode(line, type=Deed) for line in lines]
        except OSError as exc:
            raise ConfigError(f"{self._deeds}: cannot be read: {exc.strerror}") from exc
        except msgspec.DecodeError as exc:
            raise ConfigError(f"{self._deeds}: was changed by hand: {exc}") from exc

    def names(self) -> dict[str, Kind]:
        """Who may show a certificate now, in order of name."""
        found: dict[str, Kind] = {}
        for deed in self.deeds():
            if deed.did == "revoke":
                found.pop(deed.name, None)
            else:
                found[deed.name] = deed.kind
        return dict(sorted(found.items()))

    def issued(self) -> dict[str, Deed]:
        """The newest certificate of each name that still counts."""
        names = self.names()
        return {d.name: d for d in self.deeds() if d.did == "issue" and d.name in names}

    def add(self, name: str, kind: Kind) -> None:
        """Let `name` have certificates of its kind; again is no harm."""
        if len(name) > _MOST_NAME:
            raise ConfigError(f"{name}: site and gateway are {_MOST_NAME - 1} letters at most")
        with self._alone():
            known = self.names().get(name)
            if known not in (None, kind):
                raise ConfigError(f"{name}: is the name of a {known} already")
            if known is None:
                self._note(Deed("name", name, kind, self._now_ms()))

    def invite(self, name: str, code: str, until_ms: int) -> None:
        """Note a single-use code, by its SHA-256, for a gateway that has been added."""
        with self._alone():
            self._note(Deed("invite", name, "gateway", self._now_ms(), until_ms, code=code))

    def claim(self, name: str, code: str, keys: str) -> None:
        """Bind a code to whoever holds `keys`; they may come again, as an answer may get lost.

        Raises BadData where the code is unknown, another's, over, or bound to other keys.
        """
        with self._alone():
            invited, bound = self._invited(name, code)
            if invited is None:
                raise BadData(f"this code is none for {name}; ask for a new one")
            if self._now_ms() >= invited.until_ms:
                raise BadData("this code is too old; ask for a new one")
            if bound not in ("", keys):
                raise BadData("this code was used with other keys; ask for a new one")
            if not bound:
                self._note(Deed("bind", name, "gateway", self._now_ms(), code=code, keys=keys))

    def issue(self, name: str, public: bytes, days: int, hosts: Sequence[str] = ()) -> bytes:
        """A certificate in PEM for the key of a name that was added (see Issuer.sign).

        Raises BadData for a name that was not, or was revoked.
        """
        with self._alone():
            kind = self.names().get(name)
            if kind is None:
                raise BadData(f"{name} was not invited, or was revoked")
            now_ms = self._now_ms()
            pem = self._issuer(SIGNED_BY[kind]).sign(name, public, now_ms, days, hosts)
            [made] = read_all(pem)
            self._note(Deed("issue", name, kind, now_ms, made.until_ms, f"{made.serial:x}"))
        return pem

    def revoke(self, name: str) -> int:
        """Nothing of this name counts any more; how many certificates that were."""
        with self._alone():
            kind = self.names().get(name)
            if kind is None:
                raise ConfigError(f"{name}: has no certificate here; see `wattprint ca list`")
            serials = [int(d.serial, 16) for d in self.deeds() if d.name == name and d.serial]
            self._revoke(SIGNED_BY[kind], serials)
            self._note(Deed("revoke", name, kind, self._now_ms()))
        return len(serials)

    def _invited(self, name: str, code: str) -> tuple[Deed | None, str]:
        """(the invitation this code is, the keys it is bound to); a revocation ends both."""
        invited, bound = None, ""
        for deed in self.deeds():
            if deed.name == name and deed.did == "revoke":
                invited, bound = None, ""
            elif deed.name == name and deed.code == code:
                invited = deed if deed.did == "invite" else invited
                bound = deed.keys or bound
        return invited, bound

    def _revoke(self, signer: str, serials: Sequence[int]) -> None:
        path = self.crl(signer)
        try:
            known = path.read_bytes() if path.exists() else b""
            keep(path, self._issuer(signer).revoke(known, serials, self._now_ms()), 0o644)
        except OSError as exc:
            raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc

    def _issuer(self, name: str) -> Issuer:
        return Issuer.load(self.certificate(name), self.folder / f"{name}.key")

    def _note(self, deed: Deed) -> None:
        try:
            file = os.open(self._deeds, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(file, "ab") as deeds:
                give(self._deeds)
                deeds.write(msgspec.json.encode(deed) + b"\n")
                deeds.flush()
                os.fsync(deeds.fileno())
        except OSError as exc:
            raise ConfigError(f"{self._deeds}: cannot be written: {exc.strerror}") from exc

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The command line and a running ingestor take turns."""
        try:
            lock = os.open(self.folder, os.O_RDONLY)
        except OSError as exc:
            raise ConfigError(f"{self.folder}: cannot be read: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
