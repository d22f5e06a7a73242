"""What `scripts/check` checks, and what must never be committed."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_format_lint_types_and_contracts():
    done = subprocess.run(
        [ROOT / "scripts/check"], capture_output=True, text=True, check=False, timeout=170
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_lock_files_hold_hashes_and_no_host():
    locks = tracked("locks/*.txt")
    assert len(locks) == 7
    for lock in locks:
        text = lock.read_text()
        assert "://" not in text
        pinned = re.findall(r"^[a-z0-9._-]+==", text, re.MULTILINE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)


def test_no_file_is_too_long_to_read():
    files = tracked("*.py", "*.js", "*.css", "*.html")
    assert len(files) > 50
    long = {
        str(f.relative_to(ROOT)): n for f in files if (n := len(f.read_text().splitlines())) > 400
    }
    assert not long


def test_every_module_says_what_it_is():
    files = [f for f in tracked("*.py") if "tests" not in f.parts and f.stat().st_size]
    assert len(files) > 50
    silent = [
        str(f.relative_to(ROOT))
        for f in files
        if not f.read_text().lstrip().startswith(('"""', "#!"))
    ]
    assert not silent
