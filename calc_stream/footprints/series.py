"""A product's figure period by period, signed: for loans, procurement and subsidies that hang on it.

Only what was counted alike stands in one run. Where method, unit, allocation, GWP set, length of the
periods or the site's model change, another run begins and says what broke: nothing is joined silently.
What was restated stays in its point, with the difference; what was withdrawn, with the reason.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import msgspec

from calc_stream.core.decimals import parse_fraction, shortest, significant
from calc_stream.footprints.footprint import Cause, Footprint, Withdrawal, Withdrawn, successors
from wire.errors import BadData
from wire.signing import PublicKey, SigningKey

_HEAD = b"wattprint kpi 1\n"  # so that the key's signature of anything else is none of a series


class Restated(msgspec.Struct, frozen=True, omit_defaults=True):
    """A figure that no longer stands, and by how much its successor differs. `period`: where that was
    another one, of which a batch went here. `withdrawn`: before anything took its place."""

    id: str
    published_ms: int
    cause: Cause
    kg_co2e: str
    difference: str
    period: str = ""
    withdrawn: Withdrawn | None = None


class PeriodFigure(msgspec.Struct, frozen=True, omit_defaults=True):
    """kg CO2e for a unit, own energy, as it stands; what it superseded, the oldest first.

    `factors`: those it was counted with. `change_percent`: against the point before in the same run.
    `running`: its period is not over. `withdrawn`: it is not to be used; nothing is compared with it.
    """

    period: str
    start_ms: int
    end_ms: int
    id: str
    published_ms: int
    cause: Cause
    good: str
    kg_co2e: str
    u95: str | None
    factors: tuple[str, ...]
    factor_status: str
    running: bool
    superseded: tuple[Restated, ...]
    change_percent: str | None
    withdrawn: Withdrawn | None = None


class Constant(msgspec.Struct, frozen=True):
    """What is the same for all points of a run."""

    method: str
    standard: str
    gwp: str
    unit: str
    allocation: str
    every: str
    models: tuple[str, ...]


class Run(msgspec.Struct, frozen=True):
    """Points that can be compared. `breaks`: what differs from the run before."""

    constant: Constant
    breaks: tuple[str, ...]
    points: tuple[PeriodFigure, ...]


class Series(msgspec.Struct, frozen=True):
    site: str
    product: str
    runs: tuple[Run, ...]


class SignedSeries(msgspec.Struct, frozen=True):
    """`signature`: Ed25519 in base64 over a head line and the series' canonical JSON."""

    series: Series
    key: str
    signature: str


def series_of(
    site: str,
    product: str,
    published: Sequence[Footprint],
    withdrawn: Mapping[str, Withdrawal],
    span: tuple[int, int] | None = None,
) -> Series:
    """`published`: the product's, superseded ones too, in the order of publishing; `span`: only those
    whose periods begin in it."""
    told = {id_: each.withdrawn for id_, each in withdrawn.items()}
    known = {each.id: each for each in published}
    gone = successors(published)
    lines: dict[tuple[str, str, str], list[Footprint]] = {}
    for each in sorted(published, key=lambda each: each.start_ms):
        if each.id not in gone and (span is None or span[0] <= each.start_ms < span[1]):
            lines.setdefault((each.unit, each.method, _every(each)), []).append(each)
    found: list[Run] = []
    for line in lines.values():
        for constant, footprints in groupby(line, key=_constant):
            breaks = _breaks(found[-1].constant, constant) if found else ()
            found.append(Run(constant, breaks, tuple(_points(list(footprints), known, told))))
    return Series(site, product, tuple(found))


def key_of(directory: Path) -> SigningKey:
    """What a calculator signs with, of its state directory; made when it is first needed. Raises
    ConfigError."""
    return SigningKey.load_or_create(directory / "footprints.key")


def sign(series: Series, key: SigningKey) -> SignedSeries:
    signature = base64.b64encode(key.sign(_text(series))).decode()
    return SignedSeries(series, str(key.public), signature)


def read_signed(data: bytes) -> SignedSeries:
    """A series from a file. Raises BadData; also for one that says what no signature covers."""
    try:
        signed = msgspec.json.decode(data, type=SignedSeries)
        said = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadData(f"is no signed series: {exc}") from exc
    if said != msgspec.json.decode(msgspec.json.encode(signed)):
        raise BadData("says more than a signed series does")
    return signed


def check(signed: SignedSeries, key: PublicKey) -> None:
    """Raises BadData unless this key signed it."""
    if signed.key != str(key):
        raise BadData(f"the series names the key {signed.key}, not {key}")
    key.check(signed.signature, _text(signed.series))


def _text(series: Series) -> bytes:
    return _HEAD + msgspec.json.encode(series, order="deterministic")


def _every(each: Footprint) -> str:
    return "quarter" if "Q" in each.period else ("year", "month", "day")[each.period.count("-")]


def _constant(each: Footprint) -> Constant:
    head = each.method, each.standard, each.gwp, each.unit
    return Constant(*head, each.allocation, _every(each), each.models)


def _breaks(before: Constant, after: Constant) -> tuple[str, ...]:
    names = Constant.__struct_fields__
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _points(
    footprints: Sequence[Footprint], known: Mapping[str, Footprint], told: Mapping[str, Withdrawn]
) -> Iterable[PeriodFigure]:
    for before, each in pairwise([None, *footprints]):
        assert each is not None  # noqa: S101  only the first of all pairs begins with None
        yield PeriodFigure(
            period=each.period,
            start_ms=each.start_ms,
            end_ms=each.end_ms,
            id=each.id,
            published_ms=each.published_ms,
            cause=each.cause,
            good=each.good,
            kg_co2e=each.kg_co2e,
            u95=each.u95.kg_co2e,
            factors=tuple(factor.id for factor in each.factors),
            factor_status=each.factor_status,
            running=each.is_running,
            superseded=tuple(reversed(list(_history(each, known, told)))),
            change_percent=_change(before, each, told),
            withdrawn=told.get(each.id),
        )


def _history(
    each: Footprint, known: Mapping[str, Footprint], told: Mapping[str, Withdrawn]
) -> Iterable[Restated]:
    """The newest first."""
    open_ = [(each, id_) for id_ in reversed(each.supersedes)]
    while open_:
        after, id_ = open_.pop()
        before = known.get(id_)
        if before is not None:
            difference = parse_fraction(after.kg_co2e) - parse_fraction(before.kg_co2e)
            head = before.id, before.published_ms, before.cause, before.kg_co2e
            elsewhere = before.period if before.period != each.period else ""
            yield Restated(*head, shortest(difference), elsewhere, told.get(before.id))
            open_ += [(before, id_) for id_ in reversed(before.supersedes)]


def _change(before: Footprint | None, each: Footprint, told: Mapping[str, Withdrawn]) -> str | None:
    if before is None or not parse_fraction(before.kg_co2e) or {before.id, each.id} & told.keys():
        return None
    return significant(100 * (parse_fraction(each.kg_co2e) / parse_fraction(before.kg_co2e) - 1), 4)
