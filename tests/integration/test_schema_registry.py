"""Converters with a schema registry over real HTTP: ids, subjects, versions, refusals, outages."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.support.schema_registry import SchemaRegistryServer, is_wire
from tidelock.config import ConfigError
from tidelock.connect.api import DataError, RetriableError, Schema, Struct
from tidelock.connect.converters.avro.converter import AvroConverter
from tidelock.connect.converters.jsonschema.converter import JsonSchemaConverter
from tidelock.connect.converters.protobuf.converter import ProtobufConverter
from tidelock.connect.converters.registry.errors import RegistryRefused, RegistryUnreachable, SchemaRefused

ORDER = Schema.struct(
    {"id": Schema.int64(), "note": Schema.string(optional=True), "total": Schema.decimal(2)},
    name="shop.Order",
)
WIDER = Schema.struct(
    {"id": Schema.int64(), "note": Schema.string(optional=True), "extra": Schema.int32(default=7)},
    name="shop.Order",
)


def avro(registry: SchemaRegistryServer, *, is_key: bool = False, **keys: str) -> AvroConverter:
    made = AvroConverter()
    given = {name.replace("_", "."): value for name, value in keys.items()}
    made.configure({"schema.registry.url": registry.url, **given}, is_key=is_key)
    return made


def order(number: int = 1) -> Struct:
    return Struct(ORDER, {"id": number, "total": Decimal("1.10")})


def test_records_come_back_with_their_schema_and_the_registry_is_asked_once(
    registry: SchemaRegistryServer,
) -> None:
    payloads = avro(registry).encode("orders", ORDER, [order(1), order(2)])
    assert all(is_wire(one, 1) for one in payloads)
    assert registry.subjects == {"orders-value": [1]}
    reader = avro(registry)
    registry.asked.clear()
    [run] = reader.decode("orders", [payloads[0], None, payloads[1]])
    assert [None if one is None else one["id"] for one in run.values] == [1, None, 2]
    assert run.schema is not None
    assert run.schema.with_(version=None) == ORDER
    assert run.schema.version == 1
    reader.decode("orders", payloads)
    assert registry.asked == [("GET", "/schemas/ids/1"), ("POST", "/subjects/orders-value")]


def test_records_of_several_schemas_are_runs(registry: SchemaRegistryServer) -> None:
    writer = avro(registry)
    first = writer.encode("t", Schema.int32(), [1, 2])
    second = writer.encode("t", Schema.string(), ["x"])
    runs = avro(registry).decode("t", [*first, *second, None, *first])
    assert [list(one.values) for one in runs] == [[1, 2], ["x", None], [1, 2]]
    assert [one.schema and one.schema.type.value for one in runs] == ["int32", "string", "int32"]


def test_values_without_schema(registry: SchemaRegistryServer) -> None:
    value = {"a": [1, 2.5, None, True], "b": {"c": b"\x00"}}
    payloads = avro(registry).encode("t", None, [value, None, "text"])
    assert payloads[1] is None
    [run] = avro(registry).decode("t", payloads)
    assert run.schema is None
    assert list(run.values) == [value, None, "text"]


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("TopicNameStrategy", "orders-key"),
        ("io.confluent.kafka.serializers.subject.RecordNameStrategy", "shop.Order"),
        ("TopicRecordNameStrategy", "orders-shop.Order"),
    ],
)
def test_subjects(registry: SchemaRegistryServer, strategy: str, subject: str) -> None:
    avro(registry, is_key=True, key_subject_name_strategy=strategy).encode("orders", ORDER, [order()])
    assert list(registry.subjects) == [subject]


def test_a_strategy_by_record_needs_one(registry: SchemaRegistryServer) -> None:
    writer = avro(registry, value_subject_name_strategy="RecordNameStrategy")
    with pytest.raises(SchemaRefused, match="needs a schema with a record's name") as caught:
        writer.encode("orders", Schema.int32(), [1])
    assert caught.value.index == 0


def test_nothing_is_registered_unless_that_is_wanted(registry: SchemaRegistryServer) -> None:
    careful = avro(registry, auto_register_schemas="false")
    with pytest.raises(SchemaRefused, match="has no such schema: Subject 'orders-value' not found"):
        careful.encode("orders", ORDER, [order()])
    avro(registry).encode("orders", ORDER, [order()])
    assert is_wire(careful.encode("orders", ORDER, [order()])[0], 1)


def test_the_latest_schema_may_be_wider(registry: SchemaRegistryServer) -> None:
    avro(registry).encode("orders", WIDER, [Struct(WIDER, {"id": 1})])
    keys = {"auto_register_schemas": "false", "use_latest_version": "true"}
    narrow = Schema.struct({"id": Schema.int64(), "gone": Schema.boolean(default=True)}, name="shop.Order")
    payload = avro(registry, **keys).encode("orders", narrow, [Struct(narrow, {"id": 5})])[0]
    [run] = avro(registry).decode("orders", [payload])
    assert run.values[0].as_dict() == {"id": 5, "note": None, "extra": 7}
    registry.incompatible.add("orders-value")
    with pytest.raises(SchemaRefused, match="not compatible with the latest of subject 'orders-value'"):
        avro(registry, **keys).encode("orders", narrow, [Struct(narrow, {"id": 5})])
    lax = avro(registry, **keys, latest_compatibility_strict="false")
    assert is_wire(lax.encode("orders", narrow, [Struct(narrow, {"id": 5})])[0], 1)


def test_a_schema_is_chosen_by_its_id(registry: SchemaRegistryServer) -> None:
    avro(registry).encode("orders", WIDER, [Struct(WIDER, {"id": 1})])
    avro(registry).encode("orders", ORDER, [order()])
    narrow = Schema.struct({"id": Schema.int64()}, name="shop.Order")
    keys = {"auto_register_schemas": "false", "use_schema_id": "1"}
    payload = avro(registry, **keys).encode("orders", narrow, [Struct(narrow, {"id": 5})])[0]
    assert is_wire(payload, 1)
    [run] = avro(registry).decode("orders", [payload])
    assert run.values[0].as_dict() == {"id": 5, "note": None, "extra": 7}
    registry.incompatible.add("orders-value")
    with pytest.raises(SchemaRefused, match="not compatible with version 1 of subject 'orders-value'"):
        avro(registry, **keys).encode("orders", narrow, [Struct(narrow, {"id": 5})])
    lax = avro(registry, **keys, id_compatibility_strict="false")
    assert is_wire(lax.encode("orders", narrow, [Struct(narrow, {"id": 5})])[0], 1)
    with pytest.raises(SchemaRefused, match="has no such schema"):
        avro(registry, **{**keys, "use_schema_id": "9"}).encode("orders", narrow, [Struct(narrow, {"id": 5})])


def test_a_schema_that_the_subject_refuses_is_the_records_fault(registry: SchemaRegistryServer) -> None:
    avro(registry).encode("orders", ORDER, [order()])
    registry.incompatible.add("orders-value")
    with pytest.raises(SchemaRefused) as caught:
        avro(registry).encode("orders", WIDER, [Struct(WIDER, {"id": 1})])
    assert caught.value.what.endswith("Schema being registered is incompatible with an earlier schema")
    assert "compatibility" in (caught.value.hint or "")


def test_a_dry_run_registers_nothing_and_asks_whether_it_could(registry: SchemaRegistryServer) -> None:
    dry = {"tidelock_dry_run": "true"}
    payload = avro(registry, **dry).encode("orders", ORDER, [order()])[0]
    assert payload is not None
    assert payload[1] == 0xFF  # below 0: no registry has it
    assert avro(registry, **dry).decode("orders", [payload])[0].values[0]["id"] == 1
    assert registry.subjects == {}
    with pytest.raises(SchemaRefused):
        avro(registry).decode("orders", [payload])
    avro(registry).encode("orders", ORDER, [order()])
    assert is_wire(avro(registry, **dry).encode("orders", ORDER, [order()])[0], 1)
    assert not is_wire(avro(registry, **dry).encode("orders", WIDER, [Struct(WIDER, {"id": 1})])[0], 1)
    registry.incompatible.add("orders-value")
    with pytest.raises(SchemaRefused, match="not compatible"):
        avro(registry, **dry).encode("orders", WIDER, [Struct(WIDER, {"id": 1})])
    assert registry.subjects == {"orders-value": [1]}


def test_who_is_let_in(registry: SchemaRegistryServer) -> None:
    registry.user = "ann:s:cret"
    with pytest.raises(RegistryRefused, match="does not let us in") as caught:
        avro(registry).encode("t", Schema.int32(), [1])
    assert "basic.auth.user.info" in str(caught.value)
    keys = {"basic_auth_credentials_source": "USER_INFO", "basic_auth_user_info": "ann:s:cret"}
    assert is_wire(avro(registry, **keys).encode("t", Schema.int32(), [1])[0], 1)
    address = registry.url.replace("//", "//ann:s%3Acret@")
    assert is_wire(avro(registry, schema_registry_url=address).encode("t", Schema.int32(), [1])[0], 1)


def test_an_outage_is_no_records_fault_and_another_address_helps(registry: SchemaRegistryServer) -> None:
    nobody = "http://127.0.0.1:1"
    with pytest.raises(RegistryUnreachable) as caught:
        avro(registry, schema_registry_url=nobody).encode("t", Schema.int32(), [1])
    assert isinstance(caught.value, RetriableError)
    both = avro(registry, schema_registry_url=f"{nobody},{registry.url}")
    assert is_wire(both.encode("t", Schema.int32(), [1])[0], 1)
    registry.failing = 500
    with pytest.raises(RegistryUnreachable, match="out of order"):
        avro(registry).decode("t", [b"\0\0\0\0\1\2"])


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "does not begin with a schema's id"),
        (b"{}", "does not begin with a schema's id"),
        (b"\1\0\0\0\1\2", "does not begin with a schema's id"),
        (b"\0\0\0\0\7\2", "has no such schema"),
        (b"\0\0\0\0\1", "the bytes are no value of schema 1"),
        (b"\0\0\0\0\1\2\2", "1 bytes follow the value"),
    ],
)
def test_bytes_that_are_no_record(registry: SchemaRegistryServer, payload: bytes, says: str) -> None:
    writer = avro(registry)
    good = writer.encode("t", Schema.int32(), [1])[0]
    with pytest.raises(DataError, match=says) as caught:
        avro(registry).decode("t", [good, payload])
    assert caught.value.index == 1


def test_references_are_read(registry: SchemaRegistryServer) -> None:
    item = {"type": "record", "name": "shop.Item", "fields": [{"name": "n", "type": "int"}]}
    registry.register("item", {"schema": json.dumps(item)})
    basket: dict[str, Any] = {"type": "array", "items": "shop.Item"}
    reference = {"name": "shop.Item", "subject": "item", "version": 1}
    registry.register("t-value", {"schema": json.dumps(basket), "references": [reference]})
    [run] = avro(registry).decode("t", [b"\0\0\0\0\2" + b"\2\6\0"])
    assert [one.as_dict() for one in run.values[0]] == [{"n": 3}]


def test_all_problems_of_the_keys_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        AvroConverter().configure(
            {
                "schema.registry.url": "localhost",
                "value.subject.name.strategy": "x",
                "basic.auth.user.info": "y",
            },
            is_key=False,
        )
    assert [one.key for one in caught.value.problems] == [
        "schema.registry.url",
        "value.subject.name.strategy",
        "basic.auth.user.info",
    ]
    assert "y" not in [str(one.value) for one in caught.value.problems]


def test_json_schema_goes_the_same_way(registry: SchemaRegistryServer) -> None:
    def converter(**keys: str) -> JsonSchemaConverter:
        made = JsonSchemaConverter()
        given = {name.replace("_", "."): value for name, value in keys.items()}
        made.configure({"schema.registry.url": registry.url, **given}, is_key=False)
        return made

    payloads = converter().encode("orders", ORDER, [order(1), order(2)])
    assert all(is_wire(one, 1) for one in payloads)
    assert registry.schemas[0]["schemaType"] == "JSON"
    [run] = converter(json_fail_invalid_schema="true").decode("orders", payloads)
    assert run.schema is not None
    assert run.schema.with_(version=None) == ORDER
    assert [one["id"] for one in run.values] == [1, 2]
    with pytest.raises(DataError, match="the record's schema is JSON, not Avro"):
        avro(registry).decode("orders", payloads)
    item = {"title": "Item", "type": "object", "properties": {"n": {"type": "integer"}}}
    registry.register("item", {"schema": json.dumps(item), "schemaType": "JSON"})
    basket = {"type": "array", "items": {"$ref": "item.json"}}
    reference = {"name": "item.json", "subject": "item", "version": 1}
    registry.register("t", {"schema": json.dumps(basket), "schemaType": "JSON", "references": [reference]})
    [run] = converter(json_fail_invalid_schema="true").decode("t", [b'\0\0\0\0\3[{"n": 3}]'])
    assert [one.as_dict() for one in run.values[0]] == [{"n": 3}]


def test_protobuf_goes_the_same_way(registry: SchemaRegistryServer) -> None:
    def converter() -> ProtobufConverter:
        made = ProtobufConverter()
        made.configure({"schema.registry.url": registry.url}, is_key=False)
        return made

    payloads = converter().encode("orders", ORDER, [order(1), order(2)])
    assert all(is_wire(one, 1) and one is not None and one[5] == 0 for one in payloads)
    assert registry.schemas[0]["schemaType"] == "PROTOBUF"
    [run] = converter().decode("orders", payloads)
    assert run.schema is not None
    assert (run.schema.name, run.schema.version) == ("Order", 1)
    assert [one.as_dict() for one in run.values] == [
        {"id": number, "note": "", "total": Decimal("1.10")} for number in (1, 2)
    ]
    registry.register("item", {"schema": 'syntax = "proto3"; message Item { int32 n = 1; }'})
    basket = {
        "schema": 'syntax = "proto3"; import "item.proto"; message Basket { repeated Item items = 1; }',
        "schemaType": "PROTOBUF",
        "references": [{"name": "item.proto", "subject": "item", "version": 1}],
    }
    registry.register("t", basket)
    [run] = converter().decode("t", [b"\0\0\0\0\3\0\n\2\x08\3"])
    assert run.values[0].as_dict() == {"items": [{"n": 3}]}
    with pytest.raises(DataError, match="the record's schema is PROTOBUF, not Avro"):
        avro(registry).decode("orders", payloads)
