"""`broker()` and `registry()`: real servers on free loopback ports for the time of a block.

Each runs in a thread with an event loop of its own, so that blocking and asyncio tests use it alike, and
needs no other process. When the block ends it is stopped as in production, and its port is free. They go by
the machine's clock, so begin them before `virtual_time`, not inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tidelock.runtime import Service, bind_loopback

S = TypeVar("S", bound=Service)
T = TypeVar("T")

PATIENCE = 60.0
"""Real seconds for a start or a stop, also on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that accepts clients.

    Attributes:
        bootstrap: `bootstrap.servers`, as "127.0.0.1:40001".
        folder: its log directory.
    """

    bootstrap: str
    folder: Path


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that accepts clients.

    Attributes:
        url: its root, as "http://127.0.0.1:40002".
        service_url: what clients take as `eureka.client.serviceUrl.defaultZone`.
    """

    url: str
    service_url: str


@contextlib.contextmanager
def broker(folder: Path | None = None, settings: Mapping[str, str] | None = None) -> Iterator[RunningBroker]:
    """Run a broker for the time of a block.

    Args:
        folder: its log directory; a temporary one, removed at the end, when None.
        settings: Kafka's keys, as `{"num.partitions": "3"}`.

    Raises:
        TidelockError: it cannot start.
    """
    from tidelock.broker import Broker, BrokerSettings  # on first use: registry() does without them

    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidelock-broker-")))
        given = {"log.dir": str(folder), "listeners": "PLAINTEXT://127.0.0.1:0", **(settings or {})}
        made = stack.enter_context(_running(lambda: Broker(BrokerSettings.parse(given)), "broker"))
        yield RunningBroker(made.bootstrap, folder)


@contextlib.contextmanager
def registry(settings: Mapping[str, str] | None = None) -> Iterator[RunningRegistry]:
    """Run a registry for the time of a block.

    Args:
        settings: Eureka's keys, as `{"eureka.server.enableSelfPreservation": "false"}`.

    Raises:
        TidelockError: it cannot start.
    """
    from tidelock.discovery import RegistryServer, RegistrySettings  # on first use: broker() does without

    chosen = RegistrySettings.parse(settings or {})
    with _running(lambda: RegistryServer(chosen, bind_loopback(0, what="registry")), "registry") as made:
        yield RunningRegistry(made.url, f"{made.url}/eureka/")


@contextlib.contextmanager
def _running(make: Callable[[], S], name: str) -> Iterator[S]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=f"tidelock {name}", daemon=True)
    thread.start()

    def done(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE)

    try:
        service = done(_started(make))
        try:
            yield service
        finally:
            done(service.stop())
            done(loop.shutdown_default_executor())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _started(make: Callable[[], S]) -> S:
    service = make()
    try:
        await service.start()
    except BaseException:
        await service.stop()
        raise
    return service
