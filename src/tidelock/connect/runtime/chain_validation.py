"""Checks the transforms and predicates of a configuration: every key of every step, and the references.

Gives the description of each step's keys too, under its prefix, so that `validate` shows them. Imports the
api, the plugins and the chain.

Source: Kafka `org.apache.kafka.connect.runtime.ConnectorConfig.enrich`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tidelock.config import ConfigError, Key, Problem, Settings, key, nearest
from tidelock.connect.api import ConnectError, NoSettings, PluginNotFound
from tidelock.connect.runtime.chain import aliases, keys_under, new_predicate, new_transform
from tidelock.connect.runtime.plugins import Plugins


class StepSettings(Settings):
    """Keys of every transform, under `transforms.<alias>.`."""

    type: str = key(doc="The transform: a Java class name, module:Class, or python:module:function.")
    predicate: str = key(default="", doc="Name of a predicate; the transform applies where it holds.")
    negate: bool = key(default=False, doc="Whether it applies where the predicate does not hold.")


class PredicateSettings(Settings):
    """Keys of every predicate, under `predicates.<alias>.`."""

    type: str = key(doc="The predicate: a Java class name, or module:Class.")


@dataclass(slots=True)
class CheckedChain:
    """What was found.

    Attributes:
        keys: descriptions, with their prefixes.
        problems: with the whole keys.
    """

    keys: list[Key] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def check_chain(plugins: Plugins, config: Mapping[str, str]) -> CheckedChain:
    """Validate the transforms and predicates of a configuration."""
    found = CheckedChain()
    for kind, shared, make in (
        ("transforms", StepSettings, new_transform),
        ("predicates", PredicateSettings, new_predicate),
    ):
        named = aliases(config, kind)
        for alias in dict.fromkeys(named):
            if named.count(alias) > 1:
                found.problems.append(Problem(kind, config[kind], f"Duplicate alias provided: {alias}"))
            _check_step(found, plugins, config, (kind, alias), shared, make)
    _check_references(found, config)
    return found


def _check_step(
    found: CheckedChain,
    plugins: Plugins,
    config: Mapping[str, str],
    place: tuple[str, str],
    shared: type[Settings],
    make: Any,
) -> None:
    kind, alias = place
    prefix = f"{kind}.{alias}."
    given = keys_under(config, prefix)
    _, problems = shared.examine(given, strict=False)
    plugin = None
    if given.get("type"):
        try:
            plugin = make(plugins, given["type"])
        except (PluginNotFound, ConnectError) as error:
            problems.append(Problem("type", given["type"], f"{error.what}; {error.hint or error.where}"))
    own: type[Settings] = NoSettings if plugin is None else plugin.settings
    group = f"{kind.capitalize()}: {alias}"
    found.keys += [
        replace(item, name=prefix + item.name, group=group) for item in (*shared.describe(), *own.describe())
    ]
    if plugin is not None:
        try:
            plugin.configure(given)
        except ConfigError as error:
            strangers = tuple(set(given) - {item.name for item in (*shared.describe(), *own.describe())})
            problems += [_with_nearest(one, strangers) for one in error.problems]
        else:
            plugin.close()
    found.problems += [replace(one, key=prefix + one.key) for one in problems]


def _with_nearest(problem: Problem, strangers: tuple[str, ...]) -> Problem:
    if problem.value is None and problem.nearest is None:
        return replace(problem, nearest=nearest(problem.key, strangers))
    return problem


def _check_references(found: CheckedChain, config: Mapping[str, str]) -> None:
    known = tuple(aliases(config, "predicates"))
    for alias in dict.fromkeys(aliases(config, "transforms")):
        prefix = f"transforms.{alias}."
        named = config.get(f"{prefix}predicate", "").strip()
        if named and named not in known:
            why = f"No predicate {named!r}; predicates lists {', '.join(known) or 'none'}"
            found.problems.append(Problem(f"{prefix}predicate", named, why, nearest(named, known)))
        if not named and config.get(f"{prefix}negate", "").strip().lower() == "true":
            found.problems.append(Problem(f"{prefix}negate", "true", "there is no predicate to be negated"))
