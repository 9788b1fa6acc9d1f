"""`register(app, "order-service")`: an ASGI application announces itself while it is served.

1. When the application has started, the instance is registered as STARTING.
2. When its port accepts connections and `health` says yes it becomes UP. Port 0 is not possible: the server
   does not tell the application which port it got.
3. When the server shuts down, the lease is cancelled. Callers that come between the closing of the port and
   the news are refused, which their clients know how to handle: nothing was sent.
4. Meanwhile the registry is told every ten seconds whom this process calls, for its page.

`/actuator/health` and `/actuator/info` answer in Spring's layout, and the caller's deadline is kept
(`middleware`). This is a shell: it may use discovery.client and reads the environment through runtime.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.settings import DiscoverySettings, InstanceSettings
from tidelock.errors import TidelockError, UsageError
from tidelock.http.local import ZONE_KEY, accepts, registry_url
from tidelock.http.middleware import JSON, DeadlineMiddleware, TraceMiddleware
from tidelock.http.telling import Telling
from tidelock.runtime import SystemClock, environment
from tidelock.web import AsgiApp, Message, Receive, Scope, Send, send_reply

if TYPE_CHECKING:
    from starlette.applications import Starlette

log = logging.getLogger(__name__)

A = TypeVar("A")

PORT_VARIABLE = "PORT"
PATIENCE = 0.02
"""Seconds between two looks at the own port while starting."""

Health = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Options:
    """What `register` was told."""

    name: str
    port: int | None = None
    registry: str | None = None
    health: Health | None = None
    instance: InstanceSettings = field(default_factory=InstanceSettings)


def register(
    app: A,
    name: str,
    *,
    port: int | None = None,
    registry: str | None = None,
    health: Health | None = None,
    instance: InstanceSettings | None = None,
) -> A:
    """Make an ASGI application register itself while it is served.

    Args:
        app: Starlette and FastAPI are changed in place; any other application is wrapped, so use the result.
        name: the service's name.
        port: where it is served; the variable PORT when None.
        registry: URL ending in /eureka/; the environment's, else the one on this machine, when None.
        health: asked before the instance becomes UP, and by /actuator/health.
        instance: `eureka.instance.*`: id, host name, intervals.

    Returns:
        The application to serve.
    """
    options = Options(name, port, registry, health, instance or InstanceSettings())
    if hasattr(app, "add_middleware"):
        cast("Starlette", app).add_middleware(Registered, options=options)
        return app
    return cast("A", Registered(cast("AsgiApp", app), options))


class Registered:
    """The application with its registration around it."""

    def __init__(self, app: AsgiApp, options: Options) -> None:
        self._app = app
        self._bounded = DeadlineMiddleware(TraceMiddleware(app))
        self._options = options
        self._client: DiscoveryClient | None = None
        self._instance: Instance | None = None
        self._rising: asyncio.Task[None] | None = None
        self._telling: Telling | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in ("/actuator/health", "/actuator/info"):
            await self._actuator(scope["path"], send)
        else:
            await self._bounded(scope, receive, send)

    # life cycle

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application's own lifespan; one that has none is given a minimal one."""
        answered = asked = False

        async def watching(message: Message) -> None:
            nonlocal answered
            answered = True
            if message["type"] == "lifespan.startup.complete":
                message = await self._started()
            await send(message)

        async def listening() -> Message:
            nonlocal asked
            message = await receive()
            asked = True
            if message["type"] == "lifespan.shutdown":
                await self._stopped()
            return message

        running = asyncio.ensure_future(self._app(scope, listening, watching))
        try:
            await asyncio.wait([running])
        finally:
            running.cancel()
            await self._stopped()
        if answered:
            running.result()  # its failure, if it failed
            return
        if running.exception() is not None:
            log.debug("the application has no lifespan", exc_info=running.exception())
        if not asked:
            await receive()
        await send(await self._started())
        await receive()
        await self._stopped()
        await send({"type": "lifespan.shutdown.complete"})

    async def _started(self) -> Message:
        """Announce STARTING and watch for UP; returns the message for the server."""
        try:
            port = self._port()
            settings = self._discovery_settings()
        except TidelockError as error:
            return {"type": "lifespan.startup.failed", "message": str(error)}
        client = self._client = DiscoveryClient(settings)
        instance = self._options.instance.instance(self._options.name, port, status=Status.STARTING)
        self._instance = instance
        self._rising = asyncio.create_task(self._rise(client, instance), name=f"{instance.app} registration")
        self._telling = Telling(client, instance, SystemClock())
        self._telling.start()
        return {"type": "lifespan.startup.complete"}

    async def _rise(self, client: DiscoveryClient, instance: Instance) -> None:
        try:
            await client.register(instance)
            while not await self._serves(instance):
                pass
            up = msgspec.structs.replace(instance, status=Status.UP, last_dirty_timestamp=0)
            self._instance = up
            await client.register(up)
            log.info("%s is UP at %s", up.app, up.url, extra={"instance": up.instance_id})
        except TidelockError as error:
            log.error("%s is not registered: %s", instance.app, error)

    async def _serves(self, instance: Instance) -> bool:
        """Whether the port accepts and the application is healthy; takes a moment when not."""
        if await accepts(instance.url) and await self._is_healthy():
            return True
        await asyncio.sleep(PATIENCE)
        return False

    async def _stopped(self) -> None:
        client, self._client = self._client, None
        rising, self._rising = self._rising, None
        telling, self._telling = self._telling, None
        if self._instance is not None:
            self._instance = msgspec.structs.replace(self._instance, status=Status.OUT_OF_SERVICE)
        if rising is not None:
            rising.cancel()
            await asyncio.gather(rising, return_exceptions=True)
        if telling is not None:
            await telling.stop()
        if client is not None:
            await client.stop()

    def _port(self) -> int:
        given = self._options.port
        text = environment().get(PORT_VARIABLE, "")
        if given is None and text.isdigit():
            given = int(text)
        if not given:
            raise UsageError(
                f"{self._options.name} cannot be registered: its port is not known",
                hint=f"register(app, {self._options.name!r}, port=8001), or set the variable {PORT_VARIABLE}",
            )
        return given

    def _discovery_settings(self) -> DiscoverySettings:
        url = self._options.registry or registry_url(environment())
        given: dict[str, Any] = {"eureka.client.fetchRegistry": False}
        if url is not None:
            given[ZONE_KEY] = url
        return DiscoverySettings.parse(given)

    # /actuator

    async def _actuator(self, path: str, send: Send) -> None:
        instance = self._instance
        if path == "/actuator/info":
            shown = {"name": self._options.name, "instanceId": instance.instance_id if instance else None}
            await send_reply(send, 200, msgspec.json.encode({"app": shown}), [JSON])
            return
        status = instance.status if instance is not None else Status.UNKNOWN
        if status is Status.UP and not await self._is_healthy():
            status = Status.DOWN
        code = 200 if status is Status.UP else 503
        await send_reply(send, code, msgspec.json.encode({"status": status.value}), [JSON])

    async def _is_healthy(self) -> bool:
        health = self._options.health
        return True if health is None else await health()
