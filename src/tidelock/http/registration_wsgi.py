"""The WSGI side of `register`: one thread with an event loop, for the registry's client alone.

WSGI has no start and no end. The instance is announced at once and becomes UP when its port accepts; it
leaves when the interpreter exits in order (a server's own SIGTERM handling, Ctrl-C, the end of the program).
A process that is killed is noticed by the registry, through the stream that ends with it. Worker processes of
one port are one instance: each announces and renews it, and when one leaves, the others' next heartbeat
brings it back.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, TypeAlias, TypeVar, cast

from tidelock.errors import TidelockError
from tidelock.http.announcing import INFO_PATH, METRICS_PATH, Announcement, Options, actuator_paths
from tidelock.http.prometheus import MEDIA, scraped
from tidelock.runtime import environment

log = logging.getLogger(__name__)

A = TypeVar("A")
WsgiApp: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

DRAIN = 0.5
"""Seconds at the end for callers to know; the port is closed by then in most servers."""

LEAVE_WITHIN = 5.0
"""Seconds that leaving may take an interpreter that exits."""

ANSWER_WITHIN = 5.0
"""Seconds for `health` to answer /actuator/health."""


def registered(app: A, options: Options) -> A:
    """Register a WSGI application; Flask's is changed in place.

    Raises:
        UsageError: its port is not known.
    """
    if hasattr(app, "wsgi_app"):
        flask = cast("Any", app)
        flask.wsgi_app = RegisteredWsgi(flask.wsgi_app, options)
        return app
    return cast("A", RegisteredWsgi(cast("WsgiApp", app), options))


class RegisteredWsgi:
    """A WSGI application with its registration around it."""

    def __init__(self, app: WsgiApp, options: Options) -> None:
        self._app = app
        self._options = options
        self._paths = actuator_paths(environment())
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a server may import first and fork then

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """See PEP 3333."""
        path = environ.get("PATH_INFO", "")
        if path not in self._paths:
            return self._app(environ, start_response)
        media = MEDIA if path == METRICS_PATH else "application/json"
        status, body = self._actuator(path)
        line = f"{status} {HTTPStatus(status).phrase}"
        start_response(line, [("Content-Type", media), ("Content-Length", str(len(body)))])
        return [body]

    def _actuator(self, path: str) -> tuple[int, bytes]:
        if path == METRICS_PATH:
            return 200, scraped.body()
        return (200, self._presence.announcement.info()) if path == INFO_PATH else self._presence.health()

    def _begin(self) -> None:
        self._presence = Presence(self._options)
        self._presence.begin()


class Presence:
    """The thread that keeps one instance in the registry.

    Attributes:
        announcement: used in the thread's loop only, but for reading.
    """

    def __init__(self, options: Options) -> None:
        self.announcement = Announcement(options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tidelock registration", daemon=True)

    def begin(self) -> None:
        """Announce the instance.

        Raises:
            UsageError: its port is not known.
        """
        self._thread.start()

        async def beginning() -> None:
            self.announcement.begin()

        asyncio.run_coroutine_threadsafe(beginning(), self._loop).result()
        atexit.register(self.end)

    def health(self) -> tuple[int, bytes]:
        """Return the status and body of /actuator/health."""
        asked = asyncio.run_coroutine_threadsafe(self.announcement.health(), self._loop)
        return asked.result(ANSWER_WITHIN)

    def end(self) -> None:
        """Leave the registry and end the thread; safe to call more than once."""
        atexit.unregister(self.end)
        if not self._thread.is_alive():
            return
        try:
            asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result(LEAVE_WITHIN)
        except (TidelockError, RuntimeError, TimeoutError) as error:
            log.warning("%s did not leave the registry: %s", self.announcement.options.name, error)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LEAVE_WITHIN)

    async def _leave(self) -> None:
        await self.announcement.drain(DRAIN)
        await self.announcement.end()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()
