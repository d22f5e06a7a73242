"""readings.jsonl: registers and swaps, one a line, judged meter by meter."""

from collections.abc import Collection

from calc_stream.core.decimals import instant
from calc_stream.core.json_lines import Line, read_lines, refuse_line
from calc_stream.core.series import Readings
from calc_stream.core.swaps import Swap
from calc_stream.core.whole import column
from wire.messages import BOOKED, QUALITIES
from wire.reasons import shown

Decimal = tuple[int, int]


def parse_readings(text: str, name: str, meters: Collection[str]) -> Readings:
    """The readings and swaps of a file. Raises BadData naming file, line and key."""
    readings = Readings()
    told: dict[str, list[tuple[int, Decimal, int]]] = {}
    swapped: dict[str, dict[int, tuple[Swap, int]]] = {}
    for line in read_lines(text, name):
        meter = line.text("meter")
        if meter not in meters:
            raise line.refuse("meter", f"{shown(meter)} is no meter of the model")
        t_ms = line.instant("t")
        if "event" in line.values:
            _take_swap(line, t_ms, swapped.setdefault(meter, {}))
            continue
        line.close(("meter", "t", "register", "quality"), "is not a known key of a reading")
        register, quality = line.decimal("register"), line.one_of("quality", QUALITIES, "good")
        if quality in BOOKED:
            told.setdefault(meter, []).append((t_ms, register, line.number))
        else:
            readings.leave_out(meter, t_ms, register, quality)
    for meter in sorted(told.keys() | swapped.keys()):
        _book(readings, meter, told.get(meter, []), swapped.get(meter, {}), name)
    return readings


def _take_swap(line: Line, t_ms: int, known: dict[int, tuple[Swap, int]]) -> None:
    line.one_of("event", ("swap",))
    line.close(("meter", "t", "event", "closing", "opening"), "is not a known key of a swap")
    swap = Swap(t_ms, _plain(line.decimal("closing")), _plain(line.decimal("opening")))
    earlier, number = known.setdefault(t_ms, (swap, line.number))
    if earlier != swap:
        raise line.refuse("event", f"line {number} tells another swap of this meter at this time")


def _book(
    readings: Readings,
    meter: str,
    told: list[tuple[int, Decimal, int]],
    swapped: dict[int, tuple[Swap, int]],
    name: str,
) -> None:
    """Judges one meter's records in order of time and puts them into its column."""
    decimals = [register for _, register, _ in told]
    for swap, _ in swapped.values():
        decimals += [swap.closing, swap.opening]
    finest = min(exponent for _, exponent in decimals)
    rows = sorted((t, m * 10 ** (e - finest), number) for t, (m, e), number in told)
    swaps = [
        (t, *(m * 10 ** (e - finest) for m, e in (swap.closing, swap.opening)), number)
        for t, (swap, number) in sorted(swapped.items())
    ]
    _judge(rows, swaps, name)
    if rows:
        times = column([t for t, _, _ in rows])
        readings.add(meter, times, column([register for _, register, _ in rows]), finest)
    readings.add_swaps(meter, [swap for swap, _ in swapped.values()])


def _judge(
    rows: list[tuple[int, int, int]], swaps: list[tuple[int, int, int, int]], name: str
) -> None:
    """Two registers at one time, and registers that fall without a swap, are errors."""
    waiting = iter((*swaps, None))
    swap = next(waiting)
    last_t: int | None = None
    last = last_line = 0
    for t_ms, register, number in rows:
        while swap is not None and swap[0] < t_ms:
            last_t, last, last_line = _judge_swap(swap, last_t, last, last_line, name)
            swap = next(waiting)
        if swap is not None and swap[0] == t_ms:
            if register not in swap[1:3]:
                raise refuse_line(name, number, "register", _clash(swap[3], t_ms))
        elif last_t is not None and t_ms == last_t and register != last:
            raise refuse_line(
                name, max(number, last_line), "register", _clash(min(number, last_line), t_ms)
            )
        elif last_t is not None and register < last:
            raise refuse_line(name, number, "register", _falls(last_line))
        else:
            last_t, last, last_line = t_ms, register, number
    while swap is not None:
        last_t, last, last_line = _judge_swap(swap, last_t, last, last_line, name)
        swap = next(waiting)


def _judge_swap(
    swap: tuple[int, int, int, int], last_t: int | None, last: int, last_line: int, name: str
) -> tuple[int, int, int]:
    """The swap closes no lower than the register before it; the next one starts at its opening."""
    t_ms, closing, opening, number = swap
    if last_t is not None and closing < last:
        raise refuse_line(name, number, "closing", _falls(last_line))
    return t_ms, opening, number


def _clash(other: int, t_ms: int) -> str:
    return f"line {other} tells another register of this meter at {instant(t_ms)}"


def _falls(other: int) -> str:
    return f"is lower than the register before it (line {other}), and no swap lies between"


def _plain(decimal: Decimal) -> Decimal:
    """Equal values, equal pairs."""
    mantissa, exponent = decimal
    while mantissa and mantissa % 10 == 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    return mantissa, exponent if mantissa else 0
