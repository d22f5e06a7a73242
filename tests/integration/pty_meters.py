"""The meters' end of a pseudo terminal: every request a codec finds is handed to a script."""

import contextlib
import os
import pty
import threading
import time
import tty
from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class MeterLine(Generic[R]):
    """`find` is the codec's end of the meter: (a request or None, bytes used up)."""

    def __init__(
        self,
        find: Callable[[bytes], tuple[R | None, int]],
        script: Callable[[R, "MeterLine[R]"], None],
    ) -> None:
        self._find, self._script = find, script
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self.asked: list[R] = []
        self.heard = b""  # everything the driver sent
        self.began: list[float] = []  # when each request was there
        self.ended: list[float] = []  # when each answer had been written
        self._thread = threading.Thread(target=self._run)

    def say(self, data: bytes) -> None:
        self.ended.append(time.monotonic())
        os.write(self.master, data)

    def __enter__(self) -> "MeterLine[R]":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._slave)  # with the driver's end closed too, the master reads EIO
        self._thread.join()
        os.close(self.master)

    def _run(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while True:
                new = os.read(self.master, 256)
                self.heard += new
                buffer += new
                request, used = self._find(buffer)
                while request is not None:
                    buffer = buffer[used:]
                    self.asked.append(request)
                    self.began.append(time.monotonic())
                    self._script(request, self)
                    request, used = self._find(buffer)
                buffer = buffer[used:]
