"""The text a database gets."""

from decimal import Decimal
from pathlib import Path

import pytest

from ingestor.line_protocol import lines_of
from tests.unit.ingestor.gateway import Gateway
from wire.messages import QUALITIES, MeterEvent, Sample
from wire.segment import open_segment

T = 1_795_000_000_000


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway.new(tmp_path)


def text(gateway: Gateway, *samples: Sample, events: tuple[MeterEvent, ...] = ()) -> list[str]:
    return lines_of(open_segment(gateway.seal(samples, events))).decode().splitlines()


def test_one_wide_line_for_each_meter_and_time(gateway: Gateway) -> None:
    rows = [
        Sample("m-1", T + n, {"active_energy_import": (12_345_678 + n, -3), "voltage_l1": (230, 0)})
        for n in range(3)
    ]
    assert text(gateway, *rows) == [
        "reading,site=s1,meter=m-1,carrier=electricity "
        f"active_energy_import=12345.{678 + n},voltage_l1=230 {T + n}"
        for n in range(3)
    ]


def test_every_value_is_the_double_nearest_to_the_exact_one(gateway: Gateway) -> None:
    exact = [(9_007_199_254_740_991, -6), (-1, -18), (3, 4), (0, 0), (123_456_789, -7)]
    for at, (mantissa, exponent) in enumerate(exact):
        [line] = text(gateway, Sample("m", T + at, {"active_power": (mantissa, exponent)}))
        written = line.split("active_power=")[1].split(" ")[0]
        assert float(written) == float(Decimal(mantissa).scaleb(exponent))
        assert not written.endswith("i")


@pytest.mark.parametrize(
    ("quantity", "carrier"),
    [
        ("gas_volume", "natural_gas"),
        ("current_n", "electricity"),
        ("pressure", None),
        ("slots_due", None),
    ],
)
def test_the_carrier_follows_from_the_quantities_alone(
    gateway: Gateway, quantity: str, carrier: str | None
) -> None:
    [line] = text(gateway, Sample("m", T, {quantity: (1, 0)}))
    assert (f"carrier={carrier}" in line) if carrier else ("carrier" not in line)


@pytest.mark.parametrize("quality", QUALITIES)
def test_what_is_not_simply_good_is_a_series_of_its_own(gateway: Gateway, quality: str) -> None:
    [line] = text(gateway, Sample("m", T, {"active_power": (1, 0)}, quality))
    assert (f",quality={quality} " in line) == (quality != "good")
    assert ("quality" in line) == (quality != "good")


def test_two_registers_that_end_at_once_are_two_points(gateway: Gateway) -> None:
    ends = [
        MeterEvent("m", T, "reset", {"quantity": f"active_energy_{way}", "closing": "9"})
        for way in ("import", "export")
    ]
    series = {line.split(" detail=")[0] for line in text(gateway, events=tuple(ends))}
    assert series == {
        f"meter_event,site=s1,meter=m,event=reset,quantity=active_energy_{way}"
        for way in ("import", "export")
    }


def test_a_meter_event_is_a_string_in_its_own_measurement(gateway: Gateway) -> None:
    swap = MeterEvent("m", T, "swap", {"closing": '9"\\'})
    [line] = text(gateway, events=(swap,))
    assert line.startswith("meter_event,site=s1,meter=m,event=swap detail=")
    assert line.endswith(f" {T}")


def test_no_event_says_anything_of_another_meter(gateway: Gateway) -> None:
    """One of an old journal, of a gateway that means ill."""
    more = f"\nreading,site=s2,meter=m-9 active_power=1 {T}\n"
    [line] = text(gateway, events=(MeterEvent("m", T, f"swap{more}"),))
    its = "reading\\,site\\=s2\\,meter\\=m-9\\ active_power\\=1\\ 1795000000000"
    assert line == f'meter_event,site=s1,meter=m,event=swap{its} detail="{{}}" {T}'
    [line] = text(gateway, events=(MeterEvent("m", T, "swap\\", {"quantity": "q\\"}),))
    assert line.startswith("meter_event,site=s1,meter=m,event=swap,quantity=q detail=")
