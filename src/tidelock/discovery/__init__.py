"""Service discovery: an Eureka-compatible registry (server) and a client of any Eureka server.

`instance`, `lease`, `status`, `preservation`, `registry` and `replica` are rules without IO; `codec` reads
and writes Eureka's JSON and XML; `operations`, `documents` and `page` answer requests, `server` puts them
on a socket; `client` registers, renews and fetches over `transport`. The design page is
docs/design/discovery.md. Names are imported when they are first used, so that a client does not load the
server and vice versa.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.discovery.app import RegistryApp
    from tidelock.discovery.calls import Line, Report
    from tidelock.discovery.client import ApplicationsChanged, DiscoveryClient, Drained
    from tidelock.discovery.instance import Instance, Status
    from tidelock.discovery.operations import InstanceChanged
    from tidelock.discovery.server import RegistryServer
    from tidelock.discovery.settings import DiscoverySettings, InstanceSettings, RegistrySettings

__all__ = [
    "ApplicationsChanged",
    "DiscoveryClient",
    "DiscoverySettings",
    "Drained",
    "Instance",
    "InstanceChanged",
    "InstanceSettings",
    "Line",
    "RegistryApp",
    "RegistryServer",
    "RegistrySettings",
    "Report",
    "Status",
]

_HOMES = {
    "ApplicationsChanged": "client",
    "DiscoveryClient": "client",
    "DiscoverySettings": "settings",
    "Drained": "client",
    "Instance": "instance",
    "InstanceChanged": "operations",
    "InstanceSettings": "settings",
    "Line": "calls",
    "RegistryApp": "app",
    "RegistryServer": "server",
    "RegistrySettings": "settings",
    "Report": "calls",
    "Status": "instance",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
