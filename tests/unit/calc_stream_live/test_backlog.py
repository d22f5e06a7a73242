"""The newest leave a gateway first: what is older and still there holds the frontier back."""

from pathlib import Path

from calc_stream.ledger.store import open_store
from wire.messages import Sample

from .plant import T0, Plant, engine, go_on, row, rules, run_to_end


def samples(*readings: tuple[int, int]) -> list[Sample]:
    return [
        Sample(meter, T0 + at * 1000, {"active_energy_import": (wh, -3)})
        for meter in ("m", "m-press")
        for at, wh in readings
    ]


def started(folder: Path) -> Plant:
    """P from 30 s to 90 s; then nothing came until the link was back at 300 s."""
    plant = Plant(folder)
    plant.model()
    plant.factors()
    plant.event("e1", 30, "start", node="press", batch="P", product="wheel")
    plant.read((0, 1000), (40, 1010))
    plant.event("e2", 90, "stop", node="press", batch="P")
    return plant


def test_a_batch_is_not_closed_while_its_readings_wait_on_the_gateway(tmp_path: Path) -> None:
    plant = started(tmp_path)
    plant.segment(samples((300, 1500)), waits_from=50)
    running = run_to_end(plant, tmp_path / "ledger")
    assert running.site is not None
    # The last edge before the last reading before what waits.
    assert running.site.state.frontier_ms == T0 + 30_000
    assert row(running, "P").state == "provisional"
    plant.segment(samples((50, 1020), (80, 1100)), waits_from=90)
    go_on(running)
    assert row(running, "P").state == "provisional"
    plant.segment(samples((90, 1110), (200, 1300)))
    go_on(running)
    closed = row(running, "P")
    assert (closed.state, closed.revision) == ("settled", 1)
    assert closed.energy_kwh == "0.102500"  # from 1007.5 Wh at 30 s to 1110 Wh at 90 s
    assert running.site.state.frontier_ms == T0 + 300_000


def test_a_backlog_that_does_not_get_shorter_is_waited_for_no_longer_than_a_meter(
    tmp_path: Path,
) -> None:
    plant = started(tmp_path)
    # Records come a second apart here.
    plant.segment(samples((300, 1500)), waits_from=50)
    running = run_to_end(plant, tmp_path / "ledger", rules(close_s=3))
    for at in (301, 302, 303):
        plant.segment(samples((at, 1500)), waits_from=50)
        go_on(running)
        assert row(running, "P").state == "provisional"
    plant.segment(samples((304, 1500)), waits_from=50)
    go_on(running)
    assert row(running, "P").state == "settled"


def test_what_waits_is_known_after_a_restart(tmp_path: Path) -> None:
    plant = started(tmp_path)
    plant.segment(samples((300, 1500)), waits_from=50)
    run_to_end(plant, tmp_path / "ledger").close()
    again = go_on(engine(plant, open_store(tmp_path / "ledger")))
    assert again.site is not None
    assert again.site.state.frontier_ms == T0 + 30_000
    assert again.site.state.to_bytes() == run_to_end(plant, tmp_path / "o").site.state.to_bytes()
