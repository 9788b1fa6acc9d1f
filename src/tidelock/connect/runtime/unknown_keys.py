"""Keys of a connector's configuration that nobody reads, each with the nearest one that somebody does.

Kafka takes such keys without a word, and so does REST here: they are warnings of the worker's log and of the
command line. A plugin takes any key where its settings say so (`Settings.refusal` returns None), or where it
reads its properties without declaring them. Pure; imports the api, the plugins and the settings.

Source: Kafka `org.apache.kafka.common.config.AbstractConfig.logUnused`,
`org.apache.kafka.connect.runtime.ConnectorConfig.enrich`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tidelock.client import ClientSettings
from tidelock.config import UNKNOWN_KEY, ConfigError, Key, Problem, Settings, nearest
from tidelock.connect.api import (
    ConnectError,
    Connector,
    Converter,
    NoSettings,
    PluginNotFound,
    Predicate,
    Transform,
)
from tidelock.connect.runtime.chain import aliases, new_predicate, new_transform
from tidelock.connect.runtime.plugins import Plugins, connector_kind
from tidelock.connect.runtime.settings import SinkConnectorSettings, SourceConnectorSettings
from tidelock.connect.runtime.topic_creation import DEFAULT, PREFIX

CONVERTERS = ("key.converter", "value.converter", "header.converter")
STEPS = {"transforms": new_transform, "predicates": new_predicate}
CLIENTS = {"producer": "source", "consumer": "sink", "admin": ""}
"""Clients whose keys a connector overrides, and the kind whose keys of it are validated with the rest."""
VERSIONS = "plugin.version"
"""Last part of Kafka's keys that choose among several versions of a plugin (KIP-891); there is one here."""


@dataclass(frozen=True, slots=True)
class UnknownKeys:
    """Finds them.

    Args:
        plugins: what can be named.
        loaded: the connector class.
        config: the whole configuration.
        known: every key that was described for it.
    """

    plugins: Plugins
    loaded: type[Connector]
    config: Mapping[str, str]
    known: frozenset[str]

    def found(self) -> Iterator[Problem]:
        """Yield one problem per key, in the configuration's order."""
        for name in self.config:
            if name in self.known or name.endswith(f".{VERSIONS}"):
                continue
            problem = self._problem(name)
            if problem is not None:
                yield problem

    def _problem(self, name: str) -> Problem | None:
        for prefix in CONVERTERS:
            if name.startswith(f"{prefix}."):
                return self._of_converter(prefix, name)
        for kind in STEPS:
            if name.startswith(f"{kind}."):
                return self._of_step(kind, name)
        client, override, _ = name.partition(".override.")
        if override and client in CLIENTS:
            return self._of_client(client + override, name)
        if name.startswith(PREFIX) and connector_kind(self.loaded) == "source":
            return self._of_topic_group(name)
        return self._own(name)

    def _own(self, name: str) -> Problem | None:
        why = self.loaded.settings.refusal(name)
        kind = connector_kind(self.loaded)
        other = SourceConnectorSettings if kind == "sink" else SinkConnectorSettings
        if why == UNKNOWN_KEY and name in _names(other.describe()):
            there = "source" if kind == "sink" else "sink"
            return Problem(name, None, f"is a key of {there} connectors and has no effect in a {kind}")
        return _problem(name, why, self.known)

    def _of_converter(self, prefix: str, name: str) -> Problem | None:
        given = self.config.get(prefix)
        if not given:
            return Problem(name, None, f"has no effect: the connector has no {prefix} of its own")
        try:
            found = self.plugins.converter(given).load()
        except PluginNotFound:  # told at its own key
            return None
        return _of_plugin(found, f"{prefix}.", name)

    def _of_step(self, kind: str, name: str) -> Problem | None:
        listed = aliases(self.config, kind)
        inside = [one for one in listed if name.startswith(f"{kind}.{one}.")]
        if not inside:
            alias, _, rest = name.removeprefix(f"{kind}.").partition(".")
            near = nearest(alias, tuple(listed))
            meant = None if near is None else f"{kind}.{near}.{rest}"
            return Problem(name, None, f"has no effect: {kind} does not list {alias}", meant)
        prefix = f"{kind}.{max(inside, key=len)}."
        try:
            plugin = STEPS[kind](self.plugins, self.config.get(f"{prefix}type", ""))
        except (PluginNotFound, ConnectError):  # told at its own key
            return None
        shared = [one.removeprefix(prefix) for one in self.known if one.startswith(prefix)]
        return _of_plugin(type(plugin), prefix, name, shared)

    def _of_client(self, prefix: str, name: str) -> Problem | None:
        """Name what no client has; of a connector's main client that is an error already."""
        if CLIENTS[prefix.partition(".")[0]] == connector_kind(self.loaded):
            return None
        rest = name.removeprefix(prefix)
        try:
            ClientSettings.parse({rest: self.config[name]})
        except ConfigError as error:
            for one in error.problems:
                if one.key == rest and one.why == UNKNOWN_KEY:
                    return Problem(name, None, one.why, one.nearest and prefix + one.nearest)
        return None

    def _of_topic_group(self, name: str) -> Problem | None:
        """Name the groups that are not listed; what a topic may be set to is the broker's to know."""
        groups = [*aliases(self.config, f"{PREFIX}groups"), DEFAULT]
        if any(name.startswith(f"{PREFIX}{one}.") for one in groups):
            return None
        alias, _, rest = name.removeprefix(PREFIX).partition(".")
        near = nearest(alias, (*groups, "groups")) if rest else nearest(alias, ("groups",))
        meant = None if near is None else PREFIX + (f"{near}.{rest}" if rest else near)
        return Problem(name, None, f"has no effect: {PREFIX}groups does not list {alias}", meant)


def unknown_keys(
    plugins: Plugins, loaded: type[Connector] | None, config: Mapping[str, str], keys: Iterable[Key]
) -> tuple[Problem, ...]:
    """Return the keys that nobody reads; none where the connector itself is not known.

    Args:
        plugins: what can be named.
        loaded: the connector class.
        config: the whole configuration.
        keys: everything that was described for it.
    """
    if loaded is None:
        return ()
    return tuple(UnknownKeys(plugins, loaded, config, _names(keys)).found())


def _of_plugin(found: Any, prefix: str, name: str, shared: Iterable[str] = ()) -> Problem | None:
    """Return what is wrong with a key of a converter or a step."""
    settings: type[Settings] = getattr(found, "settings", NoSettings)
    rest = name.removeprefix(prefix)
    own = _names(settings.describe())
    if rest in own or (settings is NoSettings and _reads_properties(found)):
        return None
    problem = _problem(rest, settings.refusal(rest), (*shared, *own))
    if problem is None:
        return None
    return replace(problem, key=name, nearest=problem.nearest and prefix + problem.nearest)


def _problem(name: str, why: str | None, known: Iterable[str]) -> Problem | None:
    if why is None:
        return None
    return Problem(name, None, why, nearest(name, tuple(known)) if why == UNKNOWN_KEY else None)


def _names(keys: Iterable[Key]) -> frozenset[str]:
    return frozenset(name for item in keys for name in (item.name, item.synonym) if name is not None)


def _reads_properties(found: Any) -> bool:
    """Whether a plugin without declared keys has a `configure` of its own."""
    return getattr(found, "configure", None) not in (
        Transform.configure,
        Predicate.configure,
        Converter.configure,
        None,
    )
