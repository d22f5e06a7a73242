"""The embedded broker, for trying wattprint out where no MQTT broker is installed.

`python -m wattprint.embedded_broker PORT`. It runs amqtt on the loopback address: MQTT 3.1.1 only,
sessions in memory only, and messages in flight are lost when a client drops. Good enough to try
out, because nothing trusts a broker: the agent keeps everything until the ingestor has signed.
"""

import asyncio
import signal
import sys

from amqtt.broker import Broker

from wire import logs

_PLUGINS = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}


async def serve(port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": _PLUGINS,
    }
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker = Broker(config)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


def main() -> int:
    logs.setup("broker")
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        print("usage: python -m wattprint.embedded_broker PORT", file=sys.stderr)
        return 2
    asyncio.run(serve(int(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
