"""What systemd is told: ready, reloading, stopping, how it is going, and that we are alive.

Datagrams to the socket it names in the environment; without one nothing is told, and nothing
fails. Source: sd_notify(3), sd_watchdog_enabled(3).
"""

import os
import socket
import time
from collections.abc import MutableMapping

_PATIENCE_S = 1.0


class Systemd:
    """The service manager that started this process, if one did. `watchdog_s`: how long it waits
    for the next `alive`; None where it does not."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        path = environ.pop("NOTIFY_SOCKET", "")
        usec, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        ours = bool(path) and usec.isdecimal() and pid in ("", str(os.getpid()))
        self.watchdog_s = int(usec) / 1e6 if ours else None
        self._address = "\0" + path[1:] if path.startswith("@") else path

    def ready(self) -> None:
        """Buses are read, the store is open; or a reload is over."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; ends with `ready`."""
        monotonic_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def status(self, line: str) -> None:
        """One line for `systemctl status`."""
        self._tell("STATUS=" + " ".join(line.split()))

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if not self._address.startswith(("/", "\0")):
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(_PATIENCE_S)
                sock.sendto(text.encode(), self._address)
        except OSError:
            # Nobody listens any more, or not fast enough: there is nobody else to tell, and the
            # next word says it all again.
            return
