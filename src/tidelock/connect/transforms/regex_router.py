"""RegexRouter: another topic, by a regular expression that matches its whole name.

Source: Kafka `org.apache.kafka.connect.transforms.RegexRouter`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import DataError, Record, Transform
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
        topic = self._known.get(record.topic)
        if topic is None:
            topic = self._known[record.topic] = self._routed(record.topic)
        record.topic = topic
        return record

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
