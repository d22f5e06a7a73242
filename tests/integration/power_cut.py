"""A disk whose power can be cut: ext4 on a loop device, and the call that lets it forget."""

import contextlib
import ctypes
import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

# What ext4 and XFS share: from now on every access is EIO. 2: what was not flushed is lost.
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2


@cache
def why_not() -> str:
    """Why this machine cannot do it; "" if it can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            mounted(made(Path(folder) / "disk.img"), Path(folder) / "mnt") as disk,
        ):
            cut(disk)
    except subprocess.CalledProcessError as exc:
        return f"{exc.cmd[0]}: {exc.stderr.decode(errors='replace').strip()}"
    except OSError as exc:
        return f"no loop device of ext4 that can be shut down: {exc}"
    return ""


def required() -> None:
    """Skip the test where it cannot be done, and say why."""
    if why := why_not():
        pytest.skip(why)


def made(image: Path) -> Path:
    """A small ext4 in a file."""
    with image.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, capture_output=True)
    return image


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-o", "loop", str(image), str(folder)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def cut(folder: Path) -> None:
    """Now: what was not flushed is gone."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        flags = struct.pack("I", _NO_LOG_FLUSH)
        fcntl.ioctl(handle, ctypes.c_int32(_SHUTDOWN).value, flags)
    finally:
        os.close(handle)
