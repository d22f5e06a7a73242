"""The versions of a site's model: which one is in force when.

A version is in force from its `valid_from` up to that of the next; without one, from ever. A model
with the `valid_from` of another takes its place. Before the first version nothing is posted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from calc_stream.core.decimals import instant
from calc_stream.core.plant import Carrier, Meter, SiteModel
from calc_stream.core.toml_lines import Path, line_of
from calc_stream.core.whole import LIMIT
from wire.config import refuse
from wire.errors import ConfigError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Reign:
    """One version while it is in force: from `from_ms` up to, not including, `to_ms`."""

    model: SiteModel
    from_ms: int
    to_ms: int

    def within(self, first_ms: int, last_ms: int) -> Span | None:
        """The part of the time from `first_ms` to `last_ms` in which it is in force."""
        first, last = max(self.from_ms, first_ms), min(self.to_ms, last_ms)
        return (first, last) if first <= last else None


@dataclass(frozen=True)
class Versions:
    """Reigns that follow each other; the last one does not end. Never empty."""

    reigns: tuple[Reign, ...]

    @classmethod
    def of(cls, models: "Iterable[SiteModel] | SiteModel | Versions") -> "Versions":
        """Raises ConfigError for versions that contradict each other."""
        if isinstance(models, Versions):
            return models
        if isinstance(models, SiteModel):
            models = (models,)
        ordered = sorted(models, key=_since)
        for before, after in pairwise(ordered):
            if _since(before) == _since(after):
                when = "no valid_from" if after.valid_from_ms is None else "this valid_from"
                raise _refuse(after, ("valid_from",), f"{before.file} has {when}, too")
        for number, model in enumerate(ordered):
            for earlier in ordered[:number]:
                _compare(earlier, model)
        ends = [*map(_since, ordered[1:]), LIMIT]
        reigns = zip(ordered, map(_since, ordered), ends, strict=True)
        return cls(tuple(Reign(*reign) for reign in reigns))

    def with_(self, model: SiteModel) -> "Versions":
        """These versions and another one. Raises ConfigError."""
        others = [r.model for r in self.reigns if r.from_ms != _since(model)]
        return Versions.of([*others, model])

    def at(self, t_ms: int) -> SiteModel:
        """The version in force just after `t_ms`; before the first one, the first."""
        return self.reign_at(t_ms).model

    def reign_at(self, t_ms: int) -> Reign:
        """The reign just after `t_ms`; before the first one, the first."""
        for reign in reversed(self.reigns):
            if reign.from_ms <= t_ms:
                return reign
        return self.reigns[0]

    def within(self, span: Span | None) -> Iterator[tuple[Reign, Span]]:
        """Each reign with the part of the span in which it is in force."""
        if span is None:
            return
        for reign in self.reigns:
            part = reign.within(*span)
            if part is not None:
                yield reign, part

    @property
    def site(self) -> str:
        return self.reigns[0].model.site

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Every source of any version, in byte order."""
        return tuple(sorted({name for reign in self.reigns for name in reign.model.sources}))

    @cached_property
    def meters(self) -> Mapping[str, Meter]:
        """Every meter of any version by id, as its last version has it."""
        return {meter.id: meter for reign in self.reigns for meter in reign.model.meters}

    @cached_property
    def stores(self) -> Mapping[str, Carrier]:
        """The carrier of every store of any version."""
        models = [reign.model for reign in self.reigns]
        return {s.name: m.carriers[s.carrier] for m in models for s in m.stores.values()}

    @cached_property
    def campaigns(self) -> bool:
        """Whether campaigns bear set-up in any version."""
        return any(reign.model.policy.setup == "campaign" for reign in self.reigns)

    @cached_property
    def spreads(self) -> bool:
        """Whether pools or campaigns give to batches in any version."""
        return self.campaigns or any(reign.model.policy.windows for reign in self.reigns)

    @cached_property
    def all_meters(self) -> tuple[Meter, ...]:
        """The meters of any version, as `meters` has them."""
        return tuple(self.meters.values())

    def having(self, source: str, t_ms: int) -> SiteModel | None:
        """The version just after `t_ms` with a source in it. Once that is gone, the last that had it:
        stores may hold what it gave. None before there is one."""
        models = [reign.model for reign in self.reigns if reign.from_ms <= t_ms]
        models = models or [self.at(t_ms)]
        return next((model for model in reversed(models) if source in model.sources), None)

    def carrier_of(self, source: str) -> Carrier:
        """The carrier of a source, the same in all versions that have it."""
        model = next(r.model for r in self.reigns if source in r.model.sources)
        return model.carrier_of(source)


def _since(model: SiteModel) -> int:
    return -LIMIT if model.valid_from_ms is None else model.valid_from_ms


def _compare(earlier: SiteModel, later: SiteModel) -> None:
    """What a site keeps for ever: its name, and what its amounts are counted in."""
    since = earlier.valid_from_ms
    told = f"{earlier.file} ({'without valid_from' if since is None else f'from {instant(since)}'})"
    if later.site != earlier.site:
        raise _refuse(later, ("site",), f"is {later.site!r}; in {told} it is {earlier.site!r}")
    for name, carrier in later.carriers.items():
        if earlier.carriers.get(name, carrier) != carrier:
            problem = f"is counted otherwise in {told}; give this carrier another name"
            raise _refuse(later, ("carriers", name), problem)
    for kind in ("sources", "stores"):
        places = getattr(earlier, kind)
        for name, place in getattr(later, kind).items():
            if name in places and places[name].carrier != place.carrier:
                problem = f"is {places[name].carrier} in {told}; give this one another name"
                raise _refuse(later, (kind, name, "carrier"), problem)
    meters = {meter.id: meter for meter in earlier.meters}
    for meter in later.meters:
        if meter.id in meters and meters[meter.id].unit != meter.unit:
            problem = f"{meter.id} counts {meters[meter.id].unit} in {told}; give another id"
            raise _refuse(later, ("meters",), problem)


def _refuse(model: SiteModel, path: Path, problem: str) -> ConfigError:
    return refuse(f"{model.file}:{line_of(model.text, path)}", ".".join(map(str, path)), problem)
