"""What the gateway tells of itself."""

from random import Random

from edge_agent import gateway
from edge_agent.clock import Instant
from edge_agent.status import LinkStatus, StoreStatus
from edge_agent.store import open_store
from tests.unit.edge_agent.agent_status import T, agent, meter
from wire.messages import Sample
from wire.quantities import QUANTITIES
from wire.signing import SigningKey


def test_counts_are_since_the_sample_before():
    before = agent({"a": meter(slots_due=100, slots_answered=90, garbled=5)}, cpu_ms=1000)
    now = agent(
        {"a": meter(slots_due=160, slots_answered=149, garbled=7)},
        cpu_ms=1750,
        link=LinkStatus("b:1", True, T, 3),
    )
    values = gateway.sample(before, now).values
    assert values["slots_due"] == (60, 0)
    assert values["slots_answered"] == (59, 0)
    assert values["answers_garbled"] == (2, 0)
    assert values["cpu_time"] == (750, 0)
    assert values["link_losses"] == (2, 0)


def test_a_meter_that_is_new_or_was_exchanged_counts_from_zero():
    before = agent({"gone": meter(), "changed": meter(garbled=50)})
    now = agent({"changed": meter(garbled=3), "new": meter(garbled=4)})
    assert gateway.sample(before, now).values["answers_garbled"] == (7, 0)


def test_levels_are_as_they_are_now():
    found = agent(
        {"a": meter(p99_ms=12.3), "b": meter(p99_ms=480.0, health="no answer")},
        store=StoreStatus(7, T, 1_000, 2_000),
    )
    sample = gateway.sample(None, found)
    assert (sample.meter, sample.t_ms) == ("gw-1", T)
    assert sample.values["segments_waiting"] == (7, 0)
    assert sample.values["store_size"] == (1_000, 0)
    assert sample.values["disk_free"] == (2_000, 0)
    assert sample.values["meters_silent"] == (1, 0)
    assert sample.values["response_p99"] == (4800, -1)


def test_everything_it_tells_is_a_gateways_quantity_and_all_are_told():
    told = gateway.sample(None, agent()).values
    assert set(told) == {name for name, quantity in QUANTITIES.items() if quantity.gateway}


def test_nothing_is_told_of_answers_before_there_was_one():
    assert "response_p99" not in gateway.sample(None, agent({"a": meter(p99_ms=None)})).values


def test_memory_and_time_are_those_of_this_process():
    before = gateway.cpu_ms()
    numbers = sorted(Random(1).random() for _ in range(300_000))
    assert numbers
    assert gateway.cpu_ms() > before
    held = bytearray(50_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert 50_000_000 < gateway.resident_bytes() < 4_000_000_000


def test_the_store_says_what_waits_since_when(tmp_path):
    now = Instant(T, 1000, "b")
    store = open_store(tmp_path / "store.db", "cq", "gw", SigningKey(bytes(range(32))), now)
    try:
        empty = gateway.store_status(store, tmp_path)
        assert (empty.segments, empty.oldest_ms) == (0, None)
        for n in range(3):
            later = Instant(T + n, 1000 + n, "b")
            store.commit([Sample("m", T + n, {"active_power": (n, 0)})], [], later, {})
            assert store.seal(later, "synchronized") == n + 1
        found = gateway.store_status(store, tmp_path)
        assert (found.segments, found.oldest_ms) == (3, T)
        store.receipted(store.current().stream, 1, [], now)
        found = gateway.store_status(store, tmp_path)
        assert (found.segments, found.oldest_ms) == (2, T + 1)
        on_disk = sum(file.stat().st_size for file in tmp_path.glob("store.db*"))
        assert found.size_bytes == on_disk
        assert found.free_bytes > 0
    finally:
        store.close()
