"""An event loop that waits as long as it is told, and no whole millisecond longer.

epoll takes milliseconds, and asyncio rounds up to the next: at 19200 baud the silence of 2.005 ms
before a request would be 3, which is 4 % of what the line can carry (bench/serial.py).
"""

import asyncio
import select
import selectors


class _Selector(selectors.EpollSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait with select, which takes microseconds, for epoll itself to have something."""
        if timeout is not None and timeout > 0:
            select.select((self.fileno(),), (), (), timeout)
            timeout = 0
        return super().select(timeout)


def new_loop() -> asyncio.AbstractEventLoop:
    """For `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(_Selector())
