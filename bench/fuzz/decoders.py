"""The agent's decoders as the bench sees them: sound answers to one request, and what is taken of
bytes that may be one.
"""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import permutations
from operator import xor
from pathlib import Path
from random import Random
from typing import Any

from edge_agent import profiles
from edge_agent.bus import Wanted
from edge_agent.json_meter import JsonMeter
from edge_agent.protocols import cjt188, dlt645, iec62056_21, mbus, mbus_records, modbus

Find = Callable[[bytes], tuple[Any, int]]
_SOUND = 16  # answers of each decoder
_NOW_MS = 1_790_000_000_000
_TELEGRAMS = Path(__file__).parents[2] / "tests/unit/edge_agent/mbus_frames.toml"


@dataclass(frozen=True)
class Decoder:
    """`find` takes an answer from bytes, `value` what it says; `values`: where in a sound one that
    stands; `seal`: the outer form and check of any bytes put right.

    `burst`: neighbouring bits of which none is missed. `odds`: a damaged answer is taken with no
    greater probability; 1: the protocol has no check of its own, and `is_told` says what remains.
    """

    name: str
    sound: list[bytes]
    find: Find
    seal: Callable[[bytes], bytes]
    values: Callable[[bytes], range]
    burst: int
    odds: float
    value: Callable[[Any], Any] = lambda found: found
    is_told: Callable[[bytes, Any], bool] = lambda data, taken: False  # noqa: ARG005  others look
    alphabet: bytes = b""  # what its bytes are; empty: anything
    in_pieces: bool = True  # whether they come one after the other, as on a line
    says: dict[bytes, Any] = field(default_factory=dict)
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pairs.extend(permutations(self.sound, 2))
        for frame in self.sound:
            self.says[frame] = self.take(frame, len(frame))
            assert self.says[frame] is not None, (self.name, frame)
            assert self.seal(frame) == frame, (self.name, frame)

    def take(self, data: bytes, cut: int) -> Any:
        """What is taken of `data` that comes in two pieces; None: nothing. Raises BadData."""
        cut = cut if self.in_pieces else len(data)
        found, used = self.find(data[:cut])
        if found is None and cut < len(data):
            found, _ = self.find(data[used:])
        return None if found is None else self.value(found)


def all_decoders(random: Random) -> Iterator[Decoder]:
    """Every protocol's."""
    yield from (_modbus_rtu(random), _modbus_tcp(random), _dlt645("00010000", random))
    yield from (_dlt645("9010", random), _cjt188(random), _mbus(), _iec62056(random), _json(random))


def _modbus_rtu(random: Random) -> Decoder:
    request = modbus.Request(17, 3, 4096, 10)
    return Decoder(
        "modbus rtu",
        [_words(random, request, "rtu") for _ in range(_SOUND)],
        lambda data: modbus.find_answer(data, request, "rtu"),
        lambda data: data[:-2] + modbus.crc16(data[:-2]),
        lambda frame: range(3, len(frame) - 2),
        burst=16,
        odds=2**-15,  # CRC 16 misses no odd number of bits, and one in 2^15 of the rest
    )


def _modbus_tcp(random: Random) -> Decoder:
    request = modbus.Request(17, 3, 4096, 10, 4711)
    head = modbus.answer_frame(request, modbus.Answer((0,) * 10), "tcp")[:9]
    return Decoder(
        "modbus tcp",
        [_words(random, request, "tcp") for _ in range(_SOUND)],
        lambda data: modbus.find_answer(data, request, "tcp"),
        lambda data: data[:2] + b"\0\0" + (len(data) - 6).to_bytes(2) + data[6:],
        lambda frame: range(9, len(frame)),
        burst=0,
        odds=1,
        is_told=lambda data, taken: (
            head + b"".join(word.to_bytes(2) for word in taken.words) in data
            if taken.exception is None
            else head[:4] + bytes((0, 3, 17, 0x83, taken.exception)) in data
        ),
    )


def _words(random: Random, request: modbus.Request, framing: modbus.Framing) -> bytes:
    words = tuple(random.randrange(65536) for _ in range(request.count))
    return modbus.answer_frame(request, modbus.Answer(words), framing)


def _dlt645(di: str, random: Random) -> Decoder:
    request, layout = dlt645.read("398192000337", di), "XXXXXX.XX"
    head = 10 + len(di) // 2
    return Decoder(
        f"dlt645-{'2007' if len(di) == 8 else '1997'}",
        [
            dlt645.answer_frame(request, dlt645.Answer(request.address, _digits(random, 8)), 0)
            for _ in range(_SOUND)
        ],
        lambda data: dlt645.find_answer(data, request, layout),
        lambda data: _summed(b"\x68" + data[1:7] + b"\x68" + _long(data[8:], 4)),
        lambda frame: range(head, len(frame) - 2),
        burst=8,
        odds=2**-8,
    )


def _cjt188(random: Random) -> Decoder:
    request = cjt188.Request(0x10, "00201510270588", serial=1)
    tail = bytes.fromhex("20061709011720 0000")
    sound = [
        cjt188.answer_frame(
            request,
            cjt188.Answer(
                *(request.kind, request.address),
                _digits(random, 8) + b"\x2c" + _digits(random, 8) + b"\x2c" + tail,
            ),
            0,
        )
        for _ in range(_SOUND)
    ]
    return Decoder(
        "cjt188",
        sound,
        lambda data: cjt188.find_answer(data, request, cjt188.WATER_LAYOUT),
        lambda data: _summed(b"\x68" + data[1:9] + _long(data[9:], 4)),
        lambda frame: range(14, len(frame) - 2 - len(tail)),
        burst=8,
        odds=2**-8,
        # The clock and state behind the values are passed over.
        value=lambda answer: (answer.data[:10], answer.refusal),
    )


def _mbus() -> Decoder:
    """Telegrams as meters sent them."""
    found = tomllib.loads(_TELEGRAMS.read_text())["frame"]
    telegrams = [bytes.fromhex(entry["hex"]) for entry in found]
    long = [frame for frame in telegrams if frame[0] == 0x68 and frame[-1] == 0x16]
    return Decoder(
        "mbus",
        long,
        lambda data: mbus.find_answer(data, mbus.SELECTED),
        lambda data: _summed(b"\x68" + 2 * bytes((len(data) - 6 & 255,)) + b"\x68" + data[4:]),
        lambda frame: range(19, len(frame) - 2),
        burst=8,
        odds=2**-8,
        value=_records,
    )


def _records(frame: mbus.Frame) -> Any:
    """What counts: who, and its records."""
    telegram = mbus_records.decode(frame)
    return telegram.header.identity, telegram.records


def _iec62056(random: Random) -> Decoder:
    def block(text: bytes) -> bytes:
        whole = text + b"\x03"
        return iec62056_21.with_parity(b"\x02" + whole + bytes((reduce(xor, whole),)))

    texts = [
        "F.F(00000000)\r\n0.0.0(00339226)\r\n"
        f"1.8.0({random.randrange(10**8) / 100:09.2f}*kWh)\r\n"
        f"1.8.1({random.randrange(10**8) / 100:09.2f}*kWh)\r\n!\r\n"
        for _ in range(_SOUND)
    ]
    return Decoder(
        "iec62056-21",
        [block(text.encode()) for text in texts],
        iec62056_21.find_readout,
        lambda data: block(bytes(byte & 0x7F for byte in data[1:-2])),
        lambda frame: _between(iec62056_21.seven_bits(frame), b"1.8.0(", b"*kWh"),
        burst=8,
        odds=2**-8,
        value=_counters,
        alphabet=b"0123456789" * 4 + bytes(range(0x20, 0x7F)) + b"\r\n",
    )


def _counters(text: str) -> Any:
    """What a profile asks for: the numbers of two codes. None if one is not there, or is none."""
    found = {i.code: (i.number, i.unit) for i in iec62056_21.items(text)}
    both = [found.get(code, (None, "")) for code in ("1.8.0", "1.8.1")]
    return None if any(number is None for number, _ in both) else both


def _json(random: Random) -> Decoder:
    """A document of a Shelly Pro 3EM, in the parts its profile reads."""
    profile = profiles.load("shelly_pro_3em")
    asked = ("active_energy_import", "active_power", "voltage_l1", "current_n")
    meter = JsonMeter(Wanted("m", profile, None, asked), 0)

    def document() -> bytes:
        energy, power = random.randrange(10**9) / 100, random.randrange(10**6) / 1000
        return (
            f'{{"em:0":{{"id":0,"a_voltage":230.1,"n_current":null,"total_act_power":{power}}},'
            f'"emdata:0":{{"id":0,"total_act":{energy}}},"sys":{{"mac":"A8032ABE54DC",'
            f'"unixtime":{_NOW_MS // 1000 - random.randrange(10)}}}}}'
        ).encode()

    return Decoder(
        "json",
        [document() for _ in range(_SOUND)],
        lambda data: (data, len(data)),
        lambda data: data,
        lambda frame: _between(frame, b'"total_act":', b"}"),
        burst=0,
        odds=1,
        value=lambda data: (
            (answer := meter.answer(data, _NOW_MS)).values and (answer.t_ms, answer.values)
        ),
        is_told=lambda data, taken: True,  # noqa: ARG005  nothing in a document guards its digits
        alphabet=b"0123456789" * 4 + b'.eE+-"{}[],: \\u/truefalsn',
        in_pieces=False,
    )


def _between(frame: bytes, before: bytes, after: bytes) -> range:
    """Where the text between the two stands."""
    start = frame.index(before) + len(before)
    return range(start, frame.index(after, start))


def _digits(random: Random, count: int) -> bytes:
    return bytes.fromhex("".join(str(random.randrange(10)) for _ in range(count)))


def _long(rest: bytes, overhead: int) -> bytes:
    """Control byte, length, data, two last bytes; the length put right."""
    return rest[:1] + bytes((len(rest) - overhead & 255,)) + rest[2:]


def _summed(frame: bytes) -> bytes:
    """The sum of all but the start of a long M-Bus frame, or of all."""
    begin = 4 if frame[3] == 0x68 and frame[1] == frame[2] else 0
    return frame[:-2] + bytes((sum(frame[begin:-2]) & 255, 0x16))
