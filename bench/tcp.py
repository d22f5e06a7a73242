"""What reading many Modbus TCP meters once a second costs the agent, all that it does included.

`python -m bench.tcp [--meters 1000] [--seconds 60] [--json]`

The agent in operation reads twenty registers of each meter, decodes and judges them, keeps them on
disk, signs and publishes them and gets its receipts; the ingestor's journal tells how many of the
seconds are there. The peer, right after it, is pymodbus's client doing the same reads and nothing
more. Shares are of one core.
"""

import argparse
import asyncio
import json
import logging
import resource
import subprocess
import sys
import time

from pymodbus.client import AsyncModbusTcpClient

from bench import operation
from bench.lean_meters import UNITS, address

_WARM_UP_S = 20
_SETTLE_S = 5
_TARGET = 0.999


def agent(meters: int, seconds: int) -> tuple[float, float]:
    """(share of a core, share of the slots met)."""
    with operation.running(meters) as running:
        time.sleep(_WARM_UP_S)
        first_s = int(time.time()) + 1
        time.sleep(first_s - time.time())
        before_s = running.cpu_s()
        time.sleep(seconds)
        share = (running.cpu_s() - before_s) / seconds
        time.sleep(_SETTLE_S)
        return share, running.met(first_s, first_s + seconds)


async def _peer(port: int, meters: int, seconds: int) -> tuple[float, float]:
    """The same reads by pymodbus, in this process."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    slots = 0
    begin_s = int(time.time()) + _WARM_UP_S

    async def read(n: int) -> None:
        nonlocal slots
        client = AsyncModbusTcpClient(address(n), port=port, retries=0)
        while (now := time.time()) < begin_s + seconds - 1:
            await asyncio.sleep(int(now) + 1 - now)
            slot = int(time.time())
            if not client.connected and not await client.connect():
                continue
            answer = await client.read_holding_registers(0, count=20, device_id=n % UNITS + 1)
            slots += slot >= begin_s and len(answer.registers) == 20
        client.close()

    async with asyncio.TaskGroup() as tasks:
        for n in range(meters):
            tasks.create_task(read(n))
        await asyncio.sleep(begin_s - time.time())
        before_s = time.process_time()
        await asyncio.sleep(seconds)
        share = (time.process_time() - before_s) / seconds
    return share, slots / (meters * seconds)


def peer(meters: int, seconds: int) -> tuple[float, float]:
    """(share of a core, share of the slots met)."""
    command = [sys.executable, "-m", "bench.lean_meters"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as lean:
        assert lean.stdout is not None
        port = int(lean.stdout.readline())
        try:
            return asyncio.run(_peer(port, meters, seconds))
        finally:
            lean.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ours, met = agent(arguments.meters, arguments.seconds)
    peers, peer_met = peer(arguments.meters, arguments.seconds)
    if arguments.json:
        found = {"agent": [ours, met], "pymodbus": [peers, peer_met]}
        print(json.dumps({"meters": arguments.meters, **found}))
    else:
        print(f"{arguments.meters} meters, 20 registers each, once a second")
        print(f"agent     {ours:6.1%} of a core, {met:8.3%} of the slots met (of {_TARGET:.1%})")
        print(f"pymodbus  {peers:6.1%} of a core, {peer_met:8.3%} of the slots met, reads alone")
        print(f"ratio     {ours / peers:6.2f}")
    return 0 if met >= _TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
