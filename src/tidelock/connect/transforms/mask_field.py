"""MaskField: the empty value of its type, or a replacement, in place of what a field holds.

Source: Kafka `org.apache.kafka.connect.transforms.MaskField`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tidelock.config import Importance, key
from tidelock.connect.api import DataError, Schema, Type, float32
from tidelock.connect.transforms.nulls import NullSettings
from tidelock.connect.transforms.part import PartTransform, Plan, required_map
from tidelock.connect.transforms.paths import PathSettings, parse_paths
from tidelock.connect.transforms.rewrite import Change, required_fields, rewritten, rewritten_map, struct_plan

PURPOSE = "mask fields"
BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
EMPTY: tuple[tuple[type, Any], ...] = (  # the first that fits: bool is an int, datetime is a date
    (bool, False),
    (int, 0),
    (float, 0.0),
    (str, ""),
    (Decimal, Decimal(0)),
    (dt.datetime, dt.datetime(1970, 1, 1, tzinfo=dt.UTC)),
    (dt.date, dt.date(1970, 1, 1)),
    (dt.time, dt.time()),
)


class MaskFieldSettings(PathSettings, NullSettings):
    """Keys of MaskField."""

    fields: tuple[str, ...] = key(
        importance=Importance.HIGH,
        check=lambda value: None if value else "must not be empty",
        doc="The fields to mask, by comma.",
    )
    replacement: str | None = key(
        default=None,
        importance=Importance.LOW,
        check=lambda value: "must not be empty" if value == "" else None,
        doc="Text or number to write instead of an empty value.",
    )


class MaskField(PartTransform):
    """Masks fields."""

    settings = MaskFieldSettings

    def configure(self, props: Mapping[str, str]) -> None:
        """See Transform."""
        given = MaskFieldSettings.parse(props, strict=False)
        self._paths = parse_paths(given.fields, given.field_syntax_version, key_name="fields")
        self._replacement, self._fill = given.replacement, given.replace_null_with_default

    def plan(self, schema: Schema | None) -> Plan:
        """See PartTransform."""
        if schema is None:
            convert_map = rewritten_map({path: self._masked(None) for path in self._paths})
            return Plan(None, lambda value, record: convert_map(required_map(value, PURPOSE)))
        required_fields(schema, PURPOSE)
        leaves = dict.fromkeys(self._paths, self._leaf)
        rewriting = rewritten(schema, leaves, fill=self._fill)
        return struct_plan(rewriting._replace(schema=schema), PURPOSE)

    def _leaf(self, schema: Schema) -> tuple[Schema, Change]:
        return schema, self._masked(schema)

    def _masked(self, schema: Schema | None) -> Change:
        def change(value: Any) -> Any:
            if value is None:
                return None
            if self._replacement is None:
                return empty_of(value)
            return replacement_for(schema, value, self._replacement)

        return change


class MaskFieldKey(MaskField):
    """Of the key."""

    is_key = True


class MaskFieldValue(MaskField):
    """Of the value."""


def empty_of(value: Any) -> Any:
    """Return the empty value of the same type; DataError where there is none."""
    if isinstance(value, list):
        return []
    if isinstance(value, dict):
        return {}
    for kind, empty in EMPTY:
        if isinstance(value, kind):
            return empty
    raise DataError(f"Cannot mask value of type: {type(value).__name__}")


def replacement_for(schema: Schema | None, value: Any, text: str) -> Any:
    """Return a replacement in the type of the value that it is for; DataError where it does not fit."""
    if isinstance(value, str):
        return text
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise DataError(f"Cannot mask value of type {type(value).__name__} with custom replacement.")
    try:
        number = Decimal(text.strip())
        if isinstance(value, Decimal):
            return number
        if isinstance(value, float):
            is_single = schema is not None and schema.type is Type.FLOAT32
            return float32(float(number)) if is_single else float(number)
        bits = 64 if schema is None else BITS[schema.type]
        whole = int(number) & ((1 << bits) - 1)
    except (InvalidOperation, ValueError, OverflowError):
        raise DataError(f"Unable to convert {text} to number") from None
    return whole - (1 << bits) if whole >> (bits - 1) else whole
