"""What a process tells the registry of its calls: who refused it, at once; whom it called, every ten seconds.

A shell around `tally`, listening to the events of all clients of the process, in any thread. May import
discovery.client and `observe`. Invariants: nobody who calls waits for it; a registry that does not take
reports (Java's) or does not answer changes nothing; after `stop()` nothing is under way.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from tidelock import observe
from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.instance import Instance
from tidelock.http.events import Called, Ejected
from tidelock.http.exchange import Reason
from tidelock.http.services import KNOWN
from tidelock.http.tally import Tally
from tidelock.runtime import Clock

INTERVAL = 10.0
"""Seconds between two reports."""


class _Listening:
    """Event handlers in any thread, work in one event loop."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends: list[Callable[[], None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    def _listen(self, event: type[Any], handler: Callable[[Any], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ends.append(observe.subscribe(event, handler))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work, name="telling the registry")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Listen no more; safe to call more than once."""
        ends, self._ends, self._loop = self._ends, [], None
        for end in ends:
            end()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Suspecting(_Listening):
    """Tells the registry which of its instances refused a connection, so that it looks for itself.

    Args:
        registry: its client; only instances that it lists are reported.
    """

    def __init__(self, registry: DiscoveryClient) -> None:
        super().__init__()
        self._registry = registry

    def start(self) -> None:
        """Listen from now on; in the registry client's event loop."""
        self._listen(Ejected, self._ejected)

    def _ejected(self, event: Ejected) -> None:
        loop = self._loop
        if event.reason == Reason.REFUSED.value and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._refused, event.instance)

    def _refused(self, instance: Instance) -> None:
        listed = self._registry.instances(instance.app)
        if self._loop is not None and any(one.instance_id == instance.instance_id for one in listed):
            self._spawn(self._registry.suspect(instance))


class Telling(_Listening):
    """Tells the registry whom this process calls.

    Args:
        registry: its client.
        caller: the instance that this process is.
        clock: for the times of reports.
    """

    def __init__(self, registry: DiscoveryClient, caller: Instance, clock: Clock) -> None:
        super().__init__()
        self._registry = registry
        self._caller = caller
        self._clock = clock
        self._lock = threading.Lock()
        self._tally = Tally(clock.monotonic())

    def start(self) -> None:
        """Count and tell from now on; in the registry client's event loop."""
        self._listen(Called, self._called)
        self._listen(Ejected, self._ejected)
        self._spawn(self._repeat())

    def _called(self, event: Called) -> None:
        with self._lock:
            self._tally.called(event)

    def _ejected(self, event: Ejected) -> None:
        with self._lock:
            self._tally.ejected(event, self._clock.monotonic())

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            with self._lock:
                caller = self._caller
                name, now = caller.app.lower(), self._clock.monotonic()
                report = self._tally.report(name, caller.instance_id, now, KNOWN.breakers())
            if report is not None:
                await self._registry.report_calls(report)
