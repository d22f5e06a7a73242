"""The sample in the module's docstring, and everything wrong at once."""

import re
from pathlib import Path

import pytest

import ingestor.config
from wire.signing import SigningKey


def sample(directory: Path) -> Path:
    """The documented configuration, with its files beside it."""
    [text] = re.findall(r"~~~toml\n(.*?)~~~", ingestor.config.__doc__ or "", re.DOTALL)
    for name in ("api.keys", "gw-1.key.pub"):
        text = text.replace(f'"{name}"', f'"{directory / name}"')
    (directory / "api.keys").write_text(f"mes operator {'0' * 64} 2026-11-18\n")
    public = SigningKey.load_or_create(directory / "gw-1.key").public
    (directory / "gw-1.key.pub").write_text(f"{public}\n")
    path = directory / "ingestor.toml"
    path.write_text(text)
    return path


def test_the_documented_configuration_is_good(tmp_path: Path) -> None:
    plan = ingestor.config.load(sample(tmp_path))
    assert [(site, name) for site, name, _ in plan.gateways] == [("cq-wheel", "gw-1")]
    assert [each.name for each in plan.sinks] == ["embedded"]


def test_without_sinks_there_is_the_embedded_history(tmp_path: Path) -> None:
    path = sample(tmp_path)
    path.write_text(path.read_text().partition("[[sinks]]")[0])
    assert [each.kind for each in ingestor.config.load(path).sinks] == ["embedded"]


def test_every_problem_is_told_with_its_key(tmp_path: Path) -> None:
    path = sample(tmp_path)
    (tmp_path / "gw-1.key.pub").write_text("ed25519:short\n")
    (tmp_path / "api.keys").write_text("mes boss 0 2026-11-18\n")
    text = path.read_text().replace('"cq-wheel"', '"Cq Wheel"')
    path.write_text(text + '[[sinks]]\nkind = "embedded"\n[[sinks]]\nkind = "influxdb"\n')
    told = "\n".join(map(str, ingestor.config.problems(path)))
    for key in ("gateways[0].site", "public_key_file", "sinks[2].url", "sinks: two", "keys_file"):
        assert key in told


def test_a_gateways_key_that_is_not_there_is_told_with_where_it_comes_from(tmp_path: Path) -> None:
    path = sample(tmp_path)
    (tmp_path / "gw-1.key.pub").unlink()
    [problem] = ingestor.config.problems(path)
    assert str(problem) == (
        f"{path}: gateways[0].public_key_file: {tmp_path}/gw-1.key.pub: cannot be read:"
        " No such file or directory; the gateway prints it: edge-agent key"
    )


def test_a_key_of_two_gateways_of_a_site_is_told_before_anything_is_written(tmp_path: Path) -> None:
    path = sample(tmp_path)
    head, table = path.read_text().split("[[gateways]]")
    table, _, tail = table.partition("\n\n")
    others = [table.replace('gw-1"', 'gw-2"'), table.replace("cq-wheel", "bj-wheel")]
    path.write_text(
        "[[gateways]]".join([head, *(f"{each}\n\n" for each in (table, *others))]) + tail
    )
    [problem] = ingestor.config.problems(path)
    assert str(problem) == (
        f"{path}: gateways[1].public_key_file: is the key of gateways[0], too;"
        " every gateway has a key of its own"
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"cq-wheel"', '"journal"', "gateways[0].site: may not be `journal`, which is a place of"),
        ("port = 1883", "port = 0", "broker.port: Expected `int` >= 1"),
        ("port = 8421", "port = 65536", "api.port: Expected `int` <= 65535"),
        ('"embedded"', '"oracle"', "sinks[0].kind: there is no sink 'oracle'; known: archive, "),
    ],
)
def test_a_value_that_cannot_be_is_one_line_with_file_and_key(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    path = sample(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    [problem] = ingestor.config.problems(path)
    assert str(problem).startswith(f"{path}: {says}")
    assert "\n" not in str(problem)
