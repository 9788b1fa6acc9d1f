"""One instance's life in the registry: STARTING, UP once it serves, OUT_OF_SERVICE, gone.

Shared by the ASGI and the WSGI side of `register` and by `tidelock run`. Everything runs in one event loop.
This is a shell: it may use discovery.client and reads the environment through runtime.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.settings import DiscoverySettings, InstanceSettings
from tidelock.errors import TidelockError, UsageError
from tidelock.http.local import ZONE_KEY, accepts, registry_url
from tidelock.http.telling import Telling
from tidelock.runtime import SystemClock, environment

log = logging.getLogger(__name__)

PORT_VARIABLE = "PORT"
PATIENCE = 0.02
"""Seconds between two looks at the own port while starting."""

HEALTH_PATH, INFO_PATH, METRICS_PATH = "/actuator/health", "/actuator/info", "/actuator/prometheus"
EXPOSED_VARIABLE = "MANAGEMENT_ENDPOINTS_WEB_EXPOSURE_INCLUDE"
"""Spring's `management.endpoints.web.exposure.include` as a variable; "prometheus" opens METRICS_PATH."""

Health = Callable[[], Awaitable[bool]]


def actuator_paths(variables: Mapping[str, str]) -> frozenset[str]:
    """Return which paths are answered beside the application's: what it calls is told on request only."""
    included = {each.strip().lower() for each in variables.get(EXPOSED_VARIABLE, "").split(",")}
    return frozenset({HEALTH_PATH, INFO_PATH} | ({METRICS_PATH} if included & {"prometheus", "*"} else set()))


@dataclass(frozen=True)
class Options:
    """What `register` was told."""

    name: str
    port: int | None = None
    registry: str | None = None
    health: Health | None = None
    instance: InstanceSettings = field(default_factory=InstanceSettings)


class Announcement:
    """One instance, from its start to its end.

    1. `begin()` announces it as STARTING and, once its port accepts and it is healthy, as UP.
    2. `drain()`, where the port is still open, takes it out of service.
    3. `end()` cancels the lease; safe to call more than once.

    Attributes:
        instance: what the registry was told last; None before `begin`.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.instance: Instance | None = None
        self._client: DiscoveryClient | None = None
        self._rising: asyncio.Task[None] | None = None
        self._telling: Telling | None = None

    def begin(self) -> None:
        """Announce STARTING and watch for UP, in the background.

        Raises:
            TidelockError: the port is not known, or a setting is wrong.
        """
        port = self._port()
        client = self._client = DiscoveryClient(self._discovery_settings())
        instance = self.options.instance.instance(self.options.name, port, status=Status.STARTING)
        self.instance = instance
        self._rising = asyncio.create_task(self._rise(client, instance), name=f"{instance.app} registration")
        self._telling = Telling(client, instance, SystemClock())
        self._telling.start()

    async def risen(self) -> None:
        """Return when the instance was announced as UP (or, with no registry, would have been)."""
        if self._rising is not None:
            await asyncio.wait([self._rising])

    async def drain(self, within: float) -> None:
        """Take the instance out of service while its port is still open, so that callers go elsewhere.

        Args:
            within: seconds to wait for watchers of the registry to have applied it.
        """
        await self._settle()
        client, instance = self._client, self.instance
        if client is not None and instance is not None:
            self.instance = msgspec.structs.replace(instance, status=Status.OUT_OF_SERVICE)
            await client.drain(instance, within=within)

    async def end(self) -> None:
        """Cancel the lease."""
        client, self._client = self._client, None
        telling, self._telling = self._telling, None
        if self.instance is not None:
            self.instance = msgspec.structs.replace(self.instance, status=Status.OUT_OF_SERVICE)
        await self._settle()
        if telling is not None:
            await telling.stop()
        if client is not None:
            await client.stop()

    async def health(self) -> tuple[int, bytes]:
        """Return the status and body of /actuator/health, in Spring's layout."""
        status = self.instance.status if self.instance is not None else Status.UNKNOWN
        if status is Status.UP and not await self._is_healthy():
            status = Status.DOWN
        return 200 if status is Status.UP else 503, msgspec.json.encode({"status": status.value})

    def info(self) -> bytes:
        """Return the body of /actuator/info."""
        instance_id = self.instance.instance_id if self.instance is not None else None
        return msgspec.json.encode({"app": {"name": self.options.name, "instanceId": instance_id}})

    async def _settle(self) -> None:
        rising, self._rising = self._rising, None
        if rising is not None:
            rising.cancel()
            await asyncio.gather(rising, return_exceptions=True)

    async def _rise(self, client: DiscoveryClient, instance: Instance) -> None:
        try:
            await client.register(instance)
            while not await self._serves(instance):
                pass
            up = msgspec.structs.replace(instance, status=Status.UP, last_dirty_timestamp=0)
            self.instance = up
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

    async def _is_healthy(self) -> bool:
        health = self.options.health
        return True if health is None else await health()

    def _port(self) -> int:
        given = self.options.port
        text = environment().get(PORT_VARIABLE, "")
        if given is None and text.isdigit():
            given = int(text)
        if not given:
            raise UsageError(
                f"{self.options.name} cannot be registered: its port is not known",
                hint=f"register(app, {self.options.name!r}, port=8001), or set the variable {PORT_VARIABLE}",
            )
        return given

    def _discovery_settings(self) -> DiscoverySettings:
        url = self.options.registry or registry_url(environment())
        given: dict[str, Any] = {"eureka.client.fetchRegistry": False}
        if url is not None:
            given[ZONE_KEY] = url
        return DiscoverySettings.parse(given)
