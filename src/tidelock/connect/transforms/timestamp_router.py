"""TimestampRouter: a topic per day, month, ... of the record's timestamp (UTC).

Source: Kafka `org.apache.kafka.connect.transforms.TimestampRouter`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import DataError, Record, Transform, date_format

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _is_date_format(value: str) -> str | None:
    try:
        date_format(value)
    except ValueError as error:
        return f"{value!r} is no SimpleDateFormat pattern: {error}"
    return None


class TimestampRouterSettings(Settings):
    """Keys of TimestampRouter."""

    topic_format: str = key(
        default="${topic}-${timestamp}",
        importance=Importance.HIGH,
        doc="The new name, with ${topic} and ${timestamp}.",
    )
    timestamp_format: str = key(
        default="yyyyMMdd",
        importance=Importance.HIGH,
        check=_is_date_format,
        doc="SimpleDateFormat pattern of the timestamp.",
    )


class TimestampRouter(Transform):
    """Renames topics by time."""

    settings = TimestampRouterSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = TimestampRouterSettings.parse(props, strict=False)
        self._topic_format, self._format = given.topic_format, date_format(given.timestamp_format)

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        if record.timestamp is None:
            raise DataError(f"Timestamp missing on record: {record.topic}")
        text = self._format.format(EPOCH + dt.timedelta(milliseconds=record.timestamp))
        record.topic = self._topic_format.replace("${topic}", record.topic).replace("${timestamp}", text)
        return record
