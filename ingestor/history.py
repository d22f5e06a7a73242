"""History out of an existing InfluxDB (1.x, or 2.x by its 1.x API), as segments of a gateway of its own.

~~~toml
site = "cq-wheel"
gateway = "history"                      # whose segments they are; its key has to be known
state = "history"                        # its key, and how far it has come

[influxdb]
url = "http://127.0.0.1:8086"
database = "energy"

[ingestor]
url = "http://127.0.0.1:8421"
key_file = "history.key"                 # role operator
# ca_file = "ca.pem"                     # whom its HTTPS is trusted by; default: the system's

[[series]]
measurement = "power"
field = "kwh_total"
tags = { device = "pm1" }                # they must leave one series
meter = "m-press-1"
quantity = "active_energy_import"
unit = "kWh"                             # of the field
~~~

A register that falls ends and begins anew, as a gateway would say it: a `reset`, which waits for a
person's word. Values are what the database prints, exactly, unless `decimals` rounds them. Readings
have whole milliseconds: of several points within one the last is taken, the others are counted. Sealed
bytes are on disk before they are sent, and sent again after a crash: so nothing comes twice.
"""

import itertools
import secrets
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ingestor.admission import NOT_BEFORE_MS
from wire import config
from wire.errors import BadData, ConfigError
from wire.files import keep
from wire.messages import MeterEvent, Sample, Value
from wire.quantities import QUANTITIES
from wire.segment import GENESIS, Place, open_segment, seal
from wire.signing import SigningKey
from wire.topics import id_problem, is_meter
from wire.units import UnitError, convert

NOTHING = "the database has no point of it; are measurement, field and tags right?"
_KEY, _STATE, _PENDING = "gateway.key", "state.json", "pending"


class Influx(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the history is."""

    url: str
    database: str
    retention_policy: str = ""
    username: str = ""
    password_file: Path | None = None


class Ingestor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it goes."""

    url: str
    key_file: Path
    ca_file: Path | None = None


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of one series, and what it is here. `decimals`: rounded to so many."""

    measurement: str
    field: str
    meter: str
    quantity: str
    unit: str = ""
    tags: dict[str, str] = {}
    decimals: int | None = None


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of what is to be imported."""

    site: str
    state: Path
    influxdb: Influx
    ingestor: Ingestor
    series: list[Series]
    gateway: str = "history"


class Last(msgspec.Struct, frozen=True):
    """How far one series has come. `behind`: how many points had a later one within their ms."""

    t_ms: int
    value: str
    behind: int = 0


class State(msgspec.Struct, frozen=True):
    """The stream, and each series by its name."""

    stream: str
    seq: int = 0
    head: str = GENESIS
    series: dict[str, Last] = {}


class _Pending(msgspec.Struct, frozen=True):
    """A sealed segment, and how things stand once it is in the journal."""

    data: bytes
    then: State


class Database(Protocol):
    """Raises TransientError."""

    def query(self, text: str) -> list[dict[str, Any]]: ...


class Progress(msgspec.Struct, frozen=True):
    """One segment more is in the journal."""

    series: str
    points: int
    t_ms: int
    last_ms: int


def load(path: Path) -> Plan:
    """Raises ConfigError naming the key that is wrong."""
    plan = config.load(path, Plan)
    for key in ("site", "gateway"):
        if problem := id_problem(getattr(plan, key)):
            raise config.refuse(path, key, problem)
    for at, series in enumerate(plan.series):
        quantity = QUANTITIES.get(series.quantity)
        if quantity is None:
            raise config.refuse(path, f"series[{at}].quantity", f"{series.quantity!r} is not known")
        if not is_meter(series.meter):
            raise config.refuse(path, f"series[{at}].meter", "is letters, digits, . _ and -")
        try:
            _rate(series)
        except UnitError as exc:
            raise config.refuse(path, f"series[{at}].unit", str(exc)) from exc
    names = [_name(series) for series in plan.series]
    if not names or len(set(names)) < len(names):
        raise config.refuse(path, "series", "names none, or a meter's quantity twice")
    return plan


def key_of(plan: Plan) -> SigningKey:
    """The gateway's key, made where there is none."""
    return SigningKey.load_or_create(plan.state / _KEY)


def survey(plan: Plan, database: Database) -> Iterator[tuple[str, int, int, int]]:
    """(series, points, first ms, last ms) of what there is; no points: there is none of that name.
    Raises BadData for several series."""
    for series in plan.series:
        count = _rows(database, series, f"count({_id(series.field)})")
        first, last = (
            _rows(database, series, f"{f}({_id(series.field)})") for f in ("first", "last")
        )
        if count and first and last:
            yield _name(series), int(count[0][1]), first[0][0], last[0][0]
        else:
            yield _name(series), 0, 0, 0


def left_out(plan: Plan, database: Database) -> Iterator[str]:
    """In words, what `run` does not import: no clock was ever right then, or a later point is there."""
    state = _known(plan.state)
    spans = {"before the year 2000": f"time < {NOT_BEFORE_MS}ms", "later than now": "time > now()"}
    for series in plan.series:
        for what, span in spans.items():
            for _, count in _rows(database, series, f"count({_id(series.field)})", span):
                yield f"{_name(series)}: {count} points {what}"
        if (last := state.series.get(_name(series))) and last.behind:
            yield f"{_name(series)}: {last.behind} points with a later one in their millisecond"


def run(
    plan: Plan, database: Database, send: Callable[[bytes], None], points: int = 20_000
) -> Iterator[Progress]:
    """Import what is not in the journal yet, in segments of `points`. `send` returns once it is there.

    Raises BadData, ConfigError and TransientError; called again, it goes on where it was.
    """
    key, place = key_of(plan), plan.state
    state = _restore(place, send)
    ends = {_name(series): _last_ms(database, series, state) for series in plan.series}
    for series in plan.series:
        name = _name(series)
        while rows := _next(database, series, state.series.get(name), points):
            state = _import(plan, key, series, rows, state, send)
            yield Progress(name, len(dict(rows)), rows[-1][0], ends[name])


def _restore(place: Path, send: Callable[[bytes], None]) -> State:
    """Whatever was sealed is sent first: it may be in the journal already, or not."""
    pending = place / _PENDING
    if pending.exists():
        told = msgspec.msgpack.decode(pending.read_bytes(), type=_Pending)
        send(told.data)
        _keep(place / _STATE, msgspec.json.encode(told.then))
        pending.unlink()
    return _known(place)


def _known(place: Path) -> State:
    if (place / _STATE).exists():
        return msgspec.json.decode((place / _STATE).read_bytes(), type=State)
    return State(secrets.token_hex(16))


def _import(
    plan: Plan,
    key: SigningKey,
    series: Series,
    rows: list[tuple[int, Any]],
    state: State,
    send: Callable[[bytes], None],
) -> State:
    samples, events, last = _facts(series, rows, state.series.get(_name(series)))
    seq = state.seq + 1
    place = Place(plan.site, plan.gateway, state.stream, seq, state.head, "import", "database")
    try:
        data = seal(place, samples, events, key)
    except BadData as exc:
        raise BadData(f"{_name(series)}: {exc}; `decimals` rounds what a float adds") from exc
    head = open_segment(data).hash
    then = State(state.stream, seq, head, {**state.series, _name(series): last})
    _keep(plan.state / _PENDING, msgspec.msgpack.encode(_Pending(data, then)))
    send(data)
    _keep(plan.state / _STATE, msgspec.json.encode(then))
    (plan.state / _PENDING).unlink()
    return then


def _facts(
    series: Series, rows: list[tuple[int, Any]], before: Last | None
) -> tuple[list[Sample], list[MeterEvent], Last]:
    rate, is_register = _rate(series), QUANTITIES[series.quantity].cumulative
    samples, events = [], []
    last = Decimal(before.value) if before else None
    latest = dict(rows)  # of several within one ms the last
    behind = (before.behind if before else 0) + len(rows) - len(latest)
    for t_ms, told in latest.items():
        raw = Decimal(str(told))
        if series.decimals is not None:
            raw = round(raw, series.decimals)
        if is_register and last is not None and raw < last:
            ends = {"closing": last, "opening": raw, "last": last, "read": raw}
            detail = {k: _text(_exact(v, rate)) for k, v in ends.items()}
            detail["quantity"] = series.quantity
            events.append(MeterEvent(series.meter, t_ms, "reset", detail))
        last = raw
        value = {series.quantity: _exact(raw, rate)}
        samples.append(Sample(series.meter, t_ms, value, "backfilled"))
    return samples, events, Last(rows[-1][0], str(last), behind)


def _last_ms(database: Database, series: Series, state: State) -> int:
    """Raises BadData where there never was a point: a name is wrong, and would be left out."""
    last = _rows(database, series, f"last({_id(series.field)})")
    if last:
        return last[0][0]
    if known := state.series.get(_name(series)):  # imported, and kept there no longer
        return known.t_ms
    raise BadData(f"{_name(series)}: {NOTHING}")


def _next(
    database: Database, series: Series, last: Last | None, points: int
) -> list[tuple[int, Any]]:
    # A database keeps nanoseconds: the last point's own time may lie behind its whole ms.
    after = f"time >= {last.t_ms + 1 if last else NOT_BEFORE_MS}ms AND time <= now()"
    rest = f"ORDER BY time LIMIT {points + 1}"
    rows = _rows(database, series, _id(series.field), after, rest)
    if len(rows) > points:  # the last one's ms may go on behind it: it is left for the next time
        rows = [row for row in rows if row[0] < rows[-1][0]]
        if not rows:
            return _next(database, series, last, 2 * points)
    shared = [one[0] for one, other in itertools.pairwise(rows) if one[0] == other[0]]
    if shared:
        _refuse_several(database, series, shared[0], shared[-1])
    return rows


def _refuse_several(database: Database, series: Series, first_ms: int, last_ms: int) -> None:
    """Points within one ms are one meter's when they are of one series. Raises BadData."""
    span = f"time >= {first_ms}ms AND time < {last_ms + 1}ms"
    apart = _series(database, series, _id(series.field), span, "GROUP BY *")
    seen = [{t_ms for t_ms, _ in rows} for rows in apart]
    if sum(map(len, seen)) > len(set().union(*seen)):
        raise BadData(f"{_name(series)}: two values at one time: name more tags, for one series")


def _rows(
    database: Database, series: Series, what: str, where: str = "", rest: str = ""
) -> list[tuple[int, Any]]:
    """(ms, value) of one series."""
    return list(itertools.chain(*_series(database, series, what, where, rest)))


def _series(
    database: Database, series: Series, what: str, where: str, rest: str
) -> list[list[tuple[int, Any]]]:
    """(ms, value) of each that the database tells apart."""
    wanted = [f"{_id(tag)} = {_text_of(value)}" for tag, value in sorted(series.tags.items())]
    wanted += [where] if where else []
    condition = f"WHERE {' AND '.join(wanted)}" if wanted else ""
    found = database.query(f"SELECT {what} FROM {_id(series.measurement)} {condition} {rest}")
    apart = [
        [(int(row[0]), row[1]) for row in each["values"] if row[1] is not None] for each in found
    ]
    for _, value in itertools.chain(*apart):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise BadData(f"{_name(series)}: {series.field} of {series.measurement} is no number")
    return apart


def _rate(series: Series) -> Fraction:
    """How many of the quantity's unit one of the field is. Raises UnitError."""
    unit = QUANTITIES[series.quantity].unit
    return Fraction(1) if series.unit in ("", unit) else convert(series.unit, unit)


def _exact(value: Decimal, rate: Fraction) -> Value:
    """Raises BadData where no decimal says it."""
    exact, exponent = Fraction(value) * rate, 0
    while exact.denominator != 1:
        exact, exponent = exact * 10, exponent - 1
        if exponent < -24:
            raise BadData(f"{value} times {rate} is no decimal number; use another unit")
    return int(exact), exponent


def _text(value: Value) -> str:
    return format(Decimal(value[0]).scaleb(value[1]), "f")


def _name(series: Series) -> str:
    return f"{series.meter} {series.quantity}"


def _id(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text_of(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _keep(path: Path, data: bytes) -> None:
    """The whole of it, or what was there before. Raises ConfigError."""
    try:
        keep(path, data, 0o644)
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}") from exc
