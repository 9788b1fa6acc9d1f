"""DropHeaders: take headers away.

Source: Kafka `org.apache.kafka.connect.transforms.DropHeaders`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.config import Importance, Settings, key
from tidelock.connect.api import Record, Transform


class DropHeadersSettings(Settings):
    """Keys of DropHeaders."""

    headers: tuple[str, ...] = key(importance=Importance.HIGH, doc="Names of the headers to drop, by comma.")


class DropHeaders(Transform):
    """Drops all headers of some names."""

    settings = DropHeadersSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        self._names = frozenset(DropHeadersSettings.parse(props, strict=False).headers)

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        record.headers = [header for header in record.headers if header.key not in self._names]
        return record
