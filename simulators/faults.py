"""Pure: what goes wrong between a meter and its gateway.

Every `every`-th request to a meter named in the scenario's `[[faults]]` is answered wrongly: not at
all (silent), too late (late), by somebody else (foreign), with one bit turned (flip) or after a
stray byte (noise).
"""

from collections.abc import Iterable
from typing import NamedTuple

from edge_agent.protocols.modbus import Answer, Framing, Request, answer_frame
from simulators.plant import Fault


class Reply(NamedTuple):
    """Bytes for the line, `delay_ms` after they were due."""

    data: bytes
    delay_ms: int = 0


class Faults:
    """Counts requests by meter and spoils those whose turn it is."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults = list(faults)
        self._asked: dict[str, int] = {}

    def reply(self, meter: str, request: Request, answer: Answer, framing: Framing) -> Reply | None:
        """What the line carries instead of, or as, the right answer; None for silence."""
        asked = self._asked[meter] = self._asked.get(meter, 0) + 1
        for fault in self._faults:
            if fault.meter == meter and asked % fault.every == 0:
                return _spoil(fault, request, answer, framing)
        return Reply(answer_frame(request, answer, framing))


def _spoil(fault: Fault, request: Request, answer: Answer, framing: Framing) -> Reply | None:
    right = answer_frame(request, answer, framing)
    if fault.kind == "silent":
        return None
    if fault.kind == "late":
        return Reply(right, fault.delay_ms)
    if fault.kind == "foreign":
        other = Request(
            request.unit % 247 + 1,
            request.function,
            request.address,
            request.count,
            request.transaction,
        )
        return Reply(answer_frame(other, answer, framing))
    if fault.kind == "flip":
        middle = len(right) // 2
        return Reply(right[:middle] + bytes((right[middle] ^ 0x10,)) + right[middle + 1 :])
    return Reply(b"\xff" + right)
