"""Keeps the peers of a registry informed, and learns from them at the start.

The shell around `replication`: one task and one connection per peer. Peers are told apart by host **and**
port, so several may run on one machine. May import `replication`, `transport` and `codec`. Invariants: a peer
that is down costs ten connection attempts per second at most and no request's time; `stop()` hands over
what is queued if the peer takes it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from tidelock.discovery.codec import json
from tidelock.discovery.codec.batch import Kind, Task, read_results, write_tasks
from tidelock.discovery.instance import Instance
from tidelock.discovery.push import moment
from tidelock.discovery.registry import Registry
from tidelock.discovery.replication import Failure, PeerQueue, repair
from tidelock.discovery.transport import Connection, RegistryUnreachableError, Target
from tidelock.errors import TidelockError
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 2.0
FAREWELL = 1.0
"""Seconds that the last batch may take when the server stops."""


def others(urls: Iterable[str], *own: str) -> tuple[Target, ...]:
    """Return the peers among these URLs: those that are not this server itself, each once.

    Raises:
        UsageError: one is no URL.
    """
    seen = {_place(Target.of(url)) for url in own}
    found = []
    for target in map(Target.of, urls):
        place = _place(target)
        if place not in seen:
            seen.add(place)
            found.append(target)
    return tuple(found)


def _place(target: Target) -> tuple[str, int]:
    host = target.host.lower()
    return ("127.0.0.1" if host in ("localhost", "::1") else host), target.port


class Peer:
    """One peer.

    Args:
        target: where it is.
        registry: ours.
        clock: the machine's unless a test brings its own.
        changed: called when the peer's younger copy of an instance was taken.
    """

    def __init__(
        self, target: Target, registry: Registry, clock: Clock, changed: Callable[[Instance], None]
    ) -> None:
        self.target = target
        self.is_reachable = False
        self.requests = 0
        self._registry = registry
        self._clock = clock
        self._changed = changed
        self._queue = PeerQueue()
        self._connection = Connection(target, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Deliver from now on."""
        self._task = asyncio.create_task(self._run(), name=f"registry peer {self.target.shown}")

    async def stop(self) -> None:
        """Deliver what is queued if that is possible at once, and stop."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self.is_reachable and len(self._queue):
                try:
                    async with asyncio.timeout(FAREWELL):
                        await self._deliver()
                except TimeoutError:
                    log.debug("the peer did not take the last batch", extra={"peer": self.target.shown})
        self._connection.close()

    def tell(self, tasks: Sequence[Task]) -> None:
        """Queue what happened here."""
        now = self._clock.monotonic()
        for task in tasks:
            self._queue.add(task, now)
        self._wake.set()

    async def everything(self) -> list[Instance]:
        """Return all instances that the peer knows.

        Raises:
            TidelockError: it does not answer, or not with what a registry answers.
        """
        answer = await self._connection.exchange("GET", "apps/")
        if answer.status != 200:
            raise RegistryUnreachableError(f"the peer answers {answer.status}", where=self.target.shown)
        document = json.read_applications(answer.body)
        return [instance for group in document.instances.values() for instance in group]

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            due = self._queue.wake_at()
            left = None if due is None else due - self._clock.monotonic()
            if left is not None and left <= 0:
                await self._deliver()
                continue
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _deliver(self) -> None:
        tasks = self._queue.batch(self._clock.monotonic())
        if not tasks:
            return
        self.requests += 1
        try:
            answer = await self._connection.exchange("POST", "peerreplication/batch/", write_tasks(tasks))
        except RegistryUnreachableError as error:
            self._fail(Failure.BROKEN, error.what)
            return
        except TidelockError as error:
            self._fail(Failure.REFUSED, error.what)
            return
        except asyncio.CancelledError:
            self._queue.failed(Failure.BROKEN, self._clock.monotonic())
            raise
        if answer.status != 200:
            is_busy = answer.status >= 500 or answer.status == 429
            self._fail(Failure.CONGESTED if is_busy else Failure.REFUSED, f"it answers {answer.status}")
            return
        self._say_reachable()
        try:
            results = read_results(answer.body)
        except TidelockError as error:
            self._fail(Failure.REFUSED, error.what)
            return
        now = moment(self._clock)
        for task, result in self._queue.answered(results):
            outcome = repair(self._registry, task, result, now)
            if isinstance(outcome, Task):
                self.tell((outcome,))
            elif outcome is not None:
                self._changed(outcome)

    def _fail(self, why: Failure, what: str) -> None:
        self._queue.failed(why, self._clock.monotonic())
        if self.is_reachable:
            self.is_reachable = False
            log.warning("a peer is not reachable: %s", what, extra={"peer": self.target.shown})

    def _say_reachable(self) -> None:
        if not self.is_reachable:
            self.is_reachable = True
            log.info("a peer is reachable", extra={"peer": self.target.shown})


class Peers:
    """All peers of one registry; without one it does nothing.

    Args:
        targets: where they are; see `others`.
        registry: ours.
        clock: the machine's unless a test brings its own.
        changed: called when a peer's younger copy of an instance was taken.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        registry: Registry,
        clock: Clock,
        changed: Callable[[Instance], None],
    ) -> None:
        self.all = tuple(Peer(target, registry, clock, changed) for target in targets)
        self._registry = registry
        self._clock = clock

    async def learn(self) -> int:
        """Take over what the first peer that answers knows; returns how many instances.

        Leases from before a restart that it does not know any more are given up.
        """
        for peer in self.all:
            try:
                instances = await peer.everything()
            except TidelockError as error:
                log.info("a peer cannot be learnt from: %s", error.what, extra={"peer": peer.target.shown})
                continue
            now = moment(self._clock)
            for instance in instances:
                self._registry.register(instance, now, is_replica=True)
            present = {(instance.app, instance.instance_id) for instance in instances}
            self._registry.drop_restored(present, now)
            return len(instances)
        return 0

    def start(self) -> None:
        """Deliver from now on."""
        for peer in self.all:
            peer.start()

    async def stop(self) -> None:
        """Deliver what is queued if that is possible at once, and stop."""
        await asyncio.gather(*(peer.stop() for peer in self.all))

    def tell(self, tasks: Sequence[Task]) -> None:
        """Queue what happened here for all peers."""
        if tasks:
            for peer in self.all:
                peer.tell(tasks)

    def cancelled(self, instance: Instance) -> None:
        """An instance is known to have crashed."""
        self.tell((Task.of(Kind.CANCEL, instance),))
