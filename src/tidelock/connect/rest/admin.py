"""`/admin/loggers`: the levels of the worker's and its tasks' loggers.

Source: Kafka `org.apache.kafka.connect.runtime.rest.resources.LoggingResource`.
"""

from __future__ import annotations

from collections.abc import Sequence

from tidelock.connect.rest.routing import Reply, Request, Route
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.herder import StandaloneHerder
from tidelock.connect.runtime.loggers import level_of

CLUSTER = "cluster"  # any other scope is this worker, as in Kafka


class AdminResource:
    """The handlers; each method's docstring begins with what it answers."""

    def __init__(self, herder: StandaloneHerder) -> None:
        self._herder = herder

    def routes(self) -> Sequence[Route]:
        """Return the table of this resource."""
        return (
            Route("GET", "/admin/loggers", self.list),
            Route("GET", "/admin/loggers/*", self.level),
            Route("PUT", "/admin/loggers/*", self.set_level),
        )

    async def list(self, request: Request) -> Reply:
        """Every logger with its level."""
        return Reply(body=self._herder.loggers.shown())

    async def level(self, request: Request) -> Reply:
        """One logger."""
        return Reply(body=self._herder.loggers.one(request.segments[0]))

    async def set_level(self, request: Request) -> Reply:
        """The loggers that changed; 204 for the whole cluster."""
        given = await request.json()
        if not isinstance(given, dict):
            raise InvalidConfig('the body is {"level": "DEBUG"}')
        name, level = request.segments[0], level_of(given.get("level"))
        if (request.query("scope") or [""])[-1].lower() == CLUSTER:
            await self._herder.set_cluster_log_level(name, level)
            return Reply(204)
        return Reply(body=self._herder.set_log_level(name, level))
