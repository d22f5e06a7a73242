"""The verdict: right books pass, a planted error does not."""

import itertools
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from simulators import judge
from simulators.config import Config
from simulators.live import instruments
from simulators.oracle import compute
from simulators.site_model import model_toml
from tests.unit.simulators.reading import counter
from wire.journal import Entry, open_reader, open_writer
from wire.messages import Sample
from wire.segment import Place, seal
from wire.signing import SigningKey

SPAN_MS = 75_000


def samples(scenario, from_ms: int, to_ms: int) -> list[Sample]:
    """One reading a second of each meter, each meter a little after the one before it."""
    taken = []
    for i, instrument in enumerate(instruments(scenario)):
        for t_ms in range(from_ms + 23 * i, to_ms, 1000):
            mantissa = counter(instrument, t_ms) * instrument.meter.ct * 10_000
            assert mantissa.denominator == 1
            values = {instrument.counts: (int(mantissa), -4), "voltage_l1": (2301, -1)}
            taken.append(Sample(instrument.meter.name, t_ms, values))
    return taken


@pytest.fixture(scope="module")
def journal(tmp_path_factory, demo, scenario) -> Path:
    """Model, events and five-second segments, as the ingestor would have appended them."""
    tmp_path = tmp_path_factory.mktemp("journal")
    path, begin = tmp_path / "journal.db", scenario.t0_ms + 1_500
    writer = open_writer(path, lambda: begin)
    key = SigningKey.load_or_create(tmp_path / "key")
    writer.append("demo", [Entry("model", "m", model_toml(demo, "demo").encode())])
    for seq, t_ms in enumerate(range(begin, begin + SPAN_MS, 5_000), 1):
        place = Place("demo", "gw", "0" * 32, seq, "", "boot", "ntp")
        sealed = seal(place, samples(scenario, t_ms, t_ms + 5_000), [], key)
        writer.append("demo", [Entry("segment", f"gw/0/{seq}", sealed)])
    for event in scenario.events(1, scenario.due(begin + SPAN_MS)):
        writer.append("demo", [Entry("event", str(event["id"]), msgspec.json.encode(event))])
    writer.close()
    return path


def verdict(journal: Path, scenario, spoil: dict[tuple[str, str], int]) -> dict[str, object]:
    reader = open_reader(journal)
    offset, _ = reader.head("demo")
    span = (scenario.t0_ms + 3_000, scenario.t0_ms + 72_000)
    evidence = judge.from_journal(reader.walk("demo"), offset)
    reader.close()
    exact = compute(evidence.model, evidence.events, evidence.readings, span)
    accounts = {
        account: {s: str(int(q) + spoil.get((account, s), 0)) for s, q in contents.items()}
        for account, contents in exact.accounts.items()
    }
    results = judge.Results(offset, span, accounts, exact.intervals)
    return judge.judge(evidence, results, scenario, instruments(scenario))


def test_right_books_agree_with_the_rules_and_lie_within_the_bound_of_the_truth(journal, scenario):
    found = verdict(journal, scenario, {})
    assert Decimal(found["oracle_difference_quanta"]) < 1
    assert found["intervals"] > 90
    assert found["untraced"] == []
    assert len(found["truth"]) >= 8
    for batch in found["truth"]:
        bound = Decimal(batch["bound_kwh"])
        assert abs(Decimal(batch["difference_kwh"])) <= bound < Decimal(batch["true_kwh"]), batch
        assert batch["within"]
    gas = [b["carriers"]["natural_gas"] for b in found["truth"] if b["batch"][0] in "AC"]
    assert len(gas) >= 4
    for row in gas:
        assert abs(Decimal(row["difference"])) <= Decimal(row["bound"]) < Decimal(row["true"])
        assert row["unit"] == "Nm3"


def test_readings_a_second_apart_give_a_little_of_each_batch_to_the_idling_beside_it(
    journal, scenario
):
    found = verdict(journal, scenario, {})
    differences = [Decimal(batch["difference_kwh"]) for batch in found["truth"]]
    whole = sum(Decimal(batch["true_kwh"]) for batch in found["truth"])
    assert abs(Decimal(found["bias"]) - sum(differences) / whole) <= Decimal("0.0000005")
    assert Decimal("-0.05") < Decimal(found["bias"]) < 0
    assert found["bias_by_carrier"]["electricity"] == found["bias"]
    assert Decimal("-0.05") < Decimal(found["bias_by_carrier"]["natural_gas"]) < 0
    assert judge.bias([]) is None


def test_every_quantum_that_entered_stands_in_exactly_one_account(journal):
    reader = open_reader(journal)
    evidence = judge.from_journal(reader.walk("demo"), reader.head("demo")[0])
    reader.close()
    exact = compute(evidence.model, evidence.events, evidence.readings)
    for source, quanta in exact.sources.items():
        booked = sum(contents.get(source, 0) for contents in exact.accounts.values())
        assert booked == quanta > 100_000


def test_one_wrong_account_is_found_and_named(journal, scenario):
    found = verdict(journal, scenario, {("pool:office", "pv"): 5_000})
    assert Decimal(found["oracle_difference_quanta"]) > found["allowed"]
    assert found["oracle_difference_at"] == "pool:office/pv"


def test_a_batch_that_got_another_ones_energy_is_outside_its_bound(journal, scenario):
    batch = verdict(journal, scenario, {})["truth"][0]["batch"]
    found = verdict(journal, scenario, {(f"batch:{batch}", "grid"): 600_000})
    assert [b["batch"] for b in found["truth"] if not b["within"]] == [batch]


def test_records_after_the_results_offset_are_not_looked_at(journal):
    reader = open_reader(journal)
    offset, _ = reader.head("demo")
    short = judge.from_journal(reader.walk("demo"), 5)
    whole = judge.from_journal(reader.walk("demo"), offset)
    reader.close()
    assert 0 < len(short.readings) < len(whole.readings)
    assert (len(short.events), len(whole.events) > 100) == (0, True)


def test_readings_are_exact_and_momentary_values_are_no_registers(journal, scenario):
    reader = open_reader(journal)
    evidence = judge.from_journal(itertools.islice(reader.walk("demo"), 2), 2)
    reader.close()
    grid = [r for r in evidence.readings if r["meter"] == "m-grid"]
    assert len(grid) == 5
    first = counter(instruments(scenario)[0], scenario.t0_ms + 1_500)
    assert Fraction(grid[0]["register"]) == first


def test_a_config_names_lines_and_ports(demo, tmp_path):
    settings = Config("demo", tmp_path, lines={"line-a": Path("/run/x")})
    assert settings.line("line-a") == Path("/run/x")
    assert settings.line("line-b") == tmp_path / "line-b"
    assert settings.tcp_port(demo, "tcp") == 5020
