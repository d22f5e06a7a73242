"""Every engine keeps what the folder promises."""

import asyncio
import inspect
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from calc_stream import engines
from calc_stream.ledger.store import open_store
from tests.unit.calc_stream_live.plant import Plant, rules
from wire.errors import ConfigError

FOLDER = Path(engines.__file__).parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def sample(docstring: str | None) -> dict[str, object]:
    found = re.search(r"~~~toml\n(.*?)~~~", docstring or "", re.DOTALL)
    assert found, "no sample configuration"
    return tomllib.loads(found[1])


def test_there_are_engines() -> None:
    assert "embedded" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_has_a_sample_settings_and_one_way_in(name: str) -> None:
    table = sample(engines.find(name).__doc__)["engine"]
    assert isinstance(table, dict)
    assert table["kind"] == name
    engine, settings = engines.settings(table, "calc.toml")
    assert issubclass(engine.Settings, msgspec.Struct)
    assert engine.Settings.__struct_config__.frozen
    assert engine.Settings.__struct_config__.forbid_unknown_fields
    assert isinstance(settings, engine.Settings)
    assert inspect.iscoroutinefunction(engine.run)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_settings_are_refused_by_key(name: str) -> None:
    with pytest.raises(ConfigError, match="tempo"):
        engines.settings({"kind": name, "tempo": 1}, "calc.toml")


def test_an_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="perpetual"):
        engines.find("perpetual")
    with pytest.raises(ConfigError, match=r"nobody\.engine"):
        engines.find("nobody.engine")


@pytest.mark.parametrize("name", NAMES)
async def test_an_engine_waits_for_a_journal_and_stops_committed(name: str, tmp_path: Path) -> None:
    engine_module = engines.find(name)
    store = open_store(tmp_path / "calc", create=True)
    running = engine_module.Engine(
        tmp_path / "journal.db", rules(), store, engine_module.Settings(), lambda _s, _t: None
    )
    stop, moved = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(engine_module.run(running, stop, moved.set))
    await asyncio.sleep(0.1)
    plant = Plant(tmp_path)
    plant.example_4()
    await asyncio.wait_for(moved.wait(), 10)
    while running.site is None or running.site.offset < 10:
        await asyncio.sleep(0.02)
    stop.set()
    await asyncio.wait_for(task, 10)
    assert store.state("cq-test")[0] == 10
    store.close()
    plant.writer.close()
