"""Which topics a source connector's worker makes, and how: the groups of `topic.creation.*`.

The first group whose patterns match a topic's whole name decides, else `default`; what a group does not say
is default's. Pure; imports tidelock.config and the transforms' Java patterns.

Source: KIP-158, Kafka `org.apache.kafka.connect.runtime.SourceConnectorConfig`, `util.TopicCreation`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidelock.config import ConfigError, Problem
from tidelock.connect.transforms.javaregex import compile_java

PREFIX = "topic.creation."
DEFAULT = "default"
OWN = ("include", "exclude", "partitions", "replication.factor")
BROKERS_CHOICE = -1


@dataclass(frozen=True, slots=True)
class NewTopic:
    """How to make a topic; -1 leaves a number to the broker."""

    partitions: int
    replicas: int
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """One group; empty patterns of `include` match nothing, of `exclude` neither."""

    include: tuple[re.Pattern[str], ...]
    exclude: tuple[re.Pattern[str], ...]
    topic: NewTopic

    def matches(self, name: str) -> bool:
        """Whether the group decides about a topic."""
        return any(one.fullmatch(name) for one in self.include) and not any(
            one.fullmatch(name) for one in self.exclude
        )


@dataclass(frozen=True, slots=True)
class TopicCreation:
    """The groups of one connector, in order."""

    groups: tuple[Group, ...]
    default: NewTopic

    def topic(self, name: str) -> NewTopic:
        """Return how to make a topic of this name."""
        return next((group.topic for group in self.groups if group.matches(name)), self.default)


def topic_creation(config: Mapping[str, str]) -> TopicCreation | None:
    """Return a connector's groups; None where it has no `topic.creation.` key: the broker makes topics then.

    Raises:
        ConfigError: with every problem, each at its key.
    """
    given = {name.removeprefix(PREFIX): value for name, value in config.items() if name.startswith(PREFIX)}
    if not given:
        return None
    problems: list[Problem] = []
    default = _topic(given, DEFAULT, None, problems)
    groups = []
    for alias in dict.fromkeys(one.strip() for one in given.get("groups", "").split(",") if one.strip()):
        if alias != DEFAULT:
            include = _patterns(given, f"{alias}.include", problems)
            if not given.get(f"{alias}.include", "").strip(" ,"):
                problems.append(Problem(f"{PREFIX}{alias}.include", None, ""))
            exclude = _patterns(given, f"{alias}.exclude", problems)
            groups.append(Group(include, exclude, _topic(given, alias, default, problems)))
    if problems:
        raise ConfigError(tuple(problems))
    return TopicCreation(tuple(groups), default)


def _patterns(given: Mapping[str, str], name: str, problems: list[Problem]) -> tuple[re.Pattern[str], ...]:
    made = []
    for text in (one.strip() for one in given.get(name, "").split(",") if one.strip()):
        try:
            made.append(compile_java(text))
        except ValueError as error:
            problems.append(Problem(PREFIX + name, text, str(error)))
    return tuple(made)


def _topic(
    given: Mapping[str, str], alias: str, default: NewTopic | None, problems: list[Problem]
) -> NewTopic:
    numbers = []
    for name, inherited in (
        ("partitions", default.partitions if default else None),
        ("replication.factor", default.replicas if default else None),
    ):
        text = given.get(f"{alias}.{name}")
        number = BROKERS_CHOICE if inherited is None else inherited
        if text is not None:
            number = int(text) if re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) else 0
            if number == 0 or number < BROKERS_CHOICE:
                why = "is neither a number from 1 nor -1, the broker's choice"
                problems.append(Problem(f"{PREFIX}{alias}.{name}", text, why))
        elif inherited is None:
            problems.append(Problem(f"{PREFIX}{alias}.{name}", None, ""))
        numbers.append(number)
    own = {
        name.removeprefix(f"{alias}."): value for name, value in given.items() if name.startswith(f"{alias}.")
    }
    configs = {name: value for name, value in own.items() if name not in OWN}
    return NewTopic(numbers[0], numbers[1], configs)
