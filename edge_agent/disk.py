"""The thread that does all the store's work, so that an fsync never holds up a bus."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Disk:
    """One thread, one piece of work after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="disk")

    async def __call__(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work` there and wait for it, to the end even if the waiter is cancelled."""
        call = partial(work, *args, **kwargs)
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, call))

    def close(self) -> None:
        self._thread.shutdown()
