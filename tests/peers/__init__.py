"""Programs of others that read what we write, in an environment of their own.

What they need would not go beside our own libraries: `locks/peers.txt`, installed on first use under
the tests' own environment. The other files here are run by its Python, and print JSON.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_LOCK = _HERE.parent.parent / "locks" / "peers.txt"
_HOME = Path(sys.prefix) / "peers"


def told(script: str, *arguments: str | Path, environment: dict[str, str] | None = None) -> Any:
    """What a script of this folder says of its arguments."""
    command = [_python(), "-W", "ignore", _HERE / f"{script}.py", *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def _python() -> Path:
    """The interpreter, with everything installed that the lock names. One process makes it."""
    python = _HOME / "bin" / "python"
    stamp = _HOME / "lock.sha256"
    wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
    with _HOME.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            uv = [sys.executable, "-m", "uv", "--quiet"]
            _run(*uv, "venv", "--clear", "--python", sys.executable, _HOME)
            _run(*uv, "pip", "sync", "--require-hashes", "--python", python, _LOCK)
            stamp.write_text(wanted)
    return python


def _run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr
