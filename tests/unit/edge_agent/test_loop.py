"""The agent's event loop: exact in its waits, awake as soon as something comes."""

import asyncio
import os
import time

from edge_agent.loop import new_loop


async def shortest_wait(seconds: float, enough_s: float) -> float:
    """Of as many as it takes on a busy machine to be woken in time once."""
    found: list[float] = []
    while len(found) < 5000 and min(found, default=enough_s) >= enough_s:
        began = time.monotonic()
        await asyncio.sleep(seconds)
        found.append(time.monotonic() - began)
    return min(found)


def test_a_wait_is_not_rounded_up_to_whole_milliseconds() -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        shortest_s = runner.run(shortest_wait(0.0021, 0.0027))
    assert 0.0021 <= shortest_s < 0.0027


def test_what_comes_ends_a_wait() -> None:
    async def hear() -> float:
        readable, writable = os.pipe()
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(readable, heard.set)
        began = time.monotonic()
        loop.run_in_executor(None, lambda: (time.sleep(0.05), os.write(writable, b"x")))
        async with asyncio.timeout(60):
            await heard.wait()
        loop.remove_reader(readable)
        os.close(readable)
        os.close(writable)
        return time.monotonic() - began

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(hear()) >= 0.05
