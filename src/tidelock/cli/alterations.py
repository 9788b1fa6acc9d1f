"""What `topic alter` would change: pure rules over a topic as it is, and the two requests.

A setting that no topic has is refused here, with the nearest one; the broker that is asked says which there
are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidelock.cli import kafka
from tidelock.client.admin import TopicConfig
from tidelock.config import UNKNOWN_KEY, ConfigError, Problem, nearest
from tidelock.errors import UsageError

PARTITIONS = "partitions"
HIDDEN = "[hidden]"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line asks for.

    Attributes:
        configs: setting -> text; None: the broker's again.
        partitions: in all; None: as they are.
    """

    configs: Mapping[str, str | None]
    partitions: int | None = None

    @classmethod
    def of(cls, assigned: Mapping[str, str], deleted: Sequence[str], partitions: int | None) -> Wanted:
        """Return it from the options.

        Raises:
            UsageError: nothing is asked for, or a setting is set and deleted.
        """
        both = sorted({*assigned} & {*deleted})
        if both:
            raise UsageError(f"{', '.join(both)} cannot be set and deleted at once", hint="name it once")
        if not assigned and not deleted and partitions is None:
            hint = "-c KEY=VALUE, --delete-config KEY or --partitions N"
            raise UsageError("there is nothing to alter", hint=hint)
        return cls({**assigned, **dict.fromkeys(deleted)}, partitions)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is."""

    name: str
    partitions: int
    configs: Mapping[str, TopicConfig]


def problems(topic: Topic, wanted: Wanted) -> Iterator[Problem]:
    """Yield what no broker would do; values are the broker's to judge."""
    for key in wanted.configs:
        if key not in topic.configs:
            yield Problem(key, None, UNKNOWN_KEY + " of a topic", nearest(key, topic.configs))
    if wanted.partitions is not None and wanted.partitions < topic.partitions:
        why = f"topic {topic.name} has {topic.partitions}, and partitions cannot be taken away"
        yield Problem(PARTITIONS, wanted.partitions, why)


def changes(topic: Topic, wanted: Wanted) -> dict[str, str | None]:
    """Return the settings that would be other than they are: own ones that go, and new or other values."""
    return {
        key: value
        for key, value in wanted.configs.items()
        if topic.configs[key].is_own or value is not None
        if not (topic.configs[key].is_own and topic.configs[key].value == value)
    }


def rows(topic: Topic, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Yield each change with what held before and what is to hold."""
    for key, value in changes(topic, wanted).items():
        old = topic.configs[key]
        before = HIDDEN if old.value is None else old.value
        yield {
            "topic": topic.name,
            "what": key,
            "before": before if old.is_own else f"{before} (the broker's)",
            "after": "the broker's" if value is None else value,
        }
    if wanted.partitions not in (None, topic.partitions):
        counts = {"before": str(topic.partitions), "after": str(wanted.partitions)}
        yield {"topic": topic.name, "what": PARTITIONS, **counts}


def alter(bootstrap: str, names: Sequence[str], wanted: Wanted, *, dry_run: bool) -> list[dict[str, Any]]:
    """Change topics and return the changes as rows; every topic is checked before the first is changed.

    Raises:
        ConfigError: settings that no topic has, or fewer partitions.
        TidelockError: what the broker refuses, see `kafka.meaning`.
    """
    topics = [_topic(bootstrap, name) for name in dict.fromkeys(names)]
    wrong = {str(one): one for topic in topics for one in problems(topic, wanted)}
    if wrong:
        raise ConfigError(tuple(wrong.values()), where=bootstrap)
    for only_checked in (True,) if dry_run else (True, False):
        for topic in topics:
            _send(bootstrap, topic, wanted, dry_run=only_checked)
    return [row for topic in topics for row in rows(topic, wanted)]


def _topic(bootstrap: str, name: str) -> Topic:
    with kafka.asking(bootstrap, name) as client:
        return Topic(name, len(client.partitions(name)), client.topic_configs(name))


def _send(bootstrap: str, topic: Topic, wanted: Wanted, *, dry_run: bool) -> None:
    changed = changes(topic, wanted)
    with kafka.asking(bootstrap, topic.name) as client:
        if changed:
            client.alter_topic_configs(topic.name, changed, dry_run=dry_run)
        if wanted.partitions is not None and wanted.partitions > topic.partitions:
            client.add_partitions(topic.name, wanted.partitions, dry_run=dry_run)
