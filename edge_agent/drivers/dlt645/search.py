"""Which meters are on a DL/T 645 line, found by wildcard.

One meter alone says its address. Several answer at once and garble each other: then those are
asked whose address ends in 00, in 01, ... and, where it is garbled still, by four digits, and so
on. Two that answer one after the other are both heard. A line that is noisy whatever is asked has
more garbled answers than a line can have meters: then the search is given up.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import NamedTuple

from edge_agent.drivers import Found, Looked, NoAnswer, Refused
from edge_agent.profiles import Profile as AnyProfile
from edge_agent.profiles.dlt645 import Profile
from edge_agent.protocols import bcd
from edge_agent.protocols import dlt645 as codec

_ENERGY = "XXXXXX.XX"
_MOST_GARBLED = 64
_NUMBER = "04000402"
_TOTALS = {"2007": "00010000", "1997": "9010"}  # what every meter of an edition has


class Heard(NamedTuple):
    """Who answered, and whether nothing else was to be heard."""

    addresses: tuple[str, ...]
    clear: bool


Listen = Callable[[codec.Request, str], Awaitable[Heard]]
Read = Callable[[str, str, str], Awaitable[bytes]]


def sorted_out(heard: bytes, request: codec.Request, layout: str) -> Heard:
    """The answers to `request` among all the bytes heard after it."""
    addresses: dict[str, None] = {}
    noise = b""
    while True:
        answer, used = codec.find_answer(heard, request, layout)
        if answer is None:
            return Heard(tuple(addresses), clear=not (noise + heard).strip(b"\xfe"))
        addresses[answer.address] = None
        frame = codec.answer_frame(request, answer, preamble=0)
        noise += heard[: used - len(frame)].strip(b"\xfe")
        heard = heard[used:]


async def seek(
    listen: Listen, read: Read, profiles: Mapping[str, AnyProfile]
) -> AsyncIterator[Looked]:
    """See edge_agent.drivers.Searchable. Raises LinkLost."""
    done, of, garbled = 0, 3, 0
    told: set[str] = set()
    for edition, total in _TOTALS.items():
        left = [codec.read(codec.ANYONE, total)]
        if edition == "2007":
            left.append(codec.Request(codec.ANYONE, codec.READ_ADDRESS))
        while left:
            request = left.pop()
            heard = await listen(request, _ENERGY)
            done += 1
            for address in heard.addresses:
                if address not in told:
                    told.add(address)
                    found = await _recognise(read, address, edition, profiles)
                    yield Looked(done, of, request.address, found)
            if request.di and not heard.clear:
                garbled += 1
                finer = _finer(request)
                left.extend(finer)
                of += len(finer)
            yield Looked(done, of, request.address)
            if garbled > _MOST_GARBLED:
                return


def _finer(request: codec.Request) -> list[codec.Request]:
    """The same request by one more pair of digits, from 00 up when taken from the end."""
    known = request.address.strip("A")
    if len(known) == 12:
        return []  # two meters with the same address: nothing can tell them apart
    pairs = (f"{pair:02}{known}" for pair in range(99, -1, -1))
    return [codec.read(low.rjust(12, "A"), request.di) for low in pairs]


async def _recognise(
    read: Read, address: str, edition: str, profiles: Mapping[str, AnyProfile]
) -> Found:
    identity = {"address": address}
    if edition == "2007" and (number := await _try(read, address, _NUMBER, "NNNNNNNNNNNN")):
        identity["serial"] = bcd.text(number)
    has: dict[str, bool] = {}
    fitting: list[tuple[int, str]] = []
    for name, profile in profiles.items():
        if not isinstance(profile, Profile) or profile.edition != edition:
            continue
        must = [r for r in profile.registers.values() if not r.optional]
        for register in must:
            if register.di not in has:
                data = await _try(read, address, register.di, register.as_)
                has[register.di] = bool(data)
        if all(has[register.di] for register in must):
            fitting.append((len(must), name))
    fitting.sort(key=lambda fit: (-fit[0], fit[1]))
    names = tuple(name for _, name in fitting)
    why = f"DL/T 645-{edition}; has {sum(has.values())} of {len(has)} values asked for"
    return Found({"address": address}, identity, names, "likely" if names else "possible", why)


async def _try(read: Read, address: str, di: str, layout: str) -> bytes:
    """The data, or none where the meter has none or does not measure it."""
    try:
        data = await read(address, di, layout)
    except (NoAnswer, Refused):
        return b""
    return data if data.strip(b"\xff") else b""
