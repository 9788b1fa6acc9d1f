"""RegexRouter: another topic, by a regular expression that matches its whole name.

Source: Kafka `org.apache.kafka.connect.transforms.RegexRouter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import DataError, Record, RecordBatch, Transform
from tidelock.connect.transforms.javaregex import compile_java, expand


def is_java_regex(value: str) -> str | None:
    """Return what is wrong with a regular expression, for a settings key."""
    try:
        compile_java(value)
    except ValueError as error:
        return str(error)
    return None


class RegexRouterSettings(Settings):
    """Keys of RegexRouter."""

    regex: str = key(importance=Importance.HIGH, check=is_java_regex, doc="Java's regular expression.")
    replacement: str = key(importance=Importance.HIGH, doc="The new name; $1 is the first group.")


class RegexRouter(Transform):
    """Renames topics."""

    settings = RegexRouterSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = RegexRouterSettings.parse(props, strict=False)
        self._regex, self._replacement = compile_java(given.regex), given.replacement
        self._known: dict[str, str] = {}

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        record.topic = self._topic(record.topic)
        return record

    def apply_batch(self, batch: RecordBatch) -> RecordBatch | None:
        """See Transform."""
        return replace(batch, topic=self._topic(batch.topic), origin=batch.topic_partition)

    def _topic(self, topic: str) -> str:
        found = self._known.get(topic)
        if found is None:
            found = self._known[topic] = self._routed(topic)
        return found

    def _routed(self, topic: str) -> str:
        if not self._regex.fullmatch(topic):
            return topic
        match = self._regex.search(topic)  # may be shorter than the whole, as in Java
        if match is None:
            return topic
        try:
            return topic[: match.start()] + expand(match, self._replacement) + topic[match.end() :]
        except ValueError as error:
            raise DataError(f"the replacement {self._replacement!r} is wrong: {error}") from None
