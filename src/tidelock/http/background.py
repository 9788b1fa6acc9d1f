"""The registry for blocking code: an asyncio source that lives in one thread of its own.

Calls do not pass through it: look-ups read the source's copy in memory, from any thread. Only finding the
registry and looking again do, when a call misses an instance. The thread starts with the first such look, so
that a client whose services stand in the environment never has one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tidelock.discovery.instance import Instance
from tidelock.http.local import LocalFirst


class Background:
    """A `LocalFirst` for threads.

    Args:
        make: makes the source; called in the thread that asks first.
    """

    def __init__(self, make: Callable[[], LocalFirst]) -> None:
        self._source = make()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def instances(self, app: str) -> Sequence[Instance]:
        """See Source."""
        return self._source.instances(app)

    def refresh(self) -> None:
        """Find the registry if none was found yet, and fetch from it.

        Raises:
            TidelockError: see `LocalFirst.refresh`.
        """
        self._run(self._source.refresh())

    def close(self) -> None:
        """Stop the registry's client and the thread, if they were started."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._source.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="tidelock registry", daemon=True
                )
                self._thread.start()
            loop = self._loop
        asyncio.run_coroutine_threadsafe(work, loop).result()
