"""What a configuration read again may change."""

from pathlib import Path

import pytest

from edge_agent import config
from edge_agent.reload import differences, read_again
from wire.signing import SigningKey

BUS = '[buses.{name}]\ndriver = "modbus"\ntransport = "tcp"\nhost = "{host}"\n'
METER = (
    '[meters.{name}]\nbus = "{bus}"\nunit_id = {unit}\nprofile = "eastron_sdm630"\n'
    "rated_power_w = {watts}\n"
)


class File:
    """An agent.toml that is written again and again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.toml"
        self.key = folder / "receipt.pub"
        self.key.write_text(f"{SigningKey(bytes(range(32))).public}\n")
        self.head = {"site": "cq", "gateway": "gw", "state": f"{folder}/state"}

    def write(self, *tables: str, broker: int = 1883, **head: str) -> None:
        told = {**self.head, "receipt_key_file": str(self.key), **head}
        lines = [f'{key} = "{value}"' for key, value in told.items()]
        text = "\n".join([*lines, f"[broker]\nport = {broker}", *tables])
        self.path.write_text(text)


A, B = BUS.format(name="a", host="h1"), BUS.format(name="b", host="h2")
M1 = METER.format(name="m-1", bus="a", unit=1, watts=1000)
M2 = METER.format(name="m-2", bus="b", unit=1, watts=1000)


@pytest.fixture
def file(tmp_path):
    return File(tmp_path)


def test_what_is_different_is_told_by_name(file):
    file.write(A, B, M1, M2)
    old = config.load(file.path)
    m_3 = METER.format(name="m-3", bus="a", unit=3, watts=1000)
    file.write(A, B.replace("h2", "h3"), M1.replace("1000", "2000"), m_3)
    new = read_again(file.path, old)
    assert isinstance(new, config.Plan)
    assert differences(old, new) == {
        "buses_changed": "b",
        "meters_added": "m-3",
        "meters_changed": "m-1",
        "meters_removed": "m-2",
    }


def test_the_same_file_is_no_difference(file):
    file.write(A, M1)
    old = config.load(file.path)
    new = read_again(file.path, old)
    assert isinstance(new, config.Plan)
    assert differences(old, new) == {}


def test_a_wrong_file_is_told_as_check_tells_it(file):
    file.write(A, M1)
    old = config.load(file.path)
    file.write(A, M1.replace("1000", "0"), M2)
    told = read_again(file.path, old)
    assert [str(problem) for problem in told] == [str(p) for p in config.problems(file.path)]
    assert len(told) == 2


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("site", {"site": "other"}),
        ("gateway", {"gateway": "other"}),
        ("state", {"state": "/elsewhere"}),
        ("broker", {"broker": 1884}),
    ],
)
def test_what_cannot_change_is_refused_by_name(file, key, changed):
    file.write(A, M1)
    old = config.load(file.path)
    file.write(A, M1, M2.replace('"b"', '"a"').replace("= 1\n", "= 2\n"), **changed)
    (refused,) = read_again(file.path, old)
    assert str(refused) == f"{file.path}: {key}: needs a restart; nothing was changed"


def test_receipt_keys_may_change_and_be_two_while_one_follows_the_other(file):
    file.write(A, M1)
    old = config.load(file.path)
    coming = SigningKey(bytes(32)).public
    file.key.write_text(f"{old.receipt_keys[0]}\n{coming}\n")
    found = read_again(file.path, old)
    assert [key.id for key in found.receipt_keys] == [old.receipt_keys[0].id, coming.id]


def test_many_names_are_not_all_told(file):
    file.write(A, M1)
    old = config.load(file.path)
    more = [METER.format(name=f"x-{n:03}", bus="a", unit=n, watts=9) for n in range(2, 102)]
    file.write(A, M1, *more)
    new = read_again(file.path, old)
    assert isinstance(new, config.Plan)
    (told,) = differences(old, new).values()
    assert told.startswith("x-002, x-003, ")
    assert told.endswith(", x-021 and 80 more")
