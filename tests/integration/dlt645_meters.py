"""DL/T 645 meters on a pseudo terminal that answer from a table, and how our driver is put on it."""

from collections.abc import Callable

from edge_agent.drivers import Wanted
from edge_agent.drivers.dlt645 import Address, Settings
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import dlt645 as codec
from edge_agent.protocols.dlt645 import Request
from tests.integration.pty_meters import MeterLine

Script = Callable[[Request, MeterLine[Request]], None]


class Scripted:
    """Meters that hold `data` (identifier -> bytes, or an error) and answer as the standard says."""

    def __init__(self, **meters: dict[str, bytes | int]) -> None:
        self.meters = {name.removeprefix("m"): data for name, data in meters.items()}

    def __call__(self, request: Request, line: MeterLine[Request]) -> None:
        said = [self.answer(a, request) for a in self.meters if codec.matches(request.address, a)]
        said = [frame for frame in said if frame]
        if len(said) == 1:
            line.say(said[0])
        elif said:  # they talk at once
            line.say(bytes(a & b for a, b in zip(*said[:2])))

    def answer(self, address: str, request: Request) -> bytes:
        if request.control == codec.READ_ADDRESS:
            return codec.answer_frame(request, codec.Answer(address), preamble=0)
        if request.control != codec.READ:
            return b""
        data = self.meters[address].get(request.di, codec.NO_SUCH_DATA)
        if isinstance(data, int):
            return codec.answer_frame(request, codec.Answer(address, error=data), preamble=0)
        return codec.answer_frame(request, codec.Answer(address, data), preamble=0)


def meters(script: Script) -> MeterLine[Request]:
    return MeterLine(codec.find_request, script)


def settings(line: MeterLine[Request], **change: int) -> Settings:
    """Patient, unless told otherwise, with a meter on a busy machine."""
    return Settings(device=line.path, **{"baud": 19200, "timeout_ms": 20_000, **change})


def wanted(profile: Profile, address: str, *quantities: str) -> Wanted:
    return Wanted("m", profile, Address(address), quantities)
