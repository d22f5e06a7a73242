"""Errors, named by what the caller does about them.

WattprintError             everything raised on purpose
├─ ConfigError             stop: a person must change a file      exit 2, one line, no traceback
│   └─ ProfileError        the same, in a meter profile
├─ TransientError          retry: the other side may come back    back off, `retry_after_s` if told
└─ BadData                 quarantine: this will never be good    keep it, say why, go on

Anything else is a bug: the process ends and its supervisor starts it again.
"""


class WattprintError(Exception):
    """Raised on purpose; never raised itself."""


class ConfigError(WattprintError):
    """A person must change a file. The message is one line: file, key, problem and cure."""


class ProfileError(ConfigError):
    """A meter profile states something impossible."""


class TransientError(WattprintError):
    """The other side did not do its part this time; trying again may help."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BadData(WattprintError):
    """This item will never be good, whoever looks at it."""
