"""Commands that hand something to an ingestor's API: what is typed wrong is one line, and exit 2."""

import sys
from pathlib import Path

import pytest

from ingestor.__main__ import main


@pytest.mark.parametrize(
    "words",
    [
        ["events", "import", "e.csv", "--site", "s1", "--url", "{url}", "--key-file", "k"],
        ["readings", "import", "e.csv", "--site", "s1", "--url", "{url}", "--key-file", "k"],
        ["cosign", "--from", "{url}", "--token-file", "k", "--key", "auditor.key"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize(
    ("url", "ca", "says"),
    [
        ("127.0.0.1:1", "k", "ingestor: 127.0.0.1:1: must start with http:// or https://\n"),
        ("https://127.0.0.1:1", "k", "ingestor: k: no certificate in PEM form\n"),
        (
            *("https://127.0.0.1:1", "none.pem"),
            "ingestor: none.pem: cannot be read: No such file or directory\n",
        ),
    ],
)
def test_an_address_or_a_file_that_is_none_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    url: str,
    ca: str,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("e.csv", "k"):
        Path(name).write_text("x\n")
    typed = [url if word == "{url}" else word for word in words]
    monkeypatch.setattr(sys, "argv", ["ingestor", *typed, "--ca-file", ca])
    assert main() == 2
    assert capsys.readouterr().err == says
