"""The plugins of this installation: by Java class name, by simple name, or as module:Class.

Ours are listed here, each once, with the names it answers to; third parties' come from entry point groups,
one per kind (`tidelock.connectors`, `.converters`, `.transforms`, `.predicates`). A plugin is imported
when it is used, never to be listed. Imports the api.

Source: Kafka `org.apache.kafka.connect.runtime.isolation.PluginUtils` (aliases).
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock import __version__
from tidelock.config import nearest
from tidelock.connect.api import Connector, Converter, PluginNotFound, SinkConnector, SourceConnector

GROUPS = {
    "connector": "tidelock.connectors",
    "converter": "tidelock.converters",
    "transformation": "tidelock.transforms",
    "predicate": "tidelock.predicates",
}


@dataclass(frozen=True, slots=True)
class Plugin:
    """One plugin.

    Attributes:
        name: the class name that it is listed under.
        kind: source, sink, connector (either), converter, transformation or predicate.
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
    Plugin(
        "io.confluent.connect.jdbc.JdbcSourceConnector",
        "source",
        "tidelock.connect.connectors.jdbc.source.connector:JdbcSourceConnector",
        ("io.aiven.connect.jdbc.JdbcSourceConnector",),
    ),
    *(
        Plugin(
            f"org.apache.kafka.connect.tools.{tool}{kind}Connector",
            kind.lower(),
            f"tidelock.connect.connectors.{tool.lower()}:{tool}{kind}Connector",
        )
        for tool in ("Mock", "Verifiable")
        for kind in ("Sink", "Source")
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
    *(
        Plugin(
            f"org.apache.kafka.connect.converters.{name}Converter",
            "converter",
            f"tidelock.connect.converters.numbers:{name}Converter",
        )
        for name in ("Boolean", "Double", "Float", "Integer", "Long", "Short")
    ),
    Plugin(
        "io.confluent.connect.json.JsonSchemaConverter",
        "converter",
        "tidelock.connect.converters.jsonschema.converter:JsonSchemaConverter",
    ),
    Plugin(
        "io.confluent.connect.protobuf.ProtobufConverter",
        "converter",
        "tidelock.connect.converters.protobuf.converter:ProtobufConverter",
    ),
    Plugin(
        "io.confluent.connect.avro.AvroConverter",
        "converter",
        "tidelock.connect.converters.avro.converter:AvroConverter",
    ),
)
TRANSFORMS = "tidelock.connect.transforms"
SIDED = {  # of the key or of the value
    "Cast": "cast",
    "ExtractField": "extract_field",
    "Flatten": "flatten",
    "HeaderFrom": "header_from",
    "HoistField": "hoist_field",
    "InsertField": "insert_field",
    "MaskField": "mask_field",
    "ReplaceField": "replace_field",
    "SetSchemaMetadata": "set_schema_metadata",
    "TimestampConverter": "timestamp_converter",
}
WHOLE = {
    "DropHeaders": "drop_headers",
    "Filter": "filter",
    "InsertHeader": "insert_header",
    "RegexRouter": "regex_router",
    "TimestampRouter": "timestamp_router",
    "ValueToKey": "value_to_key",
}
TRANSFORMATIONS = (
    *(
        Plugin(
            f"org.apache.kafka.connect.transforms.{name}${side}",
            "transformation",
            f"{TRANSFORMS}.{module}:{name}{side}",
        )
        for name, module in SIDED.items()
        for side in ("Key", "Value")
    ),
    *(
        Plugin(
            f"org.apache.kafka.connect.transforms.{name}", "transformation", f"{TRANSFORMS}.{module}:{name}"
        )
        for name, module in WHOLE.items()
    ),
)
PREDICATES = tuple(
    Plugin(
        f"org.apache.kafka.connect.transforms.predicates.{name}",
        "predicate",
        f"{TRANSFORMS}.predicates:{name}",
    )
    for name in ("HasHeaderKey", "RecordIsTombstone", "TopicNameMatches")
)
PYTHON = "python:"  # a transform that is a function
OURS = {
    "connector": CONNECTORS,
    "converter": CONVERTERS,
    "transformation": TRANSFORMATIONS,
    "predicate": PREDICATES,
}


def names_of(plugin: Plugin) -> list[str]:
    """Return every name that a plugin answers to: full, simple, and simple without its kind's suffix."""
    suffix = {"converter": "Converter", "transformation": "$", "predicate": "$"}.get(plugin.kind, "Connector")
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
        self._own = {**OURS, "connector": tuple(connectors), "converter": tuple(converters)}
        self._all: dict[str, tuple[Plugin, ...]] = {}
        self._indexes = {kind: _index(own) for kind, own in self._own.items()}

    def listed(self, kind: str) -> tuple[Plugin, ...]:
        """Return ours and the entry points' of a kind; those are looked for when needed, it takes a while.

        Args:
            kind: connector, converter, transformation or predicate.
        """
        if kind not in self._all:
            self._all[kind] = (*self._own[kind], *_entry_points(kind))
        return self._all[kind]

    @property
    def connectors(self) -> tuple[Plugin, ...]:
        """See `listed`."""
        return self.listed("connector")

    @property
    def converters(self) -> tuple[Plugin, ...]:
        """See `listed`."""
        return self.listed("converter")

    def connector(self, name: str) -> Plugin:
        """Return the connector of a class name.

        Raises:
            PluginNotFound: with the nearest name.
        """
        return self._found(name, "connector")

    def converter(self, name: str) -> Plugin:
        """Return the converter of a class name; PluginNotFound with the nearest otherwise."""
        return self._found(name, "converter")

    def transform(self, name: str) -> Plugin:
        """Return the transform of a class name, or of `python:module:function`; PluginNotFound otherwise."""
        if name.startswith(PYTHON):
            return Plugin(name, "transformation", name.removeprefix(PYTHON))
        return self._found(name, "transformation")

    def predicate(self, name: str) -> Plugin:
        """Return the predicate of a class name; PluginNotFound with the nearest otherwise."""
        return self._found(name, "predicate")

    def _found(self, name: str, kind: str) -> Plugin:
        if name not in self._indexes[kind]:
            self._indexes[kind] = _index(self.listed(kind))
        return _find(name, self._indexes[kind], kind)


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


def _find(name: str, known: Mapping[str, Plugin], kind: str) -> Plugin:
    found = known.get(name)
    if found is not None:
        return found
    if ":" in name:
        return Plugin(name, kind, name)
    near = nearest(name, known)
    raise PluginNotFound(
        f"no {kind} {name!r}" + (f"; did you mean {near}?" if near else ""),
        hint=f"list them with: tidelock connect plugins (entry point group {GROUPS[kind]}, or module:Class)",
    )


def _index(plugins: Sequence[Plugin]) -> dict[str, Plugin]:
    found: dict[str, Plugin] = {}
    for plugin in plugins:
        for name in names_of(plugin):
            found.setdefault(name, plugin)
    return found


def _entry_points(kind: str) -> list[Plugin]:
    found = []
    for entry in importlib.metadata.entry_points(group=GROUPS[kind]):
        version = entry.dist.version if entry.dist is not None else ""
        found.append(Plugin(entry.name, kind, entry.value, version=version))
    return found
