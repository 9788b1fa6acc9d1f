"""JsonSchemaConverter's schemas and values: the documented forms, and everything comes back."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conformance.connect.avro_cases import random_pair, random_struct
from tidelock.connect.api import DataError, Schema, Struct, StructRows, Type
from tidelock.connect.converters.jsonschema.converter import JsonReader, JsonSchemaConverter, JsonWriter
from tidelock.connect.converters.registry.client import SchemaText

INT = {"type": "integer", "connect.type": "int32"}


def converter(**keys: str) -> JsonSchemaConverter:
    made = JsonSchemaConverter()
    given_ = {name.replace("_", "."): value for name, value in keys.items()}
    made.configure({"schema.registry.url": "http://127.0.0.1:1", **given_}, is_key=False)
    return made


def schema_of(document: Any, **keys: str) -> Schema:
    found = reader_of(document, **keys).schema
    assert found is not None
    return found


def reader_of(document: Any, **keys: str) -> JsonReader:
    found = converter(**keys).new_reader(SchemaText(json.dumps(document), "JSON"), lambda name: None)
    assert isinstance(found, JsonReader)
    return found


def read(document: Any, text: str, **keys: str) -> Any:
    reader = reader_of(document, **keys)
    value = reader.read(text.encode())
    if reader.schema is not None and reader.schema.type is Type.STRUCT and value is not None:
        return StructRows(reader.schema, [value])[0]
    return value


def document_of(schema: Schema, **keys: str) -> Any:
    return json.loads(converter(**keys).new_writer(schema).schema.text)


ORDER = Schema.struct(
    {
        "id": Schema.int64(),
        "small": Schema.int8(optional=True),
        "note": Schema.string(default="x", doc="a note"),
        "total": Schema.decimal(2),
        "tags": Schema.array(Schema.string()),
        "by": Schema.map(Schema.string(), Schema.int32()),
        "odd": Schema.map(Schema.int32(), Schema.string()),
    },
    name="shop.Order",
    version=3,
)
DOCUMENT = {
    "type": "object",
    "title": "shop.Order",
    "connect.version": 3,
    "properties": {
        "id": {"type": "integer", "connect.type": "int64", "connect.index": 0},
        "small": {
            "oneOf": [{"type": "null"}, {"type": "integer", "connect.type": "int8"}],
            "connect.index": 1,
        },
        "note": {"type": "string", "default": "x", "description": "a note", "connect.index": 2},
        "total": {
            "type": "string",
            "connect.type": "bytes",
            "title": "org.apache.kafka.connect.data.Decimal",
            "connect.version": 1,
            "connect.parameters": {"scale": "2"},
            "connect.index": 3,
        },
        "tags": {"type": "array", "items": {"type": "string"}, "connect.index": 4},
        "by": {
            "type": "object",
            "connect.type": "map",
            "additionalProperties": INT,
            "connect.index": 5,
        },
        "odd": {
            "type": "array",
            "connect.type": "map",
            "items": {
                "type": "object",
                "properties": {
                    "key": {**INT, "connect.index": 0},
                    "value": {"type": "string", "connect.index": 1},
                },
            },
            "connect.index": 6,
        },
    },
}


def test_a_struct_is_an_object_with_connects_words() -> None:
    assert document_of(ORDER) == DOCUMENT
    numeric = document_of(ORDER, decimal_format="NUMERIC", object_additional_properties="false")
    assert numeric["properties"]["total"]["type"] == "number"
    assert numeric["additionalProperties"] is False


def test_other_peoples_schemas() -> None:
    document = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Order",
        "properties": {
            "n": {"type": "integer"},
            "x": {"type": "number"},
            "at": {"$ref": "#/definitions/Place"},
            "state": {"type": "string", "enum": ["new", "done"]},
            "maybe": {"type": ["null", "string"]},
            "either": {"anyOf": [{"type": "integer"}, {"$ref": "#/definitions/Place"}, {"type": "null"}]},
        },
        "required": ["n"],
        "definitions": {"Place": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
    schema = schema_of(document)
    assert schema.name == "Order"
    assert [one.schema.type.value for one in schema.fields][:4] == ["int64", "float64", "struct", "string"]
    assert schema.fields[4].schema == Schema.string(optional=True)
    assert schema.fields[5].schema.optional
    assert not schema.fields[1].schema.optional
    assert schema_of(document, use_optional_for_nonrequired="true").fields[1].schema.optional
    value = read(document, '{"n": 1, "either": {"city": "서울"}, "more": 5}')
    assert value.as_dict()["either"] == {
        "io.confluent.connect.json.OneOf.field.0": None,
        "io.confluent.connect.json.OneOf.field.1": {"city": "서울"},
    }
    assert read(document, '{"n": 1, "either": 7}')["either"].row[0] == 7


def test_all_of_is_put_together() -> None:
    parts = [{"$ref": "#/$defs/a"}, {"properties": {"b": {"type": "boolean"}}, "required": ["b"]}]
    document = {"allOf": parts, "$defs": {"a": {"properties": {"a": {"type": "string"}}}}}
    assert schema_of(document).field_names == ("a", "b")
    assert schema_of({"allOf": [{"type": "string"}, {"format": "date"}]}).type is Type.STRING


@pytest.mark.parametrize(
    "document",
    [
        {},
        True,
        5,
        {"type": "null"},
        {"type": "array"},
        {"type": "wrong"},
        {"type": "integer", "connect.type": "int128"},
        {"$ref": "#/nowhere"},
        {"$ref": "other.json"},
        {"oneOf": 5},
        {"enum": 5},
        {"properties": []},
        {"$ref": "#"},
        {"properties": {"self": {"$ref": "#"}}},
        {"type": "integer", "default": "x"},
    ],
)
def test_a_schema_without_meaning_is_refused(document: Any) -> None:
    with pytest.raises(DataError):
        schema_of(document)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (INT, "1.5"),
        (INT, '"1"'),
        (INT, "2147483648"),
        (INT, "null"),
        (INT, "nonsense"),
        ({"type": "string"}, "5"),
        ({"properties": {"a": INT}}, "[]"),
        ({"properties": {"a": INT}}, '{"a": null}'),
        ({"type": "array", "items": INT}, "{}"),
        (
            {"type": "array", "connect.type": "map", "items": {"properties": {"key": INT, "value": INT}}},
            "[5]",
        ),
        ({"type": "object", "connect.type": "map", "additionalProperties": INT}, "[]"),
        ({"oneOf": [INT, {"type": "boolean"}]}, '"x"'),
    ],
)
def test_a_value_that_does_not_fit_is_refused(document: Any, text: str) -> None:
    with pytest.raises(DataError):
        read(document, text)


def test_records_are_checked_where_that_is_wanted() -> None:
    document = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}}, "required": ["n"]}
    assert read(document, '{"n": 1}')["n"] == 1
    checks = {"json_fail_invalid_schema": "true"}
    assert read(document, '{"n": 3}', **checks)["n"] == 3
    with pytest.raises(DataError, match="1 is less than the minimum of 3") as caught:
        read(document, '{"n": 1}', **checks)
    assert caught.value.where == "n"
    with pytest.raises(DataError, match="'n' is a required property"):
        read(document, "{}", **checks)


def test_decimals_lose_no_digit() -> None:
    schema = Schema.decimal(3)
    number = Decimal("12345678901234567890.123")
    for form in ("BASE64", "NUMERIC"):
        written = converter(decimal_format=form).new_writer(schema)
        payload = written.write(number)
        assert read(json.loads(written.schema.text), payload.decode()) == number


def filled(schema: Schema, value: Any) -> Any:
    """A value with defaults in place of nulls, as it is written."""
    if value is None:
        return schema.default
    if schema.type is Type.ARRAY and schema.value_schema is not None:
        return [filled(schema.value_schema, one) for one in value]
    if schema.type is Type.MAP and schema.value_schema is not None:
        return {key: filled(schema.value_schema, one) for key, one in value.items()}
    if schema.type is Type.STRUCT:
        return Struct(schema, {one.name: filled(one.schema, value[one.name]) for one in schema.fields})
    return value


@given(st.integers(0, 1 << 30))
def test_schemas_and_values_come_back(seed: int) -> None:
    draw = random.Random(seed)
    schema, values = random_struct(draw, 3) if seed % 2 else random_pair(draw, 3)
    value = next(one for one in values if one is not None)
    writer = converter().new_writer(schema)
    assert isinstance(writer, JsonWriter)
    payload = writer.write(value)
    document = json.loads(writer.schema.text)
    assert schema_of(document) == schema
    assert read(document, payload.decode()) == filled(schema, value)


WORDS = [
    "type",
    "properties",
    "items",
    "oneOf",
    "allOf",
    "enum",
    "const",
    "$ref",
    "default",
    "required",
    "connect.type",
    "connect.index",
    "connect.parameters",
    "connect.version",
    "title",
    "key",
    "value",
]
TEXTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["", "object", "array", "string", "#", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(TEXTS, st.binary(max_size=30))
def test_any_schema_and_any_bytes_are_read_or_refused(document: Any, payload: bytes) -> None:
    try:
        reader = reader_of(document)
        value = reader.read(payload)
    except DataError:
        return
    assert value is None or reader.schema is not None


@given(TEXTS, TEXTS)
def test_any_schema_and_any_json_are_read_or_refused(document: Any, value: Any) -> None:
    try:
        reader = reader_of(document)
        reader.read(json.dumps(value).encode())
    except DataError:
        return
    assert reader.schema is not None
