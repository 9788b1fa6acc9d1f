"""`/`, `/health` and `/connector-plugins`.

Source: Kafka `org.apache.kafka.connect.runtime.rest.resources.{RootResource, ConnectorPluginsResource}`,
KIP-1017.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from tidelock import __version__
from tidelock.connect.api import PluginNotFound
from tidelock.connect.rest.connectors import text_values
from tidelock.connect.rest.routing import Reply, Request, Route
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.herder import StandaloneHerder
from tidelock.connect.runtime.plugins import Plugin, Plugins, connector_kind
from tidelock.connect.runtime.validation import Checked, common_settings, definitions


class PluginsResource:
    """The handlers; each method's docstring begins with what it answers."""

    def __init__(self, herder: StandaloneHerder) -> None:
        self._herder = herder
        self._cluster_id: str | None = None

    def routes(self) -> Sequence[Route]:
        """Return the table of this resource."""
        return (
            Route("GET", "/", self.root),
            Route("GET", "/health", self.health),
            Route("GET", "/connector-plugins", self.list),
            Route("GET", "/connector-plugins/*/config", self.config),
            Route("PUT", "/connector-plugins/*/config/validate", self.validate),
            Route("PUT", "/connector-plugins/*/config/unknown", self.unknown),
        )

    async def root(self, request: Request) -> Reply:
        """Version and the cluster's id; null while no broker answers."""
        if self._cluster_id is None:
            from tidelock.connect.runtime.cluster import cluster_id  # codecs that nothing else here needs

            self._cluster_id = await cluster_id(self._herder.settings.originals)
        found = {"version": __version__, "commit": "tidelock", "kafka_cluster_id": self._cluster_id}
        return Reply(body=found)

    async def health(self, request: Request) -> Reply:
        """Healthy: whoever answers has started."""
        text = "Worker has completed startup and is ready to handle requests."
        return Reply(body={"status": "healthy", "message": text})

    async def list(self, request: Request) -> Reply:
        """The connectors; with connectorsOnly=false also converters, transformations and predicates."""
        plugins = [*self._herder.plugins.connectors]
        if not request.flag("connectorsOnly", True):
            for kind in ("converter", "transformation", "predicate"):
                plugins += self._herder.plugins.listed(kind)
        kinds = await asyncio.to_thread(lambda: [_kind(plugin) for plugin in plugins])
        return Reply(
            body=[
                {"class": plugin.name, "type": kind, "version": plugin.version}
                for plugin, kind in zip(plugins, kinds, strict=True)
                if kind is not None
            ]
        )

    async def config(self, request: Request) -> Reply:
        """The definitions of a plugin's own keys, then those that all connectors of its kind have."""
        plugin = self._plugin(request.segments[0])
        loaded = await asyncio.to_thread(plugin.load)
        own = loaded.settings.describe()
        names = {item.name for item in own}
        is_connector = plugin.kind in ("sink", "source", "connector")
        shared = common_settings(loaded).describe() if is_connector else ()
        return Reply(body=definitions([*own, *(item for item in shared if item.name not in names)]))

    async def validate(self, request: Request) -> Reply:
        """200 and Kafka's ConfigInfos, also when there are errors."""
        return Reply(body=(await self._checked(request)).as_config_infos())

    async def unknown(self, request: Request) -> Reply:
        """The keys of a configuration that nobody reads; not in Kafka."""
        found = (await self._checked(request)).unknown
        return Reply(
            body={"unknown": [{"key": one.key, "why": one.why, "nearest": one.nearest} for one in found]}
        )

    async def _checked(self, request: Request) -> Checked:
        name = request.segments[0]
        config = text_values(await request.json())
        given = config.get("connector.class")
        plugins = self._herder.plugins
        if given is None:
            config["connector.class"] = name
        elif (path := _path(plugins, name)) is None or path != (_path(plugins, given) or path):
            raise InvalidConfig(
                f"Included connector type {given} does not match request type {name.rsplit('.', 1)[-1]}"
            )
        return await self._herder.validate(config)

    def _plugin(self, name: str) -> Plugin:
        plugins = self._herder.plugins
        for find in (plugins.converter, plugins.transform, plugins.predicate):
            with contextlib.suppress(PluginNotFound):
                return find(name)
        return plugins.connector(name)


def _path(plugins: Plugins, name: str) -> str | None:
    try:
        return plugins.connector(name).path
    except PluginNotFound:
        return None


def _kind(plugin: Plugin) -> Any:
    """Return a plugin's type; one that cannot be loaded (a missing driver) is not listed."""
    if plugin.kind != "connector":
        return plugin.kind
    try:
        return connector_kind(plugin.load())
    except PluginNotFound:
        return None
