"""Checks a connector's configuration, whole: every problem of every key, in the shape of Kafka's REST.

One description per key (tidelock.config) feeds the definitions, the defaults and the errors. Keys that nobody
knows are allowed, as in Kafka, and listed beside the errors (`unknown_keys`); a required key that is absent
says which unknown one looks like it. Imports the api, the plugins and the settings.

Source: Kafka `org.apache.kafka.connect.runtime.AbstractHerder.validateConnectorConfig`,
`rest.entities.ConfigInfos`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelock.client import ClientSettings
from tidelock.config import ConfigError, Key, Problem, Secret, Settings, nearest, parse_value
from tidelock.connect.api import ConnectError, Connector, PluginNotFound
from tidelock.connect.runtime.batching import merged_properties
from tidelock.connect.runtime.chain_validation import check_chain
from tidelock.connect.runtime.config_providers import Providers, without_values
from tidelock.connect.runtime.exactly_once_validation import exactly_once_problems
from tidelock.connect.runtime.kafka import require_eager
from tidelock.connect.runtime.plugins import Plugins, connector_kind
from tidelock.connect.runtime.redaction import HIDDEN, shown_value
from tidelock.connect.runtime.settings import (
    ConnectorSettings,
    SinkConnectorSettings,
    SourceConnectorSettings,
    WorkerSettings,
)
from tidelock.connect.runtime.topic_creation import topic_creation
from tidelock.connect.runtime.unknown_keys import CONVERTERS, unknown_keys

Config = Mapping[str, str | None]


@dataclass(slots=True)
class Checked:
    """A configuration and what is wrong with it.

    Attributes:
        name: the connector class as the client wrote it.
        config: as given.
        keys: the description of every key that applies.
        errors: key -> texts; also keys without a description.
        loaded: the connector class, if there is one.
        inherited: key -> the worker's value, for keys that a connector may leave to the worker.
        unknown: keys that nobody reads: no errors, as in Kafka.
    """

    name: str
    config: Config
    keys: list[Key]
    errors: dict[str, list[str]] = field(default_factory=dict)
    loaded: type[Connector] | None = None
    inherited: dict[str, str] = field(default_factory=dict)
    unknown: tuple[Problem, ...] = ()

    @property
    def kind(self) -> str:
        """Source, sink or unknown."""
        return "unknown" if self.loaded is None else connector_kind(self.loaded)

    @property
    def error_count(self) -> int:
        """How many errors there are."""
        return sum(len(texts) for texts in self.errors.values())

    def add(self, problems: Iterable[Problem]) -> None:
        """Note problems, each once."""
        for problem in problems:
            texts = self.errors.setdefault(problem.key, [])
            text = _java_text(problem)
            if text not in texts:
                texts.append(text)

    def as_config_infos(self) -> dict[str, Any]:
        """Return Kafka's ConfigInfos: definitions, values, recommendations and errors of every key."""
        known = {item.name for item in self.keys}
        infos: list[dict[str, Any]] = [
            {"definition": defined, "value": self._value(item)}
            for defined, item in zip(self._definitions(), self.keys, strict=True)
        ]
        infos += [
            {"definition": None, "value": _value_info(name, self._stranger(name), texts)}
            for name, texts in self.errors.items()
            if name not in known
        ]
        groups = list(dict.fromkeys(item.group for item in self.keys if item.group))
        return {"name": self.name, "error_count": self.error_count, "groups": groups, "configs": infos}

    def _definitions(self) -> list[dict[str, Any]]:
        """Return the definitions; what a connector inherits has the worker's value as its default."""
        return [
            {**one, "default_value": self.inherited.get(one["name"], one["default_value"])}
            for one in definitions(self.keys)
        ]

    def _value(self, item: Key) -> dict[str, Any]:
        given = self.config.get(item.name)
        secret = {item.name} if item.java_type == "PASSWORD" else ()
        shown = None if given is None else shown_value(item.name, given, secret)
        if given is None and item.name not in self.config:
            shown = self.inherited.get(item.name, default_text(item))
        return _value_info(item.name, shown, self.errors.get(item.name, []), list(item.choices))

    def _stranger(self, name: str) -> str | None:
        given = self.config.get(name)
        return None if given is None else shown_value(name, given)

    def message(self) -> str:
        """Return the text of Kafka's 400 answer: all errors, one a line."""
        lines = [text for texts in self.errors.values() for text in texts]
        return (
            f"Connector configuration is invalid and contains the following {self.error_count} error(s):\n"
            + "\n".join(lines)
            + "\nYou can also find the above list of errors at the endpoint "
            "`/connector-plugins/{connectorType}/config/validate`"
        )


def check(plugins: Plugins, config: Config, worker: Mapping[str, str]) -> Checked:
    """Validate a connector's configuration; it may open connections, where the connector's own check does.

    Args:
        plugins: what can be named.
        config: as the client gave it.
        worker: the worker's keys, for converters that the connector inherits.
    """
    name = config.get("connector.class") or ""
    loaded: type[Connector] | None = None
    problems: list[Problem] = []
    if name:
        try:
            loaded = plugins.connector(name).load()
        except PluginNotFound as error:
            problems.append(Problem("connector.class", name, f"{error.what}; {error.hint or error.where}"))
    common = common_settings(loaded)
    own: list[Key] = list(loaded.settings.describe()) if loaded is not None else []
    names = {item.name for item in common.describe()}
    checked = Checked(name, config, [*common.describe(), *(item for item in own if item.name not in names)])
    checked.loaded = loaded
    checked.inherited = {
        item.name: worker.get(item.name, item.default)
        for item in WorkerSettings.describe()
        if item.name in CONVERTERS
    }
    checked.add(problems)
    checked.add(_key_problems(checked.keys, config))
    checked.add(_kind_problems(checked.kind, config))
    given = {one: value for one, value in config.items() if value is not None}
    chain = check_chain(plugins, given)
    checked.keys += chain.keys
    checked.add(chain.problems)
    checked.add(_converter_problems(plugins, given, worker))
    checked.add(_client_problems(checked.kind, given))
    checked.unknown = unknown_keys(plugins, loaded, given, checked.keys)
    if loaded is not None and not checked.errors:
        checked.add(exactly_once_problems(loaded, given, worker))
        checked.add(loaded().validate(given))
    return checked


def check_with_references(
    plugins: Plugins, config: Config, worker: Mapping[str, str], providers: Providers
) -> Checked:
    """Validate a configuration whose references are resolved; the answer has the references again."""
    given = {name: value for name, value in config.items() if value is not None}
    problems: tuple[Problem, ...] = ()
    resolved = given
    try:
        resolved = providers.resolved(given)
    except ConfigError as error:
        problems = error.problems
    checked = check(plugins, {**config, **resolved}, worker)
    checked.config = config
    checked.errors = {
        name: [without_values(text, given, resolved) for text in texts]
        for name, texts in checked.errors.items()
    }
    checked.add(problems)
    return checked


def common_settings(loaded: type[Connector] | None) -> type[ConnectorSettings]:
    """Return the settings class with the keys that all connectors of this kind have."""
    kind = "unknown" if loaded is None else connector_kind(loaded)
    kinds = {"sink": SinkConnectorSettings, "source": SourceConnectorSettings}
    return kinds.get(kind, ConnectorSettings)


def _key_problems(keys: list[Key], config: Config) -> list[Problem]:
    problems = []
    known = {item.name for item in keys}
    strangers = tuple(name for name in config if name not in known)
    for item in keys:
        if item.name in config:
            why = parse_value(item, config[item.name])[1]
            if why is not None:
                shown = HIDDEN if item.java_type == "PASSWORD" else config[item.name]
                problems.append(Problem(item.name, shown, why))
        elif item.required:
            problems.append(Problem(item.name, None, "", nearest(item.name, strangers)))
    return problems


def _kind_problems(kind: str, config: Config) -> list[Problem]:
    problems: list[Problem] = []
    if kind == "source":
        try:
            topic_creation({name: value for name, value in config.items() if value is not None})
        except ConfigError as error:
            problems += error.problems
    if kind != "sink":
        return problems
    problems += _letter_problems(config)
    topics, regex = bool((config.get("topics") or "").strip(" ,")), bool(config.get("topics.regex"))
    if topics and regex:
        why = "topics and topics.regex are mutually exclusive options, but both are set."
        problems += [Problem(name, None, why) for name in ("topics", "topics.regex")]
    elif not topics and not regex:
        strangers = tuple(name for name in config if not name.startswith("topics"))
        why = "Must configure one of topics or topics.regex"
        problems.append(Problem("topics", None, why, nearest("topics", strangers)))
    return problems


def _letter_problems(config: Config) -> list[Problem]:
    """Check that the dead letter queue is not read by the connector itself."""
    name = "errors.deadletterqueue.topic.name"
    letters = (config.get(name) or "").strip()
    topics = [one.strip() for one in (config.get("topics") or "").split(",")]
    why = "The dead letter queue topic must not be one of the topics that the connector reads"
    try:
        matches = bool(letters and re.fullmatch(config.get("topics.regex") or "", letters))
    except re.error:  # told at its own key
        matches = False
    return [Problem(name, letters, why)] if letters and (letters in topics or matches) else []


def _converter_problems(
    plugins: Plugins, config: Mapping[str, str], worker: Mapping[str, str]
) -> list[Problem]:
    problems: list[Problem] = []
    for prefix in CONVERTERS:
        name = config.get(prefix)
        if not name:
            continue
        try:
            converter = plugins.converter(name).load()()  # made, to see that its library is there
            settings: type[Settings] = converter.settings
            settings.parse(merged_properties(worker, config, prefix), strict=False)
        except (PluginNotFound, ConnectError) as error:
            problems.append(Problem(prefix, name, f"{error.what}; {error.hint or error.where}"))
        except ConfigError as error:
            problems += [
                Problem(f"{prefix}.{one.key}", one.value, one.why, one.nearest) for one in error.problems
            ]
    return problems


def _client_problems(kind: str, config: Mapping[str, str]) -> list[Problem]:
    """Check the client keys that a connector overrides."""
    client = {"sink": "consumer", "source": "producer"}.get(kind)
    prefix = f"{client}.override."
    given = {name[len(prefix) :]: value for name, value in config.items() if name.startswith(prefix)}
    try:
        settings = ClientSettings.parse(given)
        if client == "consumer":
            require_eager(settings)
    except ConfigError as error:
        return [
            Problem(prefix + one.key, one.value, one.why, one.nearest and prefix + one.nearest)
            for one in error.problems
        ]
    return []


def _java_text(problem: Problem) -> str:
    """Return a problem in the words of Kafka's ConfigException."""
    if problem.value is None and problem.why:
        text = problem.why
    elif problem.value is None:
        text = f'Missing required configuration "{problem.key}" which has no default value.'
    else:
        shown = shown_value(problem.key, str(problem.value))
        text = f"Invalid value {shown} for configuration {problem.key}: {problem.why}"
    return f"{text.rstrip('.')}; did you mean it by {problem.nearest!r}?" if problem.nearest else text


def _value_info(
    name: str, value: str | None, errors: list[str], recommended: list[str] | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "recommended_values": recommended or [],
        "errors": errors,
        "visible": True,
    }


def definitions(keys: Iterable[Key]) -> list[dict[str, Any]]:
    """Return Kafka's ConfigKeyInfo of every key; keys with a group are numbered within it."""
    counts: Counter[str] = Counter()
    made = []
    for item in keys:
        if item.group is not None:
            counts[item.group] += 1
        made.append(_definition(item, counts[item.group] if item.group is not None else -1))
    return made


def _definition(item: Key, order: int) -> dict[str, Any]:
    return {
        "name": item.name,
        "type": item.java_type,
        "required": item.required,
        "default_value": default_text(item),
        "importance": item.importance.value,
        "documentation": item.doc,
        "group": item.group,
        "order_in_group": order,
        "width": "MEDIUM" if item.group is not None else "NONE",
        "display_name": item.name,
        "dependents": [],
    }


def default_text(item: Key) -> str | None:
    """Return a key's default as the text that a properties file would hold."""
    if item.required or item.default is None:
        return None
    if isinstance(item.default, Secret):
        return HIDDEN
    if isinstance(item.default, bool):
        return "true" if item.default else "false"
    if isinstance(item.default, tuple):
        return ",".join(str(one) for one in item.default)
    return str(item.default)


def secret_keys(loaded: type[Connector] | None) -> set[str]:
    """Return the names of a connector's keys whose values must not be shown."""
    if loaded is None:
        return set()
    return {item.name for item in loaded.settings.describe() if item.java_type == "PASSWORD"}
