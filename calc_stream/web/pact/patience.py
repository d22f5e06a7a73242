"""Connections of strangers: so many, and none that asks for nothing.

The calculator's own files and readers need descriptors, too; a caller that opens connections and sends
a byte a minute gets no more of them than are to spare here.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST = 200
_WITHIN_S = 30.0


class Patient(H11Protocol):
    """uvicorn's own, which waits for ever for the head of a request."""

    _last: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _MOST:
            transport.abort()
            return
        self._look_later()

    def _look_later(self) -> None:
        self.loop.call_later(_WITHIN_S, self._look)

    def _look(self) -> None:
        """Whether a request was begun since the last time, or is being answered."""
        if self.transport.is_closing():
            return
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if is_busy or self.cycle is not self._last:
            self._last = self.cycle
            self._look_later()
        else:
            self.transport.abort()
