"""Values between messages of the protobuf library and Connect's.

Source: Confluent `io.confluent.connect.protobuf.ProtobufData.{toConnectData, fromConnectData}`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidelock.connect.api import DataError, Schema, Struct, Type
from tidelock.connect.api.logical import EPOCH, scaled, unscaled_to_bytes
from tidelock.connect.converters.protobuf.known import DATE, DECIMAL, TIME, TIMESTAMP, WRAPPERS
from tidelock.connect.converters.protobuf.settings import UNION, ProtobufConverterSettings
from tidelock.connect.converters.protobuf.to_connect import (
    ToConnect,
    has_optional_keyword,
    is_map,
    is_proto3_optional,
    is_repeated,
    real_oneofs,
)

MOST = (1 << 63) - 1
Scrub = Callable[[str], str]
_RANGES = {Type.INT8: 1 << 7, Type.INT16: 1 << 15}


@dataclass(frozen=True, slots=True)
class FieldPlan:
    """How one field of a message is read.

    Attributes:
        target: name of the Connect field.
        member: name of the member, for a oneof that is a struct of its own; else None.
        asks: whether it has a value only where the message says so.
    """

    field: Any
    target: str
    member: str | None
    asks: bool
    is_map: bool
    is_repeated: bool


class Reading:
    """Turns messages into rows; looks at each kind of message once.

    Args:
        settings: see ProtobufConverterSettings.
    """

    def __init__(self, settings: ProtobufConverterSettings) -> None:
        self._settings = settings
        self._names = ToConnect(settings, {})
        self._plans: dict[str, list[FieldPlan]] = {}

    def row(self, schema: Schema, message: Any) -> list[Any]:
        """Return a message's fields in the order of its schema."""
        name = message.DESCRIPTOR.full_name
        plans = self._plans.get(name)
        if plans is None:
            plans = self._plans[name] = self._planned(message.DESCRIPTOR)
        values: dict[str, Any] = {}
        for plan in plans:
            if plan.asks and not message.HasField(plan.field.name):
                continue
            inner = _field(schema, plan.target)
            if plan.member is None:
                values[plan.target] = self._value(inner, message, plan)
            else:
                value = self._value(_field(inner, plan.member), message, plan)
                values[plan.target] = Struct(inner, {plan.member: value})
        return [values.get(one.name) for one in schema.fields]

    def _planned(self, message: Any) -> list[FieldPlan]:
        plans = []
        inside: set[str] = set()
        for index, oneof in real_oneofs(message):
            target = self._names.union_name(oneof, index)
            for one in oneof.fields:
                inside.add(one.name)
                if self._settings.flatten_unions:
                    plans.append(FieldPlan(one, one.name, None, True, False, False))
                else:
                    plans.append(FieldPlan(one, target, one.name, True, False, False))
        for one in message.fields:
            if one.name not in inside:
                asks = not is_repeated(one) and self._may_be_null(one)
                plans.append(FieldPlan(one, one.name, None, asks, is_map(one), is_repeated(one)))
        return plans

    def _may_be_null(self, one: Any) -> bool:
        """Whether a field that the message has not got is null; a day has no default that is one."""
        if self._settings.generate_struct_for_nulls:
            return one.message_type is not None and one.message_type.full_name == DATE
        return one.message_type is not None or self._is_optional(one)

    def _is_optional(self, one: Any) -> bool:
        """Whether a plain field can be absent; one of proto3 has its zero then."""
        return is_proto3_optional(one) or (self._settings.optional_for_proto2 and has_optional_keyword(one))

    def _value(self, schema: Schema, message: Any, plan: FieldPlan) -> Any:
        one, raw = plan.field, getattr(message, plan.field.name)
        if plan.is_map:
            key, value = one.message_type.fields_by_name["key"], one.message_type.fields_by_name["value"]
            keys, values = schema.key_schema, schema.value_schema
            if keys is None or values is None:
                raise DataError("a map has no schema for its keys or values")
            return {self.one(keys, key, k): self.one(values, value, v) for k, v in raw.items()}
        if plan.is_repeated:
            inner = schema.value_schema
            if inner is None:
                raise DataError("a list has no schema for what is in it")
            return [self.one(inner, one, each) for each in raw]
        return self.one(schema, one, raw)

    def one(self, schema: Schema, field: Any, raw: Any) -> Any:
        """Return one value of a field."""
        if field.message_type is not None:
            return self._message(schema, raw)
        if field.enum_type is not None:
            if schema.type is Type.INT32:
                return raw
            known = field.enum_type.values_by_number.get(raw)
            return known.name if known is not None else f"UNKNOWN_ENUM_VALUE_{field.enum_type.name}_{raw}"
        if isinstance(raw, int) and not isinstance(raw, bool):
            bound = _RANGES.get(schema.type)
            if raw > MOST or (bound is not None and not -bound <= raw < bound):
                raise DataError(f"{raw} is out of range for {schema.type.value}", where=field.full_name)
        return raw

    def _message(self, schema: Schema, raw: Any) -> Any:
        name = raw.DESCRIPTOR.full_name
        if name in _READERS:
            return _READERS[name](raw)
        if name in WRAPPERS and schema.type is not Type.STRUCT:
            return raw.value
        return Struct.from_row(schema, self.row(schema, raw))


def _field(schema: Schema, name: str) -> Schema:
    found = schema.field(name)
    if found is None:
        raise DataError(f"the schema has no field {name!r}")
    return found.schema


def _read_decimal(raw: Any) -> Decimal:
    if abs(raw.scale) > 100_000:
        raise DataError(f"a decimal of scale {raw.scale}")
    return scaled(int.from_bytes(raw.value, "big", signed=True), raw.scale)


def _read_date(raw: Any) -> dt.date:
    try:
        return dt.date(raw.year, raw.month, raw.day)
    except (ValueError, OverflowError):
        raise DataError(f"{raw.year}-{raw.month}-{raw.day} is no day") from None


def _read_time(raw: Any) -> dt.time:
    try:
        return dt.time(raw.hours, raw.minutes, raw.seconds, raw.nanos // 1_000_000 * 1000)
    except (ValueError, OverflowError):
        raise DataError(f"{raw.hours}:{raw.minutes}:{raw.seconds} is no time of day") from None


def _read_timestamp(raw: Any) -> dt.datetime:
    try:
        return EPOCH + dt.timedelta(seconds=raw.seconds, milliseconds=raw.nanos // 1_000_000)
    except OverflowError:
        raise DataError(f"{raw.seconds} s is outside the years 1 to 9999") from None


_READERS: dict[str, Callable[[Any], Any]] = {
    DECIMAL: _read_decimal,
    DATE: _read_date,
    TIME: _read_time,
    TIMESTAMP: _read_timestamp,
}


class Writing:
    """Fills messages.

    Args:
        scrub: a field's name as Protobuf has it.
        ignores_defaults: whether a null stays null where there is a default.
    """

    def __init__(self, scrub: Scrub, *, ignores_defaults: bool) -> None:
        self._scrub = scrub
        self._ignores_defaults = ignores_defaults
        self._fields: dict[tuple[str, str], tuple[Any, str]] = {}

    def fill(self, message: Any, schema: Schema, value: Struct) -> None:
        """Put a struct's values into a message; what is null stays absent."""
        for one, item in zip(schema.fields, value.row, strict=True):
            if item is None and not self._ignores_defaults:
                item = one.schema.default
            if item is None:
                continue
            if (one.schema.name or "").startswith(UNION):
                self._union(message, one.schema, item)
            else:
                self._put(message, self._scrub(one.name), one.schema, item)

    def _union(self, message: Any, schema: Schema, value: Struct) -> None:
        for one, item in zip(schema.fields, value.row, strict=True):
            if item is not None:
                self._put(message, self._scrub(one.name), one.schema, item)
                return
        raise DataError("a oneof without a value", where=schema.name)

    def _put(self, message: Any, name: str, schema: Schema, value: Any) -> None:
        field, kind = self._known(message.DESCRIPTOR, name)
        if kind == "map":
            self._map(getattr(message, name), field, schema, value)
        elif kind == "list":
            self._list(getattr(message, name), field, schema, value)
        elif kind == "message":
            target = getattr(message, name)
            target.SetInParent()
            self._message(target, schema, value)
        else:
            setattr(message, name, self._plain(field, value))

    def _known(self, message: Any, name: str) -> tuple[Any, str]:
        """Return a field and what it is; found once, as the library tells it slowly."""
        place = message.full_name, name
        if place not in self._fields:
            field = message.fields_by_name.get(name)
            if field is None:
                raise DataError(f"the message has no field {name!r}", where=message.full_name)
            kind = "map" if is_map(field) else "list" if is_repeated(field) else ""
            self._fields[place] = field, kind or ("message" if field.message_type is not None else "plain")
        return self._fields[place]

    def _map(self, target: Any, field: Any, schema: Schema, value: dict[Any, Any]) -> None:
        inner = field.message_type.fields_by_name["value"]
        values = schema.value_schema
        if values is None:
            raise DataError("a map has no schema for its values")
        for key, item in value.items():
            if inner.message_type is not None:
                made = target[key]
                if item is not None:
                    self._message(made, values, item)
            elif item is None:
                raise DataError(f"the value of {key!r} is null, which a Protobuf map cannot hold")
            else:
                target[key] = self._plain(inner, item)

    def _list(self, target: Any, field: Any, schema: Schema, value: list[Any]) -> None:
        inner = schema.value_schema
        if inner is None:
            raise DataError("a list has no schema for what is in it")
        for item in value:
            if item is None:
                raise DataError("a null in a list, which Protobuf cannot hold", where=field.full_name)
            if field.message_type is not None:
                self._message(target.add(), inner, item)
            else:
                target.append(self._plain(field, item))

    def _message(self, target: Any, schema: Schema, value: Any) -> None:
        name = target.DESCRIPTOR.full_name
        if name in _WRITERS:
            _WRITERS[name](target, schema, value)
        elif name in WRAPPERS and not isinstance(value, Struct):
            target.value = value
        else:
            self.fill(target, schema, value)

    def _plain(self, field: Any, value: Any) -> Any:
        if field.enum_type is None or isinstance(value, int):
            return bytes(value) if isinstance(value, (bytearray, memoryview)) else value
        known = field.enum_type.values_by_name.get(value)
        if known is None:
            raise DataError(f"{value!r} is no value of enum {field.enum_type.name}", where=field.full_name)
        return known.number


def _write_decimal(target: Any, schema: Schema, value: Decimal) -> None:
    scale = schema.scale
    number = int(value.scaleb(scale))
    target.value, target.scale = unscaled_to_bytes(number), scale
    target.precision = len(str(abs(number)))


def _write_date(target: Any, schema: Schema, value: dt.date) -> None:
    target.year, target.month, target.day = value.year, value.month, value.day


def _write_time(target: Any, schema: Schema, value: dt.time) -> None:
    target.hours, target.minutes, target.seconds = value.hour, value.minute, value.second
    target.nanos = value.microsecond // 1000 * 1_000_000


def _write_timestamp(target: Any, schema: Schema, value: dt.datetime) -> None:
    milliseconds = (value - EPOCH) // dt.timedelta(milliseconds=1)
    target.seconds, rest = divmod(milliseconds, 1000)
    target.nanos = rest * 1_000_000


_WRITERS: dict[str, Callable[[Any, Schema, Any], None]] = {
    DECIMAL: _write_decimal,
    DATE: _write_date,
    TIME: _write_time,
    TIMESTAMP: _write_timestamp,
}
