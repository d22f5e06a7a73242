"""A disk that takes nothing for a while, under the running agent."""

import resource
import sqlite3
from contextlib import closing
from pathlib import Path

from edge_agent.dating import unpack
from tests.integration.agent_process import AgentProcess, Meters, until


def pending(folder: Path) -> list[int]:
    """The times of a meter's committed readings, in order."""
    with closing(sqlite3.connect(folder / "state" / "store.db")) as db:
        rows = db.execute("SELECT data FROM pending ORDER BY id").fetchall()
    cycles = [unpack(row[0]) for row in rows]
    return [s.t_ms for c in cycles for s in c.samples if "active_power" in s.values]


async def test_it_is_told_once_when_it_begins_and_when_it_is_over(tmp_path: Path) -> None:
    agent = AgentProcess(tmp_path, broker_port=9)
    async with Meters().serving() as meters:
        at = {"driver": "modbus", "transport": "tcp", "host": "127.0.0.1", "port": meters.port}
        at["timeout_ms"] = 20_000  # no answer is too late: whatever is asked for is read
        agent.write({"a": at}, {"m-1": {"bus": "a", "unit_id": 1}})
        async with agent.running():
            log = tmp_path / "state" / "store.db-wal"
            await until(lambda: log.exists() and log.stat().st_size > 100_000)
            full = log.stat().st_size, resource.RLIM_INFINITY
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, full)
            asked = len(meters.asked)
            await until(lambda: len(meters.asked) > asked + 8)
            open_ended = resource.RLIM_INFINITY, resource.RLIM_INFINITY
            resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, open_ended)
            await until(lambda: any("no longer" in line for line in agent.said()))
    told = [line for line in agent.said() if "waits in memory" in line]
    assert [line.startswith("no longer: ") for line in told] == [False, True]
    times = pending(tmp_path)
    assert len(times) >= 12
    assert times == sorted(set(times)), "each reading once"
    asked = [address for _, _, address, _ in meters.asked].count(0)
    assert asked - len(times) in (0, 1), "and none is missing, but one that was under way"
