"""A running ingestor has its heads stamped, and an auditor elsewhere signs them over its API."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from ingestor.__main__ import main
from tests.integration import servers
from tests.integration.ingestor_process import Ingestor
from tests.time_stamps import Authority, serving
from tests.unit.calc_stream_live.plant import SITE
from tests.unit.calc_stream_live.proven import ProvenPlant, proven
from wire.callers import Caller, digest
from wire.journal import heads
from wire.journal.cosigned import check_cosignature, read_cosignature


@pytest.fixture
def plant(tmp_path: Path) -> ProvenPlant:
    (tmp_path / "cloud").mkdir()
    made = proven(tmp_path / "cloud")
    made.writer.close()
    return made


def test_heads_are_stamped_and_signed_beside(
    tmp_path: Path,
    plant: ProvenPlant,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    authority = Authority(tmp_path / "tsa")
    with serving(authority) as (url, _):
        cloud = Ingestor(
            plant.folder,
            servers.free_port(),
            extra=f'[timestamps]\nurl = "{url}"\ntimeout_s = 60\n',
        )
        cloud.gateway("gw-9", site=SITE)
        cloud.start()
        with (cloud.directory / "api.keys").open("a") as keys:
            keys.write(f"{Caller('auditor', ('auditor',), digest('audits'), '2026-11-18')}\n")
        (tmp_path / "token").write_text("audits\n")
        try:
            with closing(cloud.journal()) as journal:

                def all_stamped() -> bool:
                    kinds = (len(journal.of_kind(SITE, kind)) for kind in ("head", "stamp"))
                    return len(set(kinds)) == 1

                servers.wait_until(all_stamped, "a stamp for each head")
                signed = [heads.read_head(r) for r in journal.of_kind(SITE, "head")]
                words = [
                    *("--from", cloud.url, "--token-file", str(tmp_path / "token")),
                    *("--key", str(tmp_path / "auditor.key")),
                ]
                monkeypatch.setattr(sys, "argv", ["ingestor", "cosign", *words])
                assert main() == 1
                assert "no key you trust" in capsys.readouterr().err
                trust = ("--trust", str(plant.folder / "receipt.key.pub"))
                monkeypatch.setattr(sys, "argv", ["ingestor", "cosign", *words, *trust])
                assert main() == 0
                monkeypatch.setattr(sys, "argv", ["ingestor", "cosign", *words])
                assert main() == 0  # nothing new, the same is handed in again
                (record,) = journal.of_kind(SITE, "cosignature")
                check_cosignature(read_cosignature(record.data), signed[-1])
            assert cloud.command("journal", "verify").returncode == 0
        finally:
            cloud.process.kill()
