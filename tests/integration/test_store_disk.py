"""Real disks that are full, fail or lose their power: nothing committed is lost or doubled."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.clock import NOT_BEFORE_MS, Instant
from edge_agent.store import open_store
from wire.errors import TransientError
from wire.messages import Sample
from wire.segment import open_segment
from wire.signing import SigningKey

KEY = SigningKey(bytes(range(32)))
T0 = NOT_BEFORE_MS + 86_400_000
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2  # what ext4 and XFS share: from now on every access is EIO

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


def at(ms):
    return Instant(ms, ms - NOT_BEFORE_MS, "boot-a")


def opened(folder):
    return open_store(folder / "store.db", "cq", "gw", KEY, at(T0))


def commit(store, n):
    store.commit([Sample("m", T0 + n, {"active_energy_import": (n, -3)})], [], at(T0 + n), {})


def kept(store):
    """The numbers of everything that would still reach the cloud, in order."""
    while store.seal(at(T0 + 10**6), "synchronized") is not None:
        pass
    found = []
    for state in store.streams():
        for sealed in store.unreceipted(state.stream, 0, 10_000):
            for table in open_segment(sealed.data).tables:
                found += [t_ms - T0 for t_ms in table.times_ms.values()]
    return found


@contextlib.contextmanager
def mounted(folder: Path, *words: str):
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", *words, str(folder)], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


@as_root
def test_a_full_disk_takes_nothing_more_and_goes_on_when_there_is_room(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as folder:
        store = opened(folder)
        commit(store, 0)
        (folder / "others").write_bytes(bytes(shutil.disk_usage(folder).free))
        taken = [0]
        for n in range(1, 400):
            with contextlib.suppress(TransientError):
                commit(store, n)
                taken.append(n)
        assert len(taken) < 400, "it did fill"
        (folder / "others").unlink()
        commit(store, 1000)
        assert kept(store) == [*taken, 1000]
        store.close()


@as_root
def test_an_agent_starts_on_a_full_disk_and_on_one_it_may_not_write(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=256k", "tmpfs") as folder:
        (folder / "others").write_bytes(bytes(shutil.disk_usage(folder).free))
        store = opened(folder)
        with pytest.raises(TransientError):
            commit(store, 1)
        (folder / "others").unlink()
        commit(store, 1)
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        store = opened(folder)
        with pytest.raises(TransientError):
            commit(store, 2)
        subprocess.run(["mount", "-o", "remount,rw,size=1m", str(folder)], check=True)
        commit(store, 3)
        assert kept(store) == [1, 3]
        store.close()


def damaged(folder, room_of):
    """400 cycles of 40 meters in a file with a wiped page; the room left goes by its size."""
    store = opened(folder)
    for n in range(400):
        samples = [Sample(f"m{m}", T0 + n, {"active_power": (m, 0)}) for m in range(40)]
        store.commit(samples, [], at(T0 + n), {})
    store.close()
    path = folder / "store.db"
    whole = path.read_bytes()
    room = shutil.disk_usage(folder).free - room_of(len(whole))
    (folder / "others").write_bytes(bytes(room))
    path.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:])
    return len(whole)


@as_root
@pytest.mark.parametrize("times", [1.2, 1.5, 1.9])
def test_a_damaged_store_with_just_room_for_a_second_moves_whole(tmp_path, times):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=16m", "tmpfs") as folder:
        damaged(folder, lambda size: int(times * size))
        store = opened(folder)
        (folder / "others").unlink()
        assert sorted(kept(store)) == sorted([*range(400)] * 40)
        store.close()


@as_root
def test_a_damaged_store_with_no_room_to_look_into_it_waits_for_some(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=16m", "tmpfs") as folder:
        damaged(
            folder, lambda _: 70_000
        )  # for the new one's first pages, not for a -shm of the old
        store = opened(folder)
        with pytest.raises(TransientError):
            store.current()
        (folder / "others").unlink()
        assert sorted(kept(store)) == sorted([*range(400)] * 40)
        store.close()


@as_root
def test_a_damaged_store_without_room_for_a_second_stays_beside_is_told_and_can_be_put_back(
    tmp_path, caplog
):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=16m", "tmpfs") as folder:
        size = damaged(folder, lambda size: min(400_000, size // 2))
        store = opened(folder)
        assert "400" not in caplog.text, "what found no room is not said to be saved"
        commit(store, 1000)
        assert store.seal(at(T0 + 10**6), "synchronized") == 1
        segment = open_segment(store.segment(store.current().stream, 1).data)
        assert [(event.event, event.detail) for event in segment.events] == [
            ("store_damaged", {"left": "all of it: there is no room for both"})
        ]
        assert (folder / "damaged-1-store.db").stat().st_size == size
        store.close()
        (folder / "others").unlink()
        for file in [*folder.glob("store.db*")]:
            file.rename(file.with_name(f"newer-{file.name}"))
        for file in [*folder.glob("damaged-1-*")]:
            file.rename(file.with_name(file.name.removeprefix("damaged-1-")))
        store = opened(folder)
        assert sorted(kept(store)) == sorted([*range(400)] * 40)
        store.close()


@pytest.fixture
def image(tmp_path):
    """An ext4 file system of its own on a loop device."""
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(16 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", str(path)], check=True, capture_output=True)
    return path


def cut_power(folder: Path) -> None:
    """What was not flushed is gone; until it is mounted again every access fails."""
    handle = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(handle, ctypes.c_int32(_SHUTDOWN).value, struct.pack("I", _NO_LOG_FLUSH))
    os.close(handle)


@as_root
def test_a_disk_that_fails_and_comes_back_has_every_commit_once(tmp_path, image):
    """The same store object all the while: no human, no restart."""
    folder, taken = tmp_path / "mnt", []
    with mounted(folder, "-o", "loop", str(image)):
        store = opened(folder)
    # Unmounted lazily while it was open: closed for good before the file system is used again.
    store.close()
    for turn in range(8):
        with mounted(folder, "-o", "loop", str(image)):
            for n in range(turn * 100, turn * 100 + 20):
                commit(store, n)
                taken.append(n)
            cut_power(folder)
            for n in range(turn * 100 + 20, turn * 100 + 23):
                with pytest.raises(TransientError):
                    commit(store, n)
            assert store._file._db is None, "nobody knows what a failed fsync has left"
    with mounted(folder, "-o", "loop", str(image)):
        assert kept(store) == taken
        store.close()


_CHILD = """
import sys
from pathlib import Path
from tests.integration.test_store_disk import commit, kept, opened
from wire.errors import TransientError
store = opened(Path(sys.argv[1]))
n = 0
while n < 40:
    try:
        commit(store, n)
        n += 1
    except TransientError:
        print("failed", n)
found = kept(store)
assert found == list(range(40)), found
print("exact")
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize(
    ("call", "when"),
    [  # the 15th, the 22nd; from the 30th on every 7th. Making the file takes 30 writes.
        *[("fdatasync:error=EIO", when) for when in ("15", "22", "30+7")],
        *[("pwrite64:error=EIO", when) for when in ("15", "22", "60+47")],
        *[("pwrite64:error=ENOSPC", when) for when in ("22", "60+47")],
    ],
)
def test_an_error_of_the_disk_at_any_call_neither_loses_nor_doubles(tmp_path, call, when):
    """What failed is tried again, as the agent does; the commit before may have been on disk."""
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-o", str(tmp_path / "trace")),
            *("-e", f"trace={call.partition(':')[0]}", "-e", f"inject={call}:when={when}"),
            *(sys.executable, "-c", _CHILD, str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stdout.endswith("exact\n"), done.stdout + done.stderr[-2000:]
    assert "INJECTED" in (tmp_path / "trace").read_text(), "the disk did fail"
