"""The plugins of this installation: by Java class name, by simple name, or as module:Class.

Ours are listed here, each once, with the names it answers to; third parties' come from the entry point group
`tidelock.connectors` (converters: `tidelock.converters`). A plugin is imported when it is used, never to be
listed. Imports the api.

Source: Kafka `org.apache.kafka.connect.runtime.isolation.PluginUtils` (aliases).
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock import __version__
from tidelock.config import nearest
from tidelock.connect.api import Connector, Converter, PluginNotFound, SinkConnector, SourceConnector

CONNECTOR_GROUP, CONVERTER_GROUP = "tidelock.connectors", "tidelock.converters"


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin.

    Attributes:
        name: the class name that it is listed under.
        kind: source, sink or converter.
        path: "module:Class".
        aliases: other class names that it answers to; simple names follow from all of them.
    """

    name: str
    kind: str
    path: str
    aliases: tuple[str, ...] = ()
    version: str = __version__

    def load(self) -> Any:
        """Import the plugin's class.

        Raises:
            PluginNotFound: it cannot be imported; the text says what is missing.
        """
        module, _, name = self.path.partition(":")
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise PluginNotFound(f"{self.name} cannot be loaded: {error}", where=self.path) from error


FILE = "tidelock.connect.connectors.file"
CONNECTORS = (
    Plugin(
        "org.apache.kafka.connect.file.FileStreamSinkConnector", "sink", f"{FILE}:FileStreamSinkConnector"
    ),
    Plugin(
        "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "source",
        f"{FILE}:FileStreamSourceConnector",
    ),
    Plugin(
        "io.confluent.connect.jdbc.JdbcSinkConnector",
        "sink",
        "tidelock.connect.connectors.jdbc.sink:JdbcSinkConnector",
        ("io.aiven.connect.jdbc.JdbcSinkConnector",),
    ),
)
CONVERTERS = (
    Plugin(
        "org.apache.kafka.connect.converters.ByteArrayConverter",
        "converter",
        "tidelock.connect.converters.byte_array:ByteArrayConverter",
    ),
    Plugin(
        "org.apache.kafka.connect.json.JsonConverter",
        "converter",
        "tidelock.connect.converters.json:JsonConverter",
    ),
    Plugin(
        "org.apache.kafka.connect.storage.StringConverter",
        "converter",
        "tidelock.connect.converters.string:StringConverter",
    ),
    Plugin(
        "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        "converter",
        "tidelock.connect.converters.simple_header:SimpleHeaderConverter",
    ),
)


def names_of(plugin: Plugin) -> list[str]:
    """Return every name that a plugin answers to: full, simple, and simple without its kind's suffix."""
    suffix = "Converter" if plugin.kind == "converter" else "Connector"
    found = [plugin.path]
    for full in (plugin.name, *plugin.aliases):
        simple = full.rsplit(".", 1)[-1].rsplit(":", 1)[-1]
        found += [full, simple, simple.removesuffix(suffix)]
    return found


class Plugins:
    """The plugins that can be named in a configuration.

    Args:
        connectors: besides the entry points'; ours by default.
        converters: the same for converters.
    """

    def __init__(
        self,
        connectors: Sequence[Plugin] = CONNECTORS,
        converters: Sequence[Plugin] = CONVERTERS,
    ) -> None:
        self._own_connectors, self._own_converters = connectors, converters
        self._connectors = _index(connectors)
        self._converters = _index(converters)

    @functools.cached_property
    def connectors(self) -> tuple[Plugin, ...]:
        """Ours and the entry points', which are looked for only when they are needed: it takes a while."""
        return (*self._own_connectors, *_entry_points(CONNECTOR_GROUP))

    @functools.cached_property
    def converters(self) -> tuple[Plugin, ...]:
        """The same for converters."""
        return (*self._own_converters, *_entry_points(CONVERTER_GROUP))

    def connector(self, name: str) -> Plugin:
        """Return the connector of a class name.

        Raises:
            PluginNotFound: with the nearest name.
        """
        if name not in self._connectors:
            self._connectors = _index(self.connectors)
        return _find(name, self._connectors, "connector", CONNECTOR_GROUP)

    def converter(self, name: str) -> Plugin:
        """Return the converter of a class name; PluginNotFound with the nearest otherwise."""
        if name not in self._converters:
            self._converters = _index(self.converters)
        return _find(name, self._converters, "converter", CONVERTER_GROUP)


def connector_kind(loaded: type[Connector]) -> str:
    """Return `source`, `sink` or `unknown` for a connector class."""
    if issubclass(loaded, SourceConnector):
        return "source"
    return "sink" if issubclass(loaded, SinkConnector) else "unknown"


def new_converter(plugins: Plugins, name: str, props: Mapping[str, str], *, is_key: bool) -> Converter:
    """Make a converter and configure it with its unprefixed keys."""
    made: Converter = plugins.converter(name).load()()
    made.configure(props, is_key=is_key)
    return made


def _find(name: str, known: Mapping[str, Plugin], kind: str, group: str) -> Plugin:
    found = known.get(name)
    if found is not None:
        return found
    if ":" in name:
        return Plugin(name, kind, name)
    near = nearest(name, known)
    raise PluginNotFound(
        f"no {kind} {name!r}" + (f"; did you mean {near}?" if near else ""),
        hint=f"list them with: tidelock connect plugins (entry point group {group}, or module:Class)",
    )


def _index(plugins: Sequence[Plugin]) -> dict[str, Plugin]:
    found: dict[str, Plugin] = {}
    for plugin in plugins:
        for name in names_of(plugin):
            found.setdefault(name, plugin)
    return found


def _entry_points(group: str) -> list[Plugin]:
    found = []
    for entry in importlib.metadata.entry_points(group=group):
        kind = "converter" if group == CONVERTER_GROUP else "connector"
        version = entry.dist.version if entry.dist is not None else ""
        found.append(Plugin(entry.name, kind, entry.value, version=version))
    return found
