"""A meter that is a JSON document: what `http_json` asks for and `mqtt_json` is sent."""

from collections.abc import Mapping

from edge_agent.bus import Answer, Wanted, WrongMeter
from edge_agent.profiles.json import Profile
from edge_agent.protocols import json_document as json
from edge_agent.scaling import scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value

# A meter's clock may be this far ahead of ours; further, and it shows another zone's time, or none.
_AHEAD_MS = 600_000
_STANDS_STILL_MS = 10_000


class JsonMeter:
    """Reads documents by the profile of `wanted`; `channel` stands for `{channel}` in its paths."""

    def __init__(self, wanted: Wanted, channel: int) -> None:
        if not isinstance(wanted.profile, Profile):
            raise ProfileError(f"{wanted.name}: is not a profile for JSON documents")
        self.absent: frozenset[str] = frozenset()
        self.profile = wanted.profile
        self._name = wanted.name
        self._channel = str(channel)
        self._told_ms = self._told_at_ms = 0  # the time told last, and when it was told first
        registers = {quantity: wanted.profile.registers[quantity] for quantity in wanted.quantities}
        self._fields = {
            quantity: (
                tuple(map(self.path, register.paths)),
                register.optional,
                scaling(quantity, register, wanted.ct, wanted.pt),
            )
            for quantity, register in registers.items()
        }

    def path(self, path: str) -> str:
        """A path of the profile for this channel."""
        return path.replace("{channel}", self._channel)

    def answer(self, data: bytes, now_ms: int) -> Answer:
        """The values of one document. Raises BadData, naming the place."""
        document = json.parse(data)
        values: dict[str, Value | None] = {}
        shown: dict[str, tuple[str, str]] = {}
        absent = set[str]()
        for quantity, (paths, optional, scale) in self._fields.items():
            try:
                number = json.number(document, paths)
            except json.Missing as exc:
                if not optional:
                    raise BadData(f"{self._name}: {quantity}: {exc}: the right profile?") from exc
                absent.add(quantity)
                continue
            values[quantity] = None if number is None else scale.value(number)
            shown[quantity] = " + ".join(paths), "null" if number is None else str(number)
        self.absent = frozenset(absent)
        return Answer(self._time_ms(document, now_ms), values, lambda: shown)

    def was_told(self, t_ms: int, now_ms: int) -> bool:
        """Whether the document before was of the same instant, as where a clock goes in seconds.

        Raises BadData where it stands still.
        """
        if t_ms != self._told_ms:
            self._told_ms, self._told_at_ms = t_ms, now_ms
            return False
        if now_ms - self._told_at_ms > _STANDS_STILL_MS:
            raise BadData(f"{self._name}: its clock stands still")
        return True

    def identity(self, data: bytes) -> dict[str, str]:
        """`serial` and `model`, as far as the profile knows them. Raises WrongMeter, BadData."""
        known = self.profile.identity
        places: Mapping[str, str | None] = {"serial": known.serial, "model": known.model}
        document = json.parse(data)
        found = {
            key: json.text(document, self.path(place))
            for key, place in places.items()
            if place is not None
        }
        if known.expect and found.get("model") not in known.expect:
            raise WrongMeter(
                f"{self._name}: model reads {found.get('model')!r}; the {self.profile.vendor}"
                f" {self.profile.model} says {' or '.join(known.expect)}"
            )
        return found

    def _time_ms(self, document: object, now_ms: int) -> int:
        """Its own time if it tells one; a time that is still to come was never measured at."""
        time = self.profile.time
        if time is None:
            return now_ms
        t_ms = json.time_ms(document, self.path(time.path), time.as_)
        if t_ms > now_ms + _AHEAD_MS:
            ahead_s = (t_ms - now_ms) // 1000
            raise BadData(f"{self._name}: its clock is {ahead_s} s ahead of the gateway's")
        return t_ms
