"""HeaderFrom: fields of the key or value into headers, moved or copied.

Different from Kafka: a field that the schema has not got is an error that names it (Kafka's raises
NullPointerException).

Source: Kafka `org.apache.kafka.connect.transforms.HeaderFrom`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelock.config import ConfigError, Importance, Problem, key
from tidelock.connect.api import DataError, Header, Record, Schema
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import PartTransform, Plan, required_map, required_struct
from tidelock.connect.transforms.paths import PathSettings, parse_paths, schema_at, value_at
from tidelock.connect.transforms.rewrite import map_without, required_fields, without

MOVE, COPY = "move", "copy"


class HeaderFromSettings(PathSettings, NullSettings):
    """Keys of HeaderFrom."""

    fields: tuple[str, ...] = key(importance=Importance.HIGH, doc="The fields, by comma.")
    headers: tuple[str, ...] = key(importance=Importance.HIGH, doc="A header's name for each field.")
    operation: str = key(
        choices=(MOVE, COPY), importance=Importance.HIGH, doc="Whether the field stays (copy) or goes (move)."
    )


class HeaderFrom(PartTransform):
    """Writes headers from fields."""

    settings = HeaderFromSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = HeaderFromSettings.parse(props, strict=False)
        if len(given.fields) != len(given.headers) or not given.fields:
            why = "there must be as many headers as fields, and at least one"
            raise ConfigError((Problem("headers", ",".join(given.headers), why),))
        self._paths = parse_paths(given.fields, given.field_syntax_version, key_name="fields")
        self._headers, self._fill = given.headers, given.replace_null_with_default
        self._moves = given.operation == MOVE
        self._purpose = f"header {given.operation}"

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            return Plan(None, self._from_map)
        required_fields(schema, self._purpose)
        schemas = [schema_at(schema, path) for path in self._paths]
        if None in schemas:
            missing = ".".join(self._paths[schemas.index(None)])
            raise DataError(f"{missing} is not a field of the record", where=schema.name)
        new, rest = without(schema, self._paths) if self._moves else (schema, None)

        def convert(value: Any, record: Record) -> Any:
            struct = required_struct(value, self._purpose)
            values = [value_at(struct, path, fill=self._fill) for path in self._paths]
            record.headers = [
                *record.headers,
                *(Header(*one) for one in zip(self._headers, values, schemas, strict=True)),
            ]
            return struct if rest is None else rest(struct, self._fill)

        return Plan(new, convert)

    def _from_map(self, value: Any, record: Record) -> dict[Any, Any]:
        rest = given = required_map(value, self._purpose)
        made = list(record.headers)
        for path, header in zip(self._paths, self._headers, strict=True):
            made.append(Header(header, value_at(given, path)))
            if self._moves:
                rest = map_without(rest, path)
        record.headers = made
        return rest


class HeaderFromKey(HeaderFrom):
    """Of the key."""

    is_key = True


class HeaderFromValue(HeaderFrom):
    """Of the value."""
