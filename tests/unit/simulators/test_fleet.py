"""A fleet without meters: segments that open, values anybody computes again, figures that count."""

import argparse
import itertools
from pathlib import Path

import pytest

from simulators import fleet
from simulators.fleet.gateway import Gateway, meter_name, values
from simulators.fleet.tally import Tally
from wire.errors import ConfigError
from wire.segment import GENESIS, open_segment
from wire.signing import SigningKey

NOW_MS = 1_900_000_000_000


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "gw.key")


def told(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    fleet.add_arguments(parser)
    return parser.parse_args(words)


def test_segments_are_a_signed_chain_of_what_the_meters_answered(key):
    gateway = Gateway(3, "s", "gw-4", key, "aa", 2)
    first = gateway.seal([NOW_MS, NOW_MS + 1000], "live", 1.0)
    second = gateway.seal([NOW_MS + 2000], "live", 2.0)
    opened = [open_segment(sealed.data) for sealed in (first, second)]
    for segment, sealed in zip(opened, (first, second), strict=True):
        segment.verify(key.public)
        assert segment.hash == sealed.hash
        assert segment.header.readings == sealed.readings
    assert [segment.header.prev for segment in opened] == [GENESIS, first.hash]
    assert [segment.header.seq for segment in opened] == [1, 2]
    samples = [sample for table in opened[0].tables for sample in table.samples()]
    assert {(s.meter, s.t_ms): s.values for s in samples} == {
        (meter_name(n), t_ms): values(3, n, t_ms)
        for n in (0, 1)
        for t_ms in (NOW_MS, NOW_MS + 1000)
    }


@pytest.mark.parametrize(("gateway", "meter"), [(0, 0), (7, 3), (199, 19)])
def test_a_register_is_the_integral_of_its_power_and_only_rises(gateway, meter):
    def told(s: int) -> tuple[int, int]:
        both = values(gateway, meter, NOW_MS + 1000 * s)
        return both["active_energy_import"][0], both["active_power"][0]

    wh = [told(s)[0] for s in range(7201)]
    assert all(b >= a for a, b in itertools.pairwise(wh))
    powers = [told(s)[1] / 10 for s in range(7200)]
    for begin in range(20, 7200 - 60, 60):  # NOW_MS is 20 s before a full minute
        used = wh[begin + 60] - wh[begin]
        assert used == pytest.approx(sum(powers[begin : begin + 60]) / 3600, abs=1.1)
    mean = sum(powers) / len(powers)
    assert min(powers) < 0.6 * mean < 1.4 * mean < max(powers)


def test_values_are_the_same_on_every_machine():
    assert values(3, 5, NOW_MS) == {
        "active_energy_import": (850152932, -3),
        "active_power": (128064, -1),
    }


async def plan(*words: str) -> list[tuple[str, int, int, int]]:
    """(phase, first instant, last, how many) of each segment, relative to the beginning."""
    dues = [due async for due in fleet.plan(told(*words), NOW_MS, 0.0, lambda: NOW_MS + 10**9)]
    return [
        (due.phase, due.instants[0] - NOW_MS, due.instants[-1] - NOW_MS, len(due.instants))
        for due in dues
    ]


async def test_the_backlog_ends_where_the_present_begins(key):
    words = ("--interval", "10", "--publish", "30", "--pack", "3", "--backlog", "70s")
    assert await plan(*words, "--for", "60s") == [
        ("backlog", -70_000, -50_000, 3),
        ("backlog", -40_000, -20_000, 3),
        ("backlog", -10_000, -10_000, 1),
        ("live", 0, 20_000, 3),
        ("live", 30_000, 50_000, 3),
    ]


async def test_a_segment_that_is_late_says_so():
    arguments = told("--for", "2s")
    late = [due.late_s async for due in fleet.plan(arguments, NOW_MS, 0.5, lambda: NOW_MS + 5000)]
    assert late == [4.5, 3.5]
    arguments = told("--for", "2s", "--fast")
    late = [due.late_s async for due in fleet.plan(arguments, NOW_MS, 0.5, lambda: NOW_MS + 5000)]
    assert late == [0.0, 0.0]


def test_figures_count_what_was_signed_for_and_what_was_not(key):
    gateway, tally = Gateway(0, "s", "gw-1", key, "aa", 20), Tally()
    sealed = [gateway.seal([NOW_MS + 1000 * n], "live", float(n)) for n in range(101)]
    for one in sealed:
        tally.note_sealed(one, 0.0)
    for n, one in enumerate(sealed[:100]):
        tally.note_receipted(one, n + (n + 1) / 100)
    assert tally.is_good
    tally.lost = 1
    assert not tally.is_good
    figures = tally.figures()
    live = figures["live"]
    assert isinstance(live, dict)
    assert (figures["lost"], live["segments"], live["receipted"]) == (1, 101, 100)
    assert live["readings"] == 100 * 20 * 2
    assert live["seconds"] == 100.0  # from the first sealed to the last receipt
    assert live["readings_per_s"] == 40.0
    assert (live["receipt_p50_ms"], live["receipt_p99_ms"]) == (510.0, 1000.0)
    assert "backlog" not in figures
    text = "\n".join(tally.lines())
    assert "live: 100 of 101 segments, 4000 readings" in text
    assert "lost: 1 segments" in text


def test_a_refusal_is_told_with_its_reason_and_is_not_good():
    tally = Tally()
    tally.refused.append("signature does not match")
    assert not tally.is_good
    assert "1 refused: signature does not match" in tally.lines()[-1]
    assert "are these gateways enrolled" in tally.lines()[0]


def test_enrolling_again_keeps_every_key(tmp_path):
    first = fleet.enrol(told("--state", str(tmp_path), "--gateways", "3", "--enrol"))
    tables = (tmp_path / "gateways.toml").read_text()
    assert tables.count("[[gateways]]") == 3
    again = fleet.enrol(told("--state", str(tmp_path), "--gateways", "4", "--enrol"))
    assert [str(key.public) for _, key in again[:3]] == [str(key.public) for _, key in first]
    assert [name for name, _ in again] == ["gw-0001", "gw-0002", "gw-0003", "gw-0004"]
    assert (tmp_path / "gw-0004.pub").read_text().strip() == str(again[3][1].public)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--backlog", "a week"), "is no time: 90s, 15m, 12h or 7d"),
        (("--gateways", "0"), "is no whole number above 0"),
        (("--broker", "1883"), "is no HOST:PORT"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words, problem, capsys):
    with pytest.raises(SystemExit):
        told(*words)
    assert problem in capsys.readouterr().err


async def test_without_the_ingestors_key_nothing_is_sent(tmp_path):
    with pytest.raises(ConfigError, match="--receipt-key: is missing"):
        await fleet.run(told("--state", str(tmp_path)), lambda: NOW_MS)
    (tmp_path / "key").write_text("nonsense")
    arguments = told("--state", str(tmp_path), "--receipt-key", str(tmp_path / "key"))
    with pytest.raises(ConfigError, match="--receipt-key: .*key: "):
        await fleet.run(arguments, lambda: NOW_MS)
    with pytest.raises(ConfigError, match="--site: is lower-case"):
        fleet.enrol(told("--state", str(tmp_path), "--site", "A b"))
