"""The ends of `bench.pipeline` that are processes of their own: a publisher, and the usual subscriber."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import urllib3
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

from wire.messages import Sample
from wire.mqtt import Broker, Client

_TOPICS = {"segments": "wp/v1/bench/gw/seg", "json": "bench/json"}
_GROUP = 500
_AHEAD = 20


def as_json(sample: Sample) -> bytes:
    """A message as many gateways send it."""
    values = {
        name: mantissa * 10.0**exponent for name, (mantissa, exponent) in sample.values.items()
    }
    return json.dumps({"meter": sample.meter, "t_ms": sample.t_ms, "values": values}).encode()


async def publish(port: int, name: str, payloads: list[bytes]) -> tuple[float, float]:
    """When it began by the machine's clock, once it was connected; its processor time from then on."""
    client = Client(Broker(port=port), f"bench-{name}")
    async with client.running():
        await client.connected.wait()
        began, spent = time.monotonic(), time.process_time()
        queue = iter(payloads)

        async def lane() -> None:
            for payload in queue:
                await client.publish(_TOPICS[name], payload)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(_AHEAD):
                tasks.create_task(lane())
        return began, time.process_time() - spent


async def subscribe(mqtt: int, http: int, count: int, beside: Path) -> None:
    """Every value through a `Point`; acknowledged when the database has it. Files like `beside`,
    ending in .ready and .done, tell how far it is."""
    url, pool = f"http://127.0.0.1:{http}", urllib3.PoolManager()
    pool.request("POST", f"{url}/query", fields={"q": "CREATE DATABASE json"})
    client = Client(Broker(port=mqtt), "bench-subscriber", subscribe=[_TOPICS["json"]])
    async with client.running():
        await client.connected.wait()
        beside.with_suffix(".ready").touch()
        group, taken = [], 0
        async for message in client.messages():
            group.append(message)
            taken += 1
            if len(group) < _GROUP and taken < count:
                continue
            body = "\n".join(_line(json.loads(each.payload)) for each in group)
            answer = pool.request("POST", f"{url}/write?db=json&precision=ms", body=body.encode())
            assert answer.status == 204, answer.data
            for each in group:
                each.ack()
            group.clear()
            if taken == count:
                beside.with_suffix(".done").touch()
                await asyncio.sleep(600)  # until it has been measured


def _line(told: dict[str, Any]) -> str:
    point: Any = Point("reading")
    point = point.tag("site", "bench").tag("meter", told["meter"])
    for name, value in told["values"].items():
        point = point.field(name, value)
    return str(point.time(told["t_ms"], WritePrecision.MS).to_line_protocol())


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        path = Path(sys.argv[3])
        payloads = msgspec.msgpack.decode(path.read_bytes(), type=list[bytes])
        print(*asyncio.run(publish(int(sys.argv[2]), path.stem, payloads)))
    else:
        mqtt, http, count = map(int, sys.argv[2:5])
        asyncio.run(subscribe(mqtt, http, count, Path(sys.argv[5])))
