import re
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from wire import config
from wire.errors import ConfigError


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    port: int = 1


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: str
    broker: Inner = Inner()
    meters: list[Inner] = []
    state: Path = Path("state")
    buses: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'site = "a"\n[broker]\nprt = 1',
            "a.toml: broker.prt: is not a known key; did you mean port?",
        ),
        (
            'site = "a"\ncolour = 1',
            "a.toml: colour: is not a known key; known: site, broker, meters, state, buses",
        ),
        ('site = "a"\n[[meters]]\nprt = 1', "a.toml: meters[0].prt: is not a known key; did you"),
        ("", "a.toml: site: is missing"),
        ("site = 1", "a.toml: site: Expected `str`, got `int`"),
        ('site = "a"\n[[meters]]\nport = "x"', "a.toml: meters[0].port: Expected `int`, got `str`"),
        ('site = "a"\nstate = 3', "a.toml: state: Expected a path in quotes"),
        (
            'site = "a"\n[buses.good]\nport = 2\n[buses.line-a]\nport = "x"',
            "a.toml: buses.line-a.port: Expected `int`, got `str`",
        ),
        (
            'site = "a"\n[buses.line-a]\nprt = 1',
            "a.toml: buses.line-a.prt: is not a known key; did",
        ),
        ("site =", "a.toml: is not valid TOML"),
        ('site = "a"\nsite = "b"', "a.toml: is not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_line_with_file_and_key(tmp_path, text, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        config.load(tmp_path / "a.toml", Outer)
    line = str(error.value).removeprefix(f"{tmp_path}/")
    assert line.startswith(message)
    assert "\n" not in line


def test_a_path_is_read_as_a_path():
    assert config.decode('site = "a"\nstate = "/var/x"', Outer, "a.toml").state == Path("/var/x")


def test_a_file_of_an_editor_that_marks_its_text_is_read(tmp_path):
    (tmp_path / "a.toml").write_text('\ufeffsite = "a"')
    assert config.load(tmp_path / "a.toml", Outer).site == "a"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nothing.toml: cannot be read: No such file"):
        config.load(tmp_path / "nothing.toml", Outer)


def test_a_secret_is_never_shown(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        config.read_secret(tmp_path / "empty")
    (tmp_path / "token").write_text("s3cret\n")
    assert config.read_secret(tmp_path / "token") == "s3cret"


class Choosing(msgspec.Struct):
    period: Literal["day", "month"] = "day"
    orders: dict[str, list[Literal["big", "little"]]] = {}
    role: Literal["viewer", "admin"] | None = None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('period = "week"', "period: Invalid enum value 'week'; it takes day, month"),
        ('role = "boss"', "role: Invalid enum value 'boss'; it takes admin, viewer"),
        (
            'orders.grid = ["big", "odd"]',
            "orders.grid[1]: Invalid enum value 'odd'; it takes big, little",
        ),
    ],
)
def test_a_word_that_is_none_of_a_few_is_told_which_there_are(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"f: {said}")):
        config.decode(text, Choosing, "f")
