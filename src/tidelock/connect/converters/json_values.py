"""One parsed JSON value into one value of the data model, by the schema: the slow way, with exact errors.

json_read.py compiles the fast way; both must agree, and a property test holds them together. Imports the api.

Source: Kafka `org.apache.kafka.connect.json.JsonConverter.convertToConnect`.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from tidelock.connect.api import DECIMAL, DataError, Schema, Struct, Type, logical_type
from tidelock.connect.api.logical import decimal_from_bytes

BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
FLOAT32_MAX = 3.4028234663852886e38
# The text that Kafka writes for numbers for which JSON has no form.
NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def parse_json(payload: bytes) -> Any:
    """Parse any JSON text, numbers with a point as float.

    Raises:
        DataError: it is no JSON.
    """
    return _parse(msgspec.json.decode, payload)


def parse_json_exactly(payload: bytes) -> Any:
    """Parse any JSON text, numbers with a point as Decimal, for `read_json`; raises as `parse_json`."""
    return _parse(_EXACT.decode, payload)


_EXACT = msgspec.json.Decoder(float_hook=Decimal)


def _parse(decode: Callable[[bytes], Any], payload: bytes) -> Any:
    try:
        return decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        hint = "is this the converter that the records were written with?"
        raise DataError(f"not JSON: {error}", hint=hint) from None
    except RecursionError:
        raise DataError("JSON is nested too deeply") from None


def read_json(schema: Schema, given: Any, *, name: str = "value", replace_nulls: bool = True) -> Any:
    """Return the value of a parsed JSON value.

    Args:
        schema: what it should be.
        given: text, numbers (Decimal where there is a point), lists and dicts.
        name: the field, for the error text.
        replace_nulls: null becomes the schema's default, where it has one.

    Raises:
        DataError: it does not fit.
    """
    if given is None:
        if schema.default is not None and replace_nulls:
            return schema.default
        if schema.optional:
            return None
        raise DataError(f"Invalid null value for required {schema.type.name} field {name!r}")
    logical = logical_type(schema)
    if logical is None:
        return READ[schema.type](schema, given, name, replace_nulls)
    if schema.name == DECIMAL:
        if isinstance(given, int | Decimal) and not isinstance(given, bool):
            return Decimal(given)
        return decimal_from_bytes(schema, _bytes(schema, given, name, replace_nulls))
    return logical.from_base(schema, _integer(schema, given, name, replace_nulls))


def decimal_from_json(schema: Schema, text: bytes | msgspec.Raw) -> Decimal | None:
    """Return the decimal of a JSON token: base64 text of the unscaled number, or a number; None for null.

    Raises:
        DataError: it is neither.
    """
    text = bytes(text)
    if text.startswith(b'"'):
        try:
            return decimal_from_bytes(schema, binascii.a2b_base64(text[1:-1], strict_mode=True))
        except binascii.Error:
            return decimal_from_bytes(schema, _bytes(schema, msgspec.json.decode(text), "decimal", True))
    if text == b"null":
        return None
    try:
        return Decimal(text.decode())
    except InvalidOperation:
        raise DataError(f"Invalid bytes for Decimal field: {text[:40]!r}") from None


def map_of(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """Return a dict; DataError for keys that cannot be one (a struct, a list)."""
    try:
        return dict(pairs)
    except TypeError:
        raise DataError("map keys that are structs, arrays or maps are not supported") from None


def _integer(schema: Schema, given: Any, name: str, replace_nulls: bool) -> int:
    if isinstance(given, Decimal) and given == given.to_integral_value():
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool):
        raise _mismatch(schema, given, name)
    bound = 1 << (BITS[schema.type] - 1)
    if not -bound <= given < bound:
        raise DataError(f"{given} is out of range for {schema.type.name} field {name!r}")
    return given


def _float(schema: Schema, given: Any, name: str, replace_nulls: bool) -> float:
    if isinstance(given, str) and given in NON_FINITE:
        return NON_FINITE[given]
    if not isinstance(given, int | Decimal) or isinstance(given, bool):
        raise _mismatch(schema, given, name)
    try:
        number = float(given)
    except OverflowError:
        number = float("inf")
    if abs(number) > (FLOAT32_MAX if schema.type is Type.FLOAT32 else 1.7976931348623157e308):
        raise DataError(f"{given} is out of range for {schema.type.name} field {name!r}")
    return number


def _bytes(schema: Schema, given: Any, name: str, replace_nulls: bool) -> bytes:
    if not isinstance(given, str):
        raise _mismatch(schema, given, name)
    try:
        return binascii.a2b_base64(given.encode(), strict_mode=True)
    except binascii.Error:
        raise DataError(f"Invalid bytes field {name!r}: {given[:40]!r} is not base64") from None


def _exactly(kind: type) -> Callable[[Schema, Any, str, bool], Any]:
    def read(schema: Schema, given: Any, name: str, replace_nulls: bool) -> Any:
        if not isinstance(given, kind):
            raise _mismatch(schema, given, name)
        return given

    return read


def _array(schema: Schema, given: Any, name: str, replace_nulls: bool) -> list[Any]:
    if not isinstance(given, list) or schema.value_schema is None:
        raise _mismatch(schema, given, name)
    return [read_json(schema.value_schema, item, name=name, replace_nulls=replace_nulls) for item in given]


def _map(schema: Schema, given: Any, name: str, replace_nulls: bool) -> dict[Any, Any]:
    keys, values = schema.key_schema, schema.value_schema
    assert keys is not None
    assert values is not None
    if keys.type is Type.STRING and logical_type(keys) is None:
        if not isinstance(given, dict):
            raise _mismatch(schema, given, name)
        return {
            key: read_json(values, item, name=name, replace_nulls=replace_nulls)
            for key, item in given.items()
        }
    if not isinstance(given, list):
        raise _mismatch(schema, given, name)
    pairs = []
    for pair in given:
        if not isinstance(pair, list) or len(pair) != 2:
            raise DataError(f"Found invalid map entry in field {name!r}: not an array of two elements")
        key = read_json(keys, pair[0], name=f"{name} (map key)", replace_nulls=replace_nulls)
        pairs.append((key, read_json(values, pair[1], name=name, replace_nulls=replace_nulls)))
    return map_of(pairs)


def _struct(schema: Schema, given: Any, name: str, replace_nulls: bool) -> Struct:
    if not isinstance(given, dict):
        raise _mismatch(schema, given, name)
    row = [
        read_json(field.schema, given.get(field.name), name=field.name, replace_nulls=replace_nulls)
        for field in schema.fields
    ]
    return Struct.from_row(schema, row)


def _mismatch(schema: Schema, given: Any, name: str) -> DataError:
    kinds: dict[type, str] = {bool: "a boolean", str: "text", dict: "an object", list: "an array"}
    kind = kinds.get(type(given), "a number")
    return DataError(f"{schema.type.name} field {name!r} got {kind}")


READ: dict[Type, Callable[[Schema, Any, str, bool], Any]] = {
    **dict.fromkeys(BITS, _integer),
    Type.FLOAT32: _float,
    Type.FLOAT64: _float,
    Type.BOOLEAN: _exactly(bool),
    Type.STRING: _exactly(str),
    Type.BYTES: _bytes,
    Type.ARRAY: _array,
    Type.MAP: _map,
    Type.STRUCT: _struct,
}
