"""The predicates: whether a header is there, a value is null, the topic's name matches.

Source: Kafka `org.apache.kafka.connect.transforms.predicates`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import Predicate, Record
from tidelock.connect.transforms.javaregex import compile_java
from tidelock.connect.transforms.regex_router import is_java_regex


class HasHeaderKeySettings(Settings):
    """Keys of HasHeaderKey."""

    name: str = key(
        importance=Importance.MEDIUM,
        check=lambda value: None if value else "must not be empty",
        doc="Name of the header.",
    )


class HasHeaderKey(Predicate):
    """Whether a record has a header of a name."""

    settings = HasHeaderKeySettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Predicate."""
        self._name = HasHeaderKeySettings.parse(props, strict=False).name

    def test(self, record: Record) -> bool:
        """See Predicate."""
        return any(header.key == self._name for header in record.headers)


class RecordIsTombstone(Predicate):
    """Whether a record's value is null."""

    def test(self, record: Record) -> bool:
        """See Predicate."""
        return record.value is None


class TopicNameMatchesSettings(Settings):
    """Keys of TopicNameMatches."""

    pattern: str = key(
        importance=Importance.MEDIUM,
        check=lambda value: is_java_regex(value) if value else "must not be empty",
        doc="Java's regular expression for the whole name.",
    )


class TopicNameMatches(Predicate):
    """Whether the topic's name matches."""

    settings = TopicNameMatchesSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Predicate."""
        self._regex = compile_java(TopicNameMatchesSettings.parse(props, strict=False).pattern)

    def test(self, record: Record) -> bool:
        """See Predicate."""
        return self._regex.fullmatch(record.topic) is not None
