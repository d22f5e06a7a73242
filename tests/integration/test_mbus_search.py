"""Our M-Bus search on pseudo terminals: by primary address, and digit by digit where meters collide."""

import time
from collections.abc import Sequence
from random import Random

from edge_agent import profiles
from edge_agent.bus import Found, Looked, Searchable
from edge_agent.drivers.mbus import connect
from edge_agent.protocols import mbus as codec
from edge_agent.protocols.mbus import Frame, find_request, frame_bytes
from tests.integration.mbus_meters import (
    FRAMES,
    KAMSTRUP,
    Clock,
    Meters,
    answer_body,
    settings,
    together,
)
from tests.integration.pty_meters import MeterLine


async def search(line: MeterLine[Frame], first: int, last: int) -> list[Looked]:
    known = {name: profiles.load(name, allow_unverified=True) for name in profiles.names()}
    async with connect(settings(line, timeout_ms=100), Random(1), Clock()) as bus:
        assert isinstance(bus, Searchable)
        return [looked async for looked in bus.search(known, first, last)]


def found(looked: Sequence[Looked]) -> dict[str, Found]:
    return {step.where.split(":")[0]: step.found for step in looked if step.found}


async def test_a_search_names_the_meters_of_a_line() -> None:
    names = ("kamstrup_multical_601", "nzr_dhz_5_63", "oms_frame1")
    with MeterLine(find_request, Meters({n + 1: [FRAMES[name]] for n, name in enumerate(names)})) as line:  # fmt: skip
        looked = await search(line, 1, 4)
    meters = found(looked)
    assert meters["address 1"].profiles == ("kamstrup_multical_601", "mbus_heat")
    assert meters["address 1"].identity == {"serial": "06855817", "model": "KAM 8 heat"}
    assert (meters["address 1"].sure, meters["address 3"].sure) == ("certain", "possible")
    assert meters["address 2"].profiles == ("nzr_dhz", "mbus_electricity")
    assert meters["address 3"].profiles == ("mbus_gas",)
    assert len(meters) == 3, "who has been found by address is not told once more by number"
    assert looked[3].where == "address 4"
    assert looked[-1].done == looked[-1].of


async def test_a_search_takes_meters_apart_that_share_an_address() -> None:
    """Three on primary address 0; two of them differ in the third digit of their numbers alone."""
    close = bytearray(answer_body(KAMSTRUP).data)
    close[2] = 0x95  # 06955817
    twin = frame_bytes(Frame(0x08, 0, 0x72, bytes(close)))

    class Unconfigured(Meters):
        def __call__(self, request: Frame, line: MeterLine[Frame]) -> None:
            if request.address == 0 and request.control != codec.SND_NKE:
                line.say(together([KAMSTRUP, FRAMES["nzr_dhz_5_63"]]))
            elif request.address == 0:
                line.say(codec.ACK)
            else:
                super().__call__(request, line)

    meters = Unconfigured({201: [KAMSTRUP], 202: [twin], 203: [FRAMES["nzr_dhz_5_63"]]})
    with MeterLine(find_request, meters) as line:
        looked = await search(line, 0, 0)
    assert looked[0].where == "address 0: more than one meter, or one that cannot be read"
    addresses = [each.address for each in found(looked).values()]
    assert addresses == [
        {"secondary": "068558172D2C0804"},
        {"secondary": "069558172D2C0804"},
        {"secondary": "30100608523B0102"},
    ]
    steps = [step.where.split(" ")[1].rstrip(":") for step in looked[1:]]
    assert steps[:3] == ["FFFFFFFF", "0FFFFFFF", "00FFFFFF"]
    assert len(steps) == 31, "one digit more only where several answer"


async def test_an_answer_later_than_anothers_is_a_second_meter() -> None:
    """A slow meter speaks up when the quick one has ended: no collision, but two."""
    meters = Meters({1: [FRAMES["sen_pollusonic_2"]]})
    slow = Meters({2: [KAMSTRUP]})

    def script(request: Frame, line: MeterLine[Frame]) -> None:
        meters(request, line)
        mask = codec.selected(request)
        if mask is not None or request.control & ~0x20 == codec.REQ_UD2:
            time.sleep(0.02)
            slow(request, line)

    with MeterLine(find_request, script) as line:
        looked = await search(line, 1, 0)
    assert {each.identity["serial"] for each in found(looked).values()} == {"90919293", "06855817"}
