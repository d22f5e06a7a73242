"""The page's folder with what its lock names installed, for tests that need Node."""

import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "calc_stream" / "web" / "page"


def installed() -> Path:
    """Installs only when the lock is another one than the last time."""
    stamp, lock = FOLDER / "node_modules" / ".lock", FOLDER / "package-lock.json"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        done = run("npm", "ci", "--no-audit", "--no-fund")
        assert done.returncode == 0, done.stderr
        shutil.copy(lock, stamp)
    return FOLDER


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
