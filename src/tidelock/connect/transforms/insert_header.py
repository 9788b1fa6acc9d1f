"""InsertHeader: one more header, with a fixed value that is read as headers are.

Source: Kafka `org.apache.kafka.connect.transforms.InsertHeader`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import Header, Record, Transform, parse_text


class InsertHeaderSettings(Settings):
    """Keys of InsertHeader."""

    header: str = key(importance=Importance.HIGH, doc="Name of the header.")
    value_literal: str = key(importance=Importance.HIGH, doc="Its value; 5 is a number, abc is text.")


class InsertHeader(Transform):
    """Adds a header."""

    settings = InsertHeaderSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = InsertHeaderSettings.parse(props, strict=False)
        schema, value = parse_text(given.value_literal)
        self._header = Header(given.header, value, schema)

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        record.headers = [*record.headers, self._header]
        return record
