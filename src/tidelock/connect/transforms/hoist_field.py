"""HoistField: the whole key or value as the one field of a struct, or of a map where there is no schema.

Source: Kafka `org.apache.kafka.connect.transforms.HoistField`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidelock.config import Settings, key
from tidelock.connect.api import Schema, Struct
from tidelock.connect.transforms.part import PartTransform, Plan


class HoistFieldSettings(Settings):
    """Keys of HoistField."""

    field: str = key(doc="Name of the one field.")


class HoistField(PartTransform):
    """Wraps the whole."""

    settings = HoistFieldSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        self._name = HoistFieldSettings.parse(props, strict=False).field

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, lambda value, record: {self._name: value})
        new = Schema.struct({self._name: schema})
        return Plan(new, lambda value, record: Struct.from_row(new, [value]))


class HoistFieldKey(HoistField):
    """Of the key."""

    is_key = True


class HoistFieldValue(HoistField):
    """Of the value."""
