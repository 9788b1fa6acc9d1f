"""JsonConverter: what is written comes back; the fast and the slow way agree; no bytes crash it."""

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.connect.api import DataError, RecordBatch, Schema, Struct, Type
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.json_values import parse_json_exactly, read_json

BITS = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
MOMENTS = st.datetimes(timezones=st.just(dt.UTC)).map(
    lambda one: one.replace(microsecond=one.microsecond // 1000 * 1000)
)
TIMES = st.times().map(lambda one: one.replace(microsecond=one.microsecond // 1000 * 1000))


def values_of(schema: Schema) -> st.SearchStrategy[Any]:
    made = plain_values(schema)
    return st.none() | made if schema.optional else made


def plain_values(schema: Schema) -> st.SearchStrategy[Any]:
    if schema.name and schema.name.startswith("org.apache.kafka.connect.data."):
        kind = schema.name.rsplit(".", 1)[1]
        if kind == "Decimal":
            return st.integers(-(10**30), 10**30).map(lambda number: Decimal(number).scaleb(-schema.scale))
        return {"Date": st.dates(), "Time": TIMES, "Timestamp": MOMENTS}[kind]
    if schema.type in BITS:
        bound = 1 << (BITS[schema.type] - 1)
        return st.integers(-bound, bound - 1)
    if schema.type is Type.ARRAY:
        return st.lists(values_of(schema.value_schema), max_size=3)
    if schema.type is Type.MAP:
        return st.dictionaries(values_of(schema.key_schema), values_of(schema.value_schema), max_size=3)
    if schema.type is Type.STRUCT:
        rows = st.tuples(*(values_of(field.schema) for field in schema.fields))
        return rows.map(lambda row: Struct.from_row(schema, row))
    return {
        Type.FLOAT32: st.floats(width=32, allow_nan=False),
        Type.FLOAT64: st.floats(allow_nan=False),
        Type.BOOLEAN: st.booleans(),
        Type.STRING: TEXT,
        Type.BYTES: st.binary(max_size=12),
    }[schema.type]


OPTIONAL = st.booleans().map(lambda optional: {"optional": optional})
PRIMITIVES = st.one_of(
    st.builds(
        lambda kind, parts: Schema.of(kind, **parts),
        st.sampled_from([*BITS, Type.FLOAT32, Type.FLOAT64, Type.BOOLEAN, Type.STRING, Type.BYTES]),
        OPTIONAL,
    ),
    st.builds(lambda scale, parts: Schema.decimal(scale, **parts), st.integers(0, 6), OPTIONAL),
    st.builds(
        lambda make, parts: make(**parts),
        st.sampled_from([Schema.date, Schema.time, Schema.timestamp]),
        OPTIONAL,
    ),
)
KEYS = st.sampled_from([Schema.string(), Schema.int32(), Schema.boolean()])
SCHEMAS = st.recursive(
    PRIMITIVES,
    lambda inner: st.one_of(
        st.builds(lambda item, parts: Schema.array(item, **parts), inner, OPTIONAL),
        st.builds(lambda key, item, parts: Schema.map(key, item, **parts), KEYS, inner, OPTIONAL),
        st.builds(
            lambda fields, parts: Schema.struct(fields, **parts),
            st.dictionaries(TEXT, inner, max_size=4),
            OPTIONAL,
        ),
    ),
    max_leaves=6,
)


@st.composite
def data(draw: st.DrawFn) -> tuple[Schema, list[Any]]:
    schema = draw(SCHEMAS)
    return schema, draw(st.lists(values_of(schema), min_size=1, max_size=4))


@given(data(), st.sampled_from(["BASE64", "NUMERIC"]))
def test_what_is_written_comes_back(made: tuple[Schema, list[Any]], decimals: str) -> None:
    schema, values = made
    converter = JsonConverter()
    converter.configure({"decimal.format": decimals}, is_key=False)
    payloads = converter.encode("t", schema, values)
    for _ in range(2):
        [run] = converter.decode("t", payloads)
        assert list(run.values) == values
        assert run.schema == schema


@given(data())
def test_the_slow_way_reads_the_same(made: tuple[Schema, list[Any]]) -> None:
    schema, values = made
    converter = JsonConverter()
    converter.configure({"decimal.format": "NUMERIC"}, is_key=False)
    for payload, value in zip(converter.encode("t", schema, values), values, strict=True):
        assert payload is not None
        given_value = parse_json_exactly(payload)["payload"]
        assert read_json(schema, given_value) == value


@given(data())
def test_columns_hold_the_fields_of_the_records(made: tuple[Schema, list[Any]]) -> None:
    schema, values = made
    if schema.type is not Type.STRUCT:
        return
    converter = JsonConverter()
    [run] = converter.decode("t", converter.encode("t", schema, values))
    batch = RecordBatch("t", 0, range(len(values)), [None] * len(values), run.values, value_schema=run.schema)
    for name, column in zip(schema.field_names, batch.columns(schema.field_names), strict=True):
        assert column == [None if value is None else value[name] for value in values]


ENVELOPE = st.builds(
    lambda schema, payload: json.dumps({"schema": schema, "payload": payload}).encode(),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.sampled_from(["int32", "struct", "array", "map", "bytes"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "fields", "items", "keys", "values", "field", "optional", "name", "default"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=8,
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=6,
    ),
)


@given(st.lists(st.binary(max_size=60) | ENVELOPE | st.none(), max_size=4), st.booleans())
def test_any_bytes_are_read_or_refused(payloads: list[bytes | None], enabled: bool) -> None:
    converter = JsonConverter()
    converter.configure({"schemas.enable": str(enabled).lower()}, is_key=False)
    index: int | None = 0
    try:
        runs = converter.decode("t", payloads)
    except DataError as error:
        index = error.index
    else:
        assert sum(len(run.values) for run in runs) == len(payloads)
    assert index in range(len(payloads) or 1)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"schema":'])
def test_deep_nesting_is_refused(opening: bytes) -> None:
    for enabled in ("true", "false"):
        converter = JsonConverter()
        converter.configure({"schemas.enable": enabled}, is_key=False)
        with pytest.raises(DataError):
            converter.decode("t", [opening * 100_000])
