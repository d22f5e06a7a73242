"""How much memory the agent needs in operation.

`python -m bench.rss [--meters 200] [--seconds 120] [--json]`

`edge-agent run` with a real Mosquitto and an ingestor that signs for what it gets: 200 Modbus TCP
meters, each on a connection of its own, ten values in twenty registers once a second. Resident
memory is what `ps` shows, shared libraries included; `private` is what would be free without it.
"""

import argparse
import json
import sys
import time

from bench import operation

_TARGET_MB = 60


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--meters", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with operation.running(arguments.meters) as running:
        began_s = time.time()
        time.sleep(arguments.seconds)
        resident, private = running.resident_mb(), running.private_mb()
        met = running.met(int(began_s) + 10, int(time.time()) - 5)
    if arguments.json:
        found = {"resident_mb": resident, "private_mb": private, "met": met}
        print(json.dumps({"meters": arguments.meters, "seconds": arguments.seconds, **found}))
    else:
        print(f"{arguments.meters} meters once a second, after {arguments.seconds} s")
        print(f"resident {resident:5.1f} MB of {_TARGET_MB} ({resident / _TARGET_MB:.0%})")
        print(f"private  {private:5.1f} MB; {met:.2%} of the slots met")
    return 0 if resident < _TARGET_MB else 1


if __name__ == "__main__":
    sys.exit(main())
