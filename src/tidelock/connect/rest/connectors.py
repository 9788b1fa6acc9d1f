"""`/connectors` and everything beneath it.

Bodies and codes are Kafka's; where ours differ on purpose, docs/compat/connect.md says so. Imports the
herder.

Source: Kafka `org.apache.kafka.connect.runtime.rest.resources.ConnectorsResource`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from tidelock.connect.rest.routing import Reply, Request, Route
from tidelock.connect.runtime.entries import PAUSED, STARTED, STOPPED
from tidelock.connect.runtime.errors import InvalidConfig, UnknownConnector
from tidelock.connect.runtime.herder import StandaloneHerder

INITIAL_STATES = {"RUNNING": STARTED, "PAUSED": PAUSED, "STOPPED": STOPPED}


def text_values(given: Any) -> dict[str, str | None]:
    """Return a configuration as texts: numbers and booleans as Java would write them, null stays null.

    Raises:
        InvalidConfig: it is no flat JSON object.
    """
    if not isinstance(given, dict):
        raise InvalidConfig("a configuration is a JSON object of texts")
    made: dict[str, str | None] = {}
    for name, value in given.items():
        if isinstance(value, dict | list):
            raise InvalidConfig(f"the value of {name!r} must be text, not {type(value).__name__}")
        if isinstance(value, bool):
            made[name] = "true" if value else "false"
        else:
            made[name] = value if value is None else str(value)
    return made


class ConnectorsResource:
    """The handlers; each method's docstring begins with what it answers."""

    def __init__(self, herder: StandaloneHerder) -> None:
        self._herder = herder

    def routes(self) -> Sequence[Route]:
        """Return the table of this resource."""
        one = "/connectors/*"
        return (
            Route("GET", "/connectors", self.list),
            Route("POST", "/connectors", self.create),
            Route("GET", one, self.info),
            Route("DELETE", one, self.delete),
            Route("GET", f"{one}/config", self.config),
            Route("PUT", f"{one}/config", self.put_config),
            Route("PATCH", f"{one}/config", self.patch_config),
            Route("PUT", f"{one}/config/compare", self.compare_config),
            Route("GET", f"{one}/status", self.status),
            Route("GET", f"{one}/progress", self.progress),
            Route("GET", f"{one}/tasks", self.tasks),
            Route("GET", f"{one}/tasks/*/status", self.task_status),
            Route("POST", f"{one}/tasks/*/restart", self.restart_task),
            Route("PUT", f"{one}/pause", self.pause),
            Route("PUT", f"{one}/resume", self.resume),
            Route("PUT", f"{one}/stop", self.stop),
            Route("POST", f"{one}/restart", self.restart),
            Route("GET", f"{one}/topics", self.topics),
            Route("PUT", f"{one}/topics/reset", self.reset_topics),
        )

    async def list(self, request: Request) -> Reply:
        """The names; with `expand`, name -> what was asked, of those that have a status by now (as Kafka)."""
        wanted = {"status": self._herder.status, "info": self._herder.info}
        chosen = {name: ask for name, ask in wanted.items() if name in request.query("expand")}
        names = self._herder.connectors()
        if not request.query("expand"):
            return Reply(body=names)
        found = {}
        for name in names:
            with contextlib.suppress(UnknownConnector):
                found[name] = {part: ask(name) for part, ask in chosen.items()}
        return Reply(body=found)

    async def create(self, request: Request) -> Reply:
        """201 and the new connector."""
        given = await request.json()
        if not isinstance(given, dict) or not isinstance(given.get("config"), dict):
            raise InvalidConfig('the body is {"name": ..., "config": {...}}')
        config = text_values(given["config"])
        name = str(given.get("name") or config.get("name") or "").strip()
        state = given.get("initial_state")
        target = None if state is None else INITIAL_STATES.get(str(state).upper())
        if state is not None and target is None:
            raise InvalidConfig(f"initial_state {state!r} is not one of {', '.join(INITIAL_STATES)}")
        await self._herder.put_config(name, config, target=target, may_replace=False)
        return Reply(201, self._herder.info(name), _location(request, name))

    async def info(self, request: Request) -> Reply:
        """The connector."""
        return Reply(body=self._herder.info(request.segments[0]))

    async def delete(self, request: Request) -> Reply:
        """204."""
        await self._herder.delete(request.segments[0])
        return Reply(204)

    async def config(self, request: Request) -> Reply:
        """The configuration, flat."""
        return Reply(body=self._herder.config(request.segments[0]))

    async def put_config(self, request: Request) -> Reply:
        """200, or 201 for a new connector."""
        return await self._put(request, request.segments[0].strip(), text_values(await request.json()))

    async def compare_config(self, request: Request) -> Reply:
        """The keys that putting this configuration would change; not in Kafka."""
        changed = self._herder.changed_keys(request.segments[0], text_values(await request.json()))
        return Reply(body={"changed": changed})

    async def patch_config(self, request: Request) -> Reply:
        """200; null removes a key (KIP-477)."""
        name = request.segments[0]
        changes = text_values(await request.json())
        merged = {**self._herder.config(name), **changes}
        kept: dict[str, str | None] = {key: value for key, value in merged.items() if value is not None}
        return await self._put(request, name, kept)

    async def _put(self, request: Request, name: str, config: dict[str, str | None]) -> Reply:
        made = await self._herder.put_config(name, config)
        location = _location(request, name) if made else None
        return Reply(201 if made else 200, self._herder.info(name), location)

    async def status(self, request: Request) -> Reply:
        """States of the connector and its tasks."""
        return Reply(body=self._herder.status(request.segments[0]))

    async def progress(self, request: Request) -> Reply:
        """Processes, records and restarts of the tasks; not in Kafka."""
        return Reply(body=self._herder.progress(request.segments[0]))

    async def tasks(self, request: Request) -> Reply:
        """The tasks with their configurations."""
        return Reply(body=self._herder.task_infos(request.segments[0]))

    async def task_status(self, request: Request) -> Reply:
        """State of one task."""
        return Reply(body=self._herder.task_status(request.segments[0], _number(request)))

    async def restart_task(self, request: Request) -> Reply:
        """204 when the task was started again."""
        await self._herder.restart_task(request.segments[0], _number(request))
        return Reply(204)

    async def pause(self, request: Request) -> Reply:
        """202."""
        await self._herder.set_target(request.segments[0], PAUSED)
        return Reply(202)

    async def resume(self, request: Request) -> Reply:
        """202."""
        await self._herder.set_target(request.segments[0], STARTED)
        return Reply(202)

    async def stop(self, request: Request) -> Reply:
        """204: the tasks have ended."""
        await self._herder.set_target(request.segments[0], STOPPED)
        return Reply(204)

    async def restart(self, request: Request) -> Reply:
        """204 for the connector alone, else 202 and the status with what restarts."""
        include, only = request.flag("includeTasks", False), request.flag("onlyFailed", False)
        status = await self._herder.restart(request.segments[0], include_tasks=include, only_failed=only)
        return Reply(202, status) if include or only else Reply(204)

    async def topics(self, request: Request) -> Reply:
        """The topics that it used."""
        name = request.segments[0]
        return Reply(body={name: {"topics": self._herder.topics(name)}})

    async def reset_topics(self, request: Request) -> Reply:
        """202."""
        self._herder.reset_topics(request.segments[0])
        return Reply(202)


def _location(request: Request, name: str) -> str:
    return f"http://{request.host}/connectors/{quote(name, safe='')}"


def _number(request: Request) -> int:
    try:
        return int(request.segments[1])
    except ValueError:
        raise UnknownConnector("HTTP 404 Not Found") from None  # no path of ours, as in Kafka
