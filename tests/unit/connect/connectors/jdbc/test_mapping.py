"""From schemas to columns and from batches to rows."""

import datetime as dt
from typing import Any

import pytest

from tidelock.connect.api import DataError, RecordBatch, Schema, Struct
from tidelock.connect.connectors.jdbc.mapping import mapping_for, require_schema
from tidelock.connect.connectors.jdbc.settings import JdbcSinkSettings
from tidelock.sql.types import Kind

ORDER = Schema.struct(
    {
        "invoice_no": Schema.string(),
        "customer_id": Schema.int64(optional=True),
        "total": Schema.decimal(2),
        "at": Schema.timestamp(optional=True),
        "state": Schema.string(default="new"),
    }
)


def settings(**keys: Any) -> JdbcSinkSettings:
    dotted = {name.replace("_", "."): value for name, value in keys.items()}
    return JdbcSinkSettings.parse({"connection.url": "sqlite://", **dotted})


def batch(
    keys: list[Any], values: list[dict[str, Any] | None], key_schema: Schema | None = None
) -> RecordBatch:
    structs = [None if value is None else Struct(ORDER, value) for value in values]
    return RecordBatch("orders", 3, range(10, 10 + len(keys)), keys, structs, key_schema, ORDER)


def names(columns: Any) -> list[str]:
    return [column.name for column in columns]


def test_record_value_takes_the_key_from_the_value_and_puts_it_first() -> None:
    mapping = mapping_for(settings(pk_mode="record_value", pk_fields="total,invoice_no"), None, ORDER)
    assert names(mapping.key) == ["total", "invoice_no"]
    assert names(mapping.rest) == ["customer_id", "at", "state"]
    assert not mapping.key[0].nullable
    one = batch(["x"], [{"invoice_no": "536365", "total": 1, "customer_id": None}])
    keys = mapping.keys(one)
    assert keys == [(1, "536365")]
    assert mapping.rows(one, keys) == [(1, "536365", None, None, "new")]


def test_record_key_as_plain_value_and_tombstones() -> None:
    mapping = mapping_for(settings(pk_mode="record_key", pk_fields="invoice_no"), Schema.string(), ORDER)
    records = batch(["a", "b"], [{"invoice_no": "ignored", "total": 2}, None], Schema.string())
    keys = mapping.keys(records)
    assert keys == [("a",), ("b",)]
    assert mapping.rows(records, keys) == [("a", None, 2, None, "new"), None]


def test_record_key_as_struct_takes_all_fields_unless_named() -> None:
    key = Schema.struct({"a": Schema.int32(), "b": Schema.string()})
    assert names(mapping_for(settings(pk_mode="record_key"), key, ORDER).key) == ["a", "b"]
    assert names(mapping_for(settings(pk_mode="record_key", pk_fields="b"), key, ORDER).key) == ["b"]


def test_kafka_mode_uses_the_place_of_the_record() -> None:
    mapping = mapping_for(settings(pk_mode="kafka"), None, ORDER)
    assert names(mapping.key) == ["__connect_topic", "__connect_partition", "__connect_offset"]
    assert mapping.keys(batch([None, None], [{}, {}])) == [("orders", 3, 10), ("orders", 3, 11)]


def test_whitelisted_fields_only() -> None:
    chosen = settings(pk_mode="record_value", pk_fields="invoice_no", fields_whitelist="total")
    assert names(mapping_for(chosen, None, ORDER).columns) == ["invoice_no", "total"]


def test_types_keep_scale_and_default() -> None:
    columns = {column.name: column for column in mapping_for(settings(), None, ORDER).columns}
    assert (columns["total"].type.kind, columns["total"].type.scale) == (Kind.DECIMAL, 2)
    assert (columns["at"].type.kind, columns["at"].type.scale) == (Kind.TIMESTAMP, 3)
    assert (columns["state"].default, columns["state"].nullable) == ("new", True)
    assert not columns["total"].nullable


@pytest.mark.parametrize(
    ("keys", "key_schema", "value_schema", "text"),
    [
        ({"pk_mode": "record_value", "pk_fields": "id"}, None, ORDER, "pk.fields names id; the value has"),
        ({"pk_mode": "record_key"}, Schema.int64(), ORDER, "must name its one column"),
        ({"fields_whitelist": "toal"}, None, ORDER, "fields.whitelist names toal"),
        ({}, None, Schema.string(), "needs a struct as value, not string"),
        ({}, None, Schema.struct({"l": Schema.array(Schema.date())}), "'l' is an array"),
    ],
)
def test_misfits_are_named(
    keys: dict[str, str], key_schema: Schema | None, value_schema: Schema, text: str
) -> None:
    with pytest.raises(DataError, match=text):
        mapping_for(settings(**keys), key_schema, value_schema)


def test_a_missing_schema_names_the_two_lines_that_cure_it() -> None:
    with pytest.raises(DataError) as error:
        require_schema(None, "value", "orders")
    text = str(error.value)
    assert "value.converter=org.apache.kafka.connect.json.JsonConverter\n" in text
    assert "value.converter.schemas.enable=true" in text


def test_a_null_key_is_the_records_fault() -> None:
    mapping = mapping_for(settings(pk_mode="record_key", pk_fields="invoice_no"), Schema.string(), ORDER)
    with pytest.raises(DataError) as error:
        mapping.keys(batch(["a", None], [{}, {}], Schema.string()))
    assert error.value.index == 1


def test_counts_since_the_epoch_become_timestamps() -> None:
    schema = Schema.struct({"n": Schema.int64(), "t": Schema.string(optional=True), "x": Schema.int64()})
    keys = {"timestamp_fields_list": "n,t,nowhere"}
    mapping = mapping_for(settings(**keys), None, schema)
    assert [column.type.kind for column in mapping.rest] == [Kind.TIMESTAMP, Kind.TIMESTAMP, Kind.INTEGER]
    values = [Struct(schema, {"n": 1_000_001, "t": "-1", "x": 5}), Struct(schema, {"n": 0, "x": 5})]
    one = RecordBatch("t", 0, [0, 1], [None, None], values, None, schema)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    micro = dt.timedelta(microseconds=1)
    assert mapping.rows(one, mapping.keys(one)) == [
        (epoch + dt.timedelta(seconds=1) + micro, epoch - micro, 5),
        (epoch, None, 5),
    ]
    nanos = mapping_for(settings(timestamp_precision_mode="nanoseconds", **keys), None, schema)
    assert nanos.rows(one, nanos.keys(one))[0] == (epoch + 1000 * micro, epoch - micro, 5)
    bad = RecordBatch("t", 0, [0], [None], [Struct(schema, {"n": 0, "t": "soon", "x": 5})], None, schema)
    with pytest.raises(DataError, match="a field has no form in its column") as caught:
        mapping.rows(bad, mapping.keys(bad))
    assert caught.value.index == 0


def test_arrays_of_plain_values_are_text_that_postgresql_reads() -> None:
    schema = Schema.struct(
        {
            "n": Schema.array(Schema.int64(optional=True)),
            "t": Schema.array(Schema.string(), optional=True, default=["a"]),
        }
    )
    mapping = mapping_for(settings(), None, schema)
    assert [column.type.declared for column in mapping.rest] == ["BIGINT[]", "TEXT[]"]
    assert mapping.rest[1].default == '{"a"}'
    text = ["", 'a "b", \\ {c}', "NULL", "서울"]
    values = [Struct(schema, {"n": [1, None, -2], "t": text}), Struct(schema, {"n": [], "t": None})]
    one = RecordBatch("t", 0, [0, 1], [None, None], values, None, schema)
    assert mapping.rows(one, mapping.keys(one)) == [
        ("{1,NULL,-2}", '{"","a \\"b\\", \\\\ {c}","NULL","서울"}'),
        ("{}", None),
    ]
