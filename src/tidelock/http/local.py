"""The source that a client gets when it names none: works on a laptop and in production without a change.

Per service: the variable `TIDELOCK_SERVICES_<NAME>`; else the registry at
`EUREKA_CLIENT_SERVICEURL_DEFAULTZONE`; else the registry at `http://127.0.0.1:8761/eureka/` if it answers.
Which one it was is logged once, with the reason. This is a shell: it reads the environment through runtime
and may use discovery.client.
"""

from __future__ import annotations

import asyncio
import logging
import urllib.parse
from collections.abc import Mapping, Sequence

from tidelock.discovery.client import DiscoveryClient
from tidelock.discovery.instance import Instance
from tidelock.discovery.settings import DEFAULT_URL, DiscoverySettings
from tidelock.errors import UnreachableError
from tidelock.http.source import EnvironmentSource
from tidelock.http.telling import Suspecting
from tidelock.runtime import Clock, environment

log = logging.getLogger(__name__)

ZONE_VARIABLE = "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE"
ZONE_KEY = "eureka.client.serviceUrl.defaultZone"

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
        self._suspecting: Suspecting | None = None
        self._starting = asyncio.Lock()

    def instances(self, app: str) -> Sequence[Instance]:
        """See Source."""
        fixed = self._fixed.instances(app)
        if fixed or self._registry is None:
            return fixed
        return self._registry.instances(app)

    async def refresh(self) -> None:
        """Find the registry if none was found yet, and fetch from it.

        Raises:
            UnreachableError: there is none.
            TidelockError: it cannot be fetched.
        """
        async with self._starting:
            if self._registry is not None:
                await self._registry.refresh()
                return
            url, why = registry_url(self._variables), f"{ZONE_VARIABLE} says so"
            if url is None:
                if not await accepts(DEFAULT_URL):
                    raise UnreachableError(
                        f"no registry is configured ({ZONE_VARIABLE}), and none answers at {DEFAULT_URL}",
                        hint="tidelock up registry",
                    )
                url, why = DEFAULT_URL, "it answers, and no other is configured"
            registry = DiscoveryClient(DiscoverySettings.parse({ZONE_KEY: url}), clock=self._clock)
            await registry.start()
            self._registry = registry
            self._suspecting = Suspecting(registry)
            self._suspecting.start()
            log.info("instances come from the registry at %s", url, extra={"why": why})

    async def close(self) -> None:
        """Stop the registry's client, if one was started."""
        registry, self._registry = self._registry, None
        suspecting, self._suspecting = self._suspecting, None
        if suspecting is not None:
            await suspecting.stop()
        if registry is not None:
            await registry.stop()


def registry_url(variables: Mapping[str, str]) -> str | None:
    """Return the registry that the environment names, if it names one."""
    return variables.get(ZONE_VARIABLE) or None


async def accepts(url: str) -> bool:
    """Whether somebody accepts connections at a URL's address."""
    parts = urllib.parse.urlsplit(url)
    try:
        async with asyncio.timeout(PROBE_PATIENCE):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
