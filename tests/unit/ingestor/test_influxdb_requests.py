"""What the InfluxDB sink writes in which request, beside lines written one by one."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.columns import scaled
from ingestor.sinks.influxdb import requests
from tests.unit.ingestor.gateway import NOW_MS, Gateway
from wire.messages import QUALITIES, MeterEvent, Sample
from wire.segment import NUMBER_LIMIT, Segment, open_segment

CARRIERS = {"active_power": "electricity", "gas_volume": "natural_gas", "slots_due": ""}

numbers = st.one_of(st.integers(-20_000, 20_000), st.integers(1 - NUMBER_LIMIT, NUMBER_LIMIT - 1))
readings = st.tuples(numbers, st.integers(-18, 18))
samples = st.builds(
    lambda meter, t_ms, name, reading, more, quality: Sample(
        meter, t_ms, {name: reading, **({"pressure": more} if more else {})}, quality
    ),
    st.sampled_from(["a", "b-1", "m_10", "z"]),
    st.integers(NOW_MS, NOW_MS + 20),  # with gaps, and the same time twice
    st.sampled_from(list(CARRIERS)),
    readings,
    st.none() | readings,
    st.sampled_from(QUALITIES),
)
segments = st.lists(st.lists(samples, min_size=1, max_size=20), min_size=1, max_size=4)


def opened(contents: Iterable[list[Sample]]) -> list[tuple[int, Segment]]:
    with TemporaryDirectory() as folder:
        gateway = Gateway.new(Path(folder))
        return [(n, open_segment(gateway.seal(each))) for n, each in enumerate(contents, 1)]


def share_lines(told: list[tuple[int, Segment]], shares: int) -> list[list[str]]:
    return [
        b"".join(requests.of_tables(share)).decode().splitlines()
        for share in requests.shared_out(told, shares)
    ]


def plain(sample: Sample) -> tuple[str, dict[str, float], int]:
    """Series, fields and time of the line that is to be."""
    carrier = next(CARRIERS[name] for name in sample.values if name in CARRIERS)
    series = f"reading,site=s1,meter={sample.meter}"
    series += f",carrier={carrier}" * bool(carrier) + (
        "" if sample.quality == "good" else f",quality={sample.quality}"
    )
    fields = {
        name: float(scaled(np.array([mantissa]), exponent)[0])
        for name, (mantissa, exponent) in sample.values.items()
    }
    return series, fields, sample.t_ms


def read(line: str) -> tuple[str, dict[str, float], int]:
    series, fields, t_ms = line.split(" ")
    named = (field.split("=") for field in fields.split(","))
    return series, {name: float(text) for name, text in named}, int(t_ms)


def key(told: tuple[str, dict[str, float], int]) -> str:
    return repr((told[0], told[2], sorted(told[1].items())))


@given(segments, st.integers(1, 3))
def test_every_reading_is_written_once_as_a_plain_formatter_would(
    contents: list[list[Sample]], shares: int
) -> None:
    lines = [line for share in share_lines(opened(contents), shares) for line in share]
    wanted = [plain(sample) for content in contents for sample in content]
    assert sorted(map(read, lines), key=key) == sorted(wanted, key=key)


def test_what_a_meter_told_last_of_a_time_is_written_last() -> None:
    told = [
        [Sample(meter, NOW_MS, {"active_power": (n, 0)}) for meter in ("z", "a", "m")]
        for n in range(5)
    ]
    shares = share_lines(opened(told), 2)
    for meter in ("z", "a", "m"):
        mine = [[line for line in share if f"meter={meter}," in line] for share in shares]
        assert [] in mine
        [lines] = filter(None, mine)
        assert [read(line)[1]["active_power"] for line in lines] == [0, 1, 2, 3, 4]


def test_no_request_holds_more_than_influxd_takes_at_its_best(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "_VALUES", 90)
    rows = [Sample(f"m-{n % 4}", NOW_MS + n, {"active_power": (n, 0)}) for n in range(100)]
    [share] = requests.shared_out(opened([rows[:60], rows[60:]]), 1)
    texts = list(requests.of_tables(share))
    # A table is not cut: of 10 and 15 rows, 2 at least and 3 at most reach 90 at 3 a row.
    assert [len(text.splitlines()) for text in texts] == [40, 35, 25]


def test_events_are_lines_of_their_own_after_the_readings() -> None:
    event = MeterEvent("a", NOW_MS, "reset", {"closing": "9"})
    with TemporaryDirectory() as folder:
        gateway = Gateway.new(Path(folder))
        data = gateway.seal([Sample("a", NOW_MS, {"active_power": (1, 0)})], [event])
    told = [(1, open_segment(data))]
    assert share_lines(told, 1) == [
        [f"reading,site=s1,meter=a,carrier=electricity active_power=1 {NOW_MS}"]
    ]
    assert requests.of_events(told).startswith(b"meter_event,site=s1,meter=a,event=reset ")
