"""`register(app, "order-service")`: an application announces itself while it is served.

1. When an ASGI application has started, the instance is registered as STARTING; a WSGI application, which is
   not told when it starts, is registered at once.
2. When its port accepts connections and `health` says yes it becomes UP. Port 0 is not possible: the server
   does not tell the application which port it got.
3. When the server shuts down, the lease is cancelled. Callers that come between the closing of the port and
   the news are refused, which their clients know how to handle: nothing was sent.
4. Meanwhile the registry is told every ten seconds whom this process calls, for its page.

`/actuator/health`, `/actuator/info` and, where Spring's variable exposes it, `/actuator/prometheus` answer as
Spring's would, and the caller's deadline is kept (`middleware`). The instance's life is in `announcing`, the
WSGI side in `registration_wsgi`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, TypeVar, cast

from tidelock.discovery.settings import InstanceSettings
from tidelock.errors import TidelockError
from tidelock.http.announcing import INFO_PATH, METRICS_PATH, Announcement, Health, Options, actuator_paths
from tidelock.http.middleware import JSON, DeadlineMiddleware, TraceMiddleware
from tidelock.http.prometheus import MEDIA, scraped
from tidelock.runtime import environment
from tidelock.web import AsgiApp, Message, Receive, Scope, Send, send_reply

if TYPE_CHECKING:
    from starlette.applications import Starlette

log = logging.getLogger(__name__)

A = TypeVar("A")

WSGI_PARAMETERS = 2
"""`environ` and `start_response`; ASGI has three."""


def register(
    app: A,
    name: str,
    *,
    port: int | None = None,
    registry: str | None = None,
    health: Health | None = None,
    instance: InstanceSettings | None = None,
) -> A:
    """Make an application register itself while it is served.

    Args:
        app: Starlette, FastAPI and Flask are changed in place; any other ASGI or WSGI application is wrapped,
            so use the result.
        name: the service's name.
        port: where it is served; the variable PORT when None.
        registry: URL ending in /eureka/; the environment's, else the one on this machine, when None.
        health: asked before the instance becomes UP, and by /actuator/health.
        instance: `eureka.instance.*`: id, host name, intervals.

    Returns:
        The application to serve.

    Raises:
        UsageError: of a WSGI application the port is not known; an ASGI application says so when it starts.
    """
    options = Options(name, port, registry, health, instance or InstanceSettings())
    if hasattr(app, "add_middleware"):
        cast("Starlette", app).add_middleware(Registered, options=options)
        return app
    if is_wsgi(app):
        from tidelock.http.registration_wsgi import (
            registered,
        )  # its thread and loop only for those who need them

        return registered(app, options)
    return cast("A", Registered(cast("AsgiApp", app), options))


def is_wsgi(app: object) -> bool:
    """Whether an application is called as WSGI has it: Flask's, or anything else with two parameters."""
    if hasattr(app, "wsgi_app"):
        return True
    try:
        parameters = inspect.signature(cast("Any", app)).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [one for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    return len(needed) == WSGI_PARAMETERS and all(one.kind is not one.VAR_POSITIONAL for one in needed)


def registers_itself(app: object) -> bool:
    """Whether `register` was called for an ASGI application already."""
    middleware = getattr(app, "user_middleware", ())
    return isinstance(app, Registered) or any(one.cls is Registered for one in middleware)


class Registered:
    """An ASGI application with its registration around it.

    Attributes:
        announcement: the instance's life; a server of ours knows more of it than a lifespan tells.
    """

    def __init__(self, app: AsgiApp, options: Options) -> None:
        self._app = app
        self._bounded = DeadlineMiddleware(TraceMiddleware(app))
        self._paths = actuator_paths(environment())
        self.announcement = Announcement(options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in self._paths:
            await self._actuator(scope["path"], send)
        else:
            await self._bounded(scope, receive, send)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application's own lifespan; one that has none is given a minimal one."""
        answered = asked = False

        async def watching(message: Message) -> None:
            nonlocal answered
            answered = True
            if message["type"] == "lifespan.startup.complete":
                message = self._started()
            await send(message)

        async def listening() -> Message:
            nonlocal asked
            message = await receive()
            asked = True
            if message["type"] == "lifespan.shutdown":
                await self.announcement.end()
            return message

        running = asyncio.ensure_future(self._app(scope, listening, watching))
        try:
            await asyncio.wait([running])
        finally:
            running.cancel()
            await self.announcement.end()
        if answered:
            running.result()  # its failure, if it failed
            return
        if running.exception() is not None:
            log.debug("the application has no lifespan", exc_info=running.exception())
        if not asked:
            await receive()
        await send(self._started())
        await receive()
        await self.announcement.end()
        await send({"type": "lifespan.shutdown.complete"})

    def _started(self) -> Message:
        """Announce STARTING and watch for UP; returns the message for the server."""
        try:
            self.announcement.begin()
        except TidelockError as error:
            return {"type": "lifespan.startup.failed", "message": str(error)}
        return {"type": "lifespan.startup.complete"}

    async def _actuator(self, path: str, send: Send) -> None:
        if path == METRICS_PATH:
            await send_reply(send, 200, scraped.body(), [(b"content-type", MEDIA.encode())])
            return
        status, body = (
            (200, self.announcement.info()) if path == INFO_PATH else await self.announcement.health()
        )
        await send_reply(send, status, body, [JSON])
