"""A meter that is a JSON document: what `http_json` asks for and `mqtt_json` is sent."""

from collections.abc import Mapping

from edge_agent.bus import Answer, Wanted, WrongMeter
from edge_agent.profiles.json import Profile
from edge_agent.protocols import json_document as json
from edge_agent.scaling import scaling
from wire.errors import BadData, ProfileError
from wire.messages import Value


class JsonMeter:
    """Reads documents by the profile of `wanted`; `channel` stands for `{channel}` in its paths."""

    def __init__(self, wanted: Wanted, channel: int) -> None:
        if not isinstance(wanted.profile, Profile):
            raise ProfileError(f"{wanted.name}: is not a profile for JSON documents")
        self.absent: frozenset[str] = frozenset()
        self.profile = wanted.profile
        self._name = wanted.name
        self._channel = str(channel)
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
        time = self.profile.time
        return now_ms if time is None else json.time_ms(document, self.path(time.path), time.as_)
