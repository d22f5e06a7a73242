"""Why a line failed, in words, and what a person can do about it. Pure."""

import errno
import os
import re
import socket

_IN_USE = (
    "the line is in use, perhaps by the running agent; stop that, or read a meter on another bus"
)
_NO_WAY = "there is no way there; is the network up, and the address right?"
_CURES = {
    errno.ENOENT: "there is no such line; is the adapter plugged in?"
    " names in /dev/serial/by-id stay the same",
    errno.EACCES: "no permission; the user must be in the group dialout",
    errno.EAGAIN: _IN_USE,
    errno.EBUSY: _IN_USE,
    errno.ENOTTY: "that is no serial port",
    errno.ECONNREFUSED: "nobody listens there; is the port right, and the protocol switched on?",
    errno.EHOSTUNREACH: "nobody has that address; is the meter powered, and the address right?",
    errno.ENETUNREACH: _NO_WAY,
    errno.ETIMEDOUT: _NO_WAY,
}


def account(heard: bytes, asked: bytes, timeout_ms: int, *, numbered: bool) -> str:
    """What was heard in `timeout_ms` instead of an answer to `asked`. `numbered`: see line.Line."""
    if not heard:
        return f"no answer in {timeout_ms} ms"
    if heard == asked:
        return (
            f"no answer in {timeout_ms} ms, only what was sent: the adapter echoes it (that does no"
            " harm), and the meter is silent"
        )
    cause = "a wrong check sum" if numbered else "wrong speed or parity"
    return (
        f"no valid answer in {timeout_ms} ms, only {heard.hex(' ')}"
        f" (another meter, two at one address, another function or length, or {cause})"
    )


def why(exc: Exception) -> str:
    """The system's reason why a line cannot be opened, and its cure.

    OSError and termios.error carry the number first; what wraps them, or several of them, has it
    somewhere in its text.
    """
    if isinstance(exc, socket.gaierror):
        return "nobody knows that host; is the name right, and a name server there?"
    if isinstance(exc, UnicodeError):
        return "that is no name a host can have"
    if isinstance(exc, (ValueError, OverflowError)):
        return f"it cannot be set that way ({exc}); which speeds does the adapter have?"
    number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
    if not number and (told := re.search(r"(?:\[Errno |\()(\d+)\b", str(exc))):
        number = int(told[1])
    if number in _CURES:
        return _CURES[number]
    return os.strerror(number) if number > 0 else str(exc)
