"""The source that a client gets when it names none: works on a laptop and in production without a change.

Per service: the variable `TIDELOCK_SERVICES_<NAME>`; else the registry at `EUREKA_CLIENT_SERVICEURL_DEFAULTZONE`;
else the registry at `http://127.0.0.1:8761/eureka/` if it answers. Which one it was is logged once, with the reason.
This is a shell: it reads the environment through runtime and may use discovery.client.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tidelock.discovery.instance import Instance
from tidelock.http.source import EnvironmentSource
from tidelock.runtime import Clock, environment

if TYPE_CHECKING:
    from tidelock.discovery.client import DiscoveryClient

log = logging.getLogger(__name__)

ZONE_VARIABLE = "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE"
DEFAULT_ZONE = "http://127.0.0.1:8761/eureka/"
PROBE_PATIENCE = 0.5
"""Seconds for the registry on this machine to accept a connection."""


class LocalFirst:
    """Environment, then the configured registry, then the one on this machine.

    Args:
        clock: for the registry's client.
        variables: the environment; the process's own when None.
    """

    def __init__(self, clock: Clock, variables: Mapping[str, str] | None = None) -> None:
        self._clock = clock
        self._variables = environment() if variables is None else variables
        self._fixed = EnvironmentSource(self._variables)
        self._registry: DiscoveryClient | None = None
        self._starting = asyncio.Lock()

    def instances(self, app: str) -> Sequence[Instance]:
        """See Source."""
        fixed = self._fixed.instances(app)
        if fixed or self._registry is None:
            return fixed
        return self._registry.instances(app)

    async def refresh(self) -> None:
        """Find the registry if none was found yet, and fetch from it."""
        async with self._starting:
            if self._registry is not None:
                await self._registry.refresh()
                return
            zone, why = self._variables.get(ZONE_VARIABLE), f"{ZONE_VARIABLE} says so"
            if not zone:
                if not await answers(DEFAULT_ZONE):
                    log.info("no registry", extra={"looked_at": [ZONE_VARIABLE, DEFAULT_ZONE]})
                    return
                zone, why = DEFAULT_ZONE, "it answers, and nothing else is configured"
            self._registry = await self._start(zone)
            log.info("instances come from the registry at %s", zone, extra={"why": why})

    async def _start(self, zone: str) -> DiscoveryClient:
        from tidelock.discovery.client import DiscoveryClient  # a process with fixed addresses needs none
        from tidelock.discovery.settings import DiscoverySettings

        settings = DiscoverySettings.parse({"eureka.client.serviceUrl.defaultZone": zone})
        client = DiscoveryClient(settings, clock=self._clock)
        await client.start()
        return client

    async def close(self) -> None:
        """Stop the registry's client, if one was started."""
        registry, self._registry = self._registry, None
        if registry is not None:
            await registry.stop()


async def answers(url: str) -> bool:
    """Whether somebody accepts connections at a URL's address."""
    parts = urllib.parse.urlsplit(url)
    try:
        async with asyncio.timeout(PROBE_PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
