"""Filter: drop the record; of use together with a predicate.

Source: Kafka `org.apache.kafka.connect.transforms.Filter`.
"""

from __future__ import annotations

from tidelock.connect.api import Record, Transform


class Filter(Transform):
    """Drops every record that it gets."""

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        return None
