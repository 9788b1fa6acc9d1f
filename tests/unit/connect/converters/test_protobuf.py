"""ProtobufConverter: .proto files both ways, values both ways, and which message of a file it is."""

from __future__ import annotations

import base64
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, json_format
from hypothesis import given
from hypothesis import strategies as st

from tidelock.connect.api import DataError, Schema, Struct, StructRows, Type
from tidelock.connect.converters.protobuf.converter import (
    ProtobufConverter,
    ProtobufReader,
    ProtobufWriter,
    read_indexes,
    write_indexes,
)
from tidelock.connect.converters.protobuf.files import Files
from tidelock.connect.converters.protobuf.read_text import read_text
from tidelock.connect.converters.protobuf.settings import ENUM, TAG, UNION
from tidelock.connect.converters.protobuf.write_text import write_text
from tidelock.connect.converters.registry.client import SchemaText

ORDER_PROTO = """
// an order
syntax = "proto3";
package shop.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/type/date.proto";
import "confluent/meta.proto";
import "confluent/type/decimal.proto";
option java_package = "shop";

message Order {
  reserved 15, 20 to 30; /* gone */
  enum State { NEW = 0; DONE = 5; }
  message Item { string name = 1; repeated uint32 counts = 2; }
  int64 id = 1;
  optional string note = 2;
  State state = 3;
  repeated Item items = 4;
  map<string, int32> by = 5;
  oneof pay { string card = 6; bool cash = 7; }
  google.protobuf.Timestamp at = 8;
  google.type.Date day = 9;
  confluent.type.Decimal total = 10 [(confluent.field_meta) = { params: [
    { key: "scale", value: "2" }, { key: "precision", value: "9" } ] }];
  google.protobuf.StringValue wrapped = 11;
  int32 small = 12 [deprecated = true, (confluent.field_meta).params = {key: "connect.type", value: "int16"}];
  fixed64 fixed = 13;
}
message Other { bool is = 1; }
"""


def converter(**keys: str) -> ProtobufConverter:
    made = ProtobufConverter()
    given_ = {name.replace("_", "."): value for name, value in keys.items()}
    made.configure({"schema.registry.url": "http://127.0.0.1:1", **given_}, is_key=False)
    return made


def message_of(text: str, name: str, document: dict[str, Any]) -> bytes:
    """The bytes of a message, by the library's own JSON form."""
    files = Files()
    files.add(text, "x.proto", {})
    message, indexes = files.find(name)
    made = json_format.ParseDict(document, files.class_of(message)())
    return write_indexes(indexes) + bytes(made.SerializeToString())


def read(text: str, payload: bytes, **keys: str) -> tuple[Schema, Any]:
    reader = converter(**keys).new_reader(SchemaText(text, "PROTOBUF"), lambda name: None)
    assert isinstance(reader, ProtobufReader)
    found = reader.of(payload)
    value = found.read(payload)
    assert found.schema is not None
    is_row = found.schema.type is Type.STRUCT
    return found.schema, StructRows(found.schema, [value])[0] if is_row else value


def write(schema: Schema, value: Any, **keys: str) -> tuple[str, bytes]:
    writer = converter(**keys).new_writer(schema)
    assert isinstance(writer, ProtobufWriter)
    return writer.schema.text, writer.write(value)


FULL = {
    "id": "5",
    "note": "메모",
    "state": "DONE",
    "items": [{"name": "a", "counts": [1, 2]}],
    "by": {"k": 7},
    "cash": True,
    "at": "2024-02-29T12:00:00.123Z",
    "day": {"year": 2024, "month": 2, "day": 29},
    "total": {"value": "BNI=", "scale": 2},
    "wrapped": "w",
    "small": 3,
    "fixed": "9",
}


def test_a_message_of_other_people() -> None:
    schema, value = read(ORDER_PROTO, message_of(ORDER_PROTO, "shop.v1.Order", FULL))
    assert schema.name == "Order"
    assert value.as_dict() == {
        "pay_0": {"card": None, "cash": True},
        "id": 5,
        "note": "메모",
        "state": "DONE",
        "items": [{"name": "a", "counts": [1, 2]}],
        "by": {"k": 7},
        "at": dt.datetime(2024, 2, 29, 12, 0, 0, 123000, dt.UTC),
        "day": dt.date(2024, 2, 29),
        "total": Decimal("12.34"),
        "wrapped": {"value": "w"},
        "small": 3,
        "fixed": 9,
    }
    fields = {one.name: one.schema for one in schema.fields}
    assert all(one.optional for one in fields.values())
    assert {name: one.parameters.get(TAG) for name, one in fields.items()} == {
        "pay_0": None,
        **{name: str(number) for number, name in enumerate(("id", "note", "state", "items", "by"), 1)},
        **{
            name: str(number)
            for number, name in enumerate(("at", "day", "total", "wrapped", "small", "fixed"), 8)
        },
    }
    assert fields["small"].type is Type.INT16
    assert fields["total"].parameters["scale"] == "2"
    assert fields["state"].parameters[ENUM + ".DONE"] == "5"
    assert fields["by"].name == "by"


def test_what_is_absent_is_null_or_zero() -> None:
    _, value = read(ORDER_PROTO, message_of(ORDER_PROTO, "shop.v1.Order", {}))
    found = value.as_dict()
    assert (found["id"], found["note"], found["state"], found["items"], found["by"]) == (
        0,
        None,
        "NEW",
        [],
        {},
    )
    assert (found["pay_0"], found["at"], found["wrapped"]) == (None, None, None)


def test_what_is_absent_is_its_default_where_that_is_wanted() -> None:
    text = """
    syntax = "proto3";
    import "google/type/date.proto";
    message A {
      message B { int32 n = 1; }
      B b = 1; optional string note = 2; google.type.Date day = 3; oneof x { string one = 4; }
    }
    """
    payload = message_of(text, "A", {})
    assert set(read(text, payload)[1].as_dict().values()) == {None}
    found = read(text, payload, **{"generate.struct.for.nulls": "true"})[1].as_dict()
    assert found == {"b": {"n": 0}, "note": "", "day": None, "x_0": None}


def test_which_of_a_file_it_is() -> None:
    assert read(ORDER_PROTO, message_of(ORDER_PROTO, "shop.v1.Other", {"is": True}))[1].as_dict() == {
        "is": True
    }
    payload = message_of(ORDER_PROTO, "shop.v1.Order.Item", {"name": "x"})
    assert payload[:3] == b"\4\0\0"
    assert read(ORDER_PROTO, payload)[1]["name"] == "x"
    with pytest.raises(DataError, match="no message at"):
        read(ORDER_PROTO, b"\2\x10")


def test_one_topic_may_have_several_messages_of_a_file() -> None:
    one = converter()
    one._readers["t", 1] = READER
    others = [message_of(ORDER_PROTO, "shop.v1.Other", {"is": True})] * 2
    runs = one.decode("t", [b"\0\0\0\0\1" + each for each in (GOOD, *others, GOOD)])
    assert [(run.schema and run.schema.name, len(run.values)) for run in runs] == [
        ("Order", 1),
        ("Other", 2),
        ("Order", 1),
    ]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"enhanced.protobuf.schema.support": "true"}, ("shop.v1.Order", "shop.v1.Order.State")),
        ({"int.for.enums": "true"}, ("Order", "State")),
    ],
)
def test_names_and_enums_as_wanted(keys: dict[str, str], expected: tuple[str, str]) -> None:
    schema, value = read(ORDER_PROTO, message_of(ORDER_PROTO, "shop.v1.Order", FULL), **keys)
    state = schema.field("state")
    assert state is not None
    assert (schema.name, state.schema.name) == expected
    assert value["state"] == (5 if "int.for.enums" in keys else "DONE")


def test_nullables_as_wanted() -> None:
    schema, _ = read(
        ORDER_PROTO, message_of(ORDER_PROTO, "shop.v1.Order", {}), **{"optional.for.nullables": "true"}
    )
    assert {one.name for one in schema.fields if not one.schema.optional} == {"id", "small", "fixed"}
    schema, value = read(
        ORDER_PROTO, message_of(ORDER_PROTO, "shop.v1.Order", FULL), **{"wrapper.for.nullables": "true"}
    )
    assert value["wrapped"] == "w"
    note = schema.field("note")
    assert note is not None
    assert not note.schema.optional


INNER = Schema.struct({"a": Schema.int32()}, name="shop.Inner")
MADE = Schema.struct(
    {
        "b": Schema.boolean(),
        "tiny": Schema.int8(),
        "big": Schema.int64(optional=True),
        "f": Schema.float32(),
        "raw": Schema.bytes(),
        "inner": INNER,
        "inners": Schema.array(INNER),
        "by": Schema.map(Schema.string(), INNER),
        "state": Schema.string(
            name="State", parameters={ENUM: "State", f"{ENUM}.OFF": "0", f"{ENUM}.ON": "1"}
        ),
        "pay": Schema.struct(
            {"card": Schema.string(optional=True), "cash": Schema.int32(optional=True)},
            name=UNION + "pay",
            optional=True,
        ),
        "total": Schema.decimal(2),
        "day": Schema.date(),
        "at": Schema.timestamp(),
        "time": Schema.time(),
    },
    name="shop.Made",
)


def made() -> Struct:
    inner = Struct(INNER, {"a": 1})
    pay = MADE.field("pay")
    assert pay is not None
    return Struct(
        MADE,
        {
            "b": True,
            "tiny": -5,
            "f": 1.5,
            "raw": b"\0\xff",
            "inner": inner,
            "inners": [inner, inner],
            "by": {"k": inner},
            "state": "ON",
            "pay": Struct(pay.schema, {"cash": 3}),
            "total": Decimal("-0.01"),
            "day": dt.date(1, 1, 1),
            "at": dt.datetime(1969, 12, 31, 23, 59, 59, 999000, dt.UTC),
            "time": dt.time(23, 59, 59, 999000),
        },
    )


def test_a_struct_is_a_file_and_comes_back() -> None:
    text, payload = write(MADE, made())
    assert payload[0] == 0
    assert 'import "confluent/meta.proto";' in text
    assert "  map<string, shop.Made.Inner> by = 8;" in text
    assert "  oneof pay {\n    string card = 10;\n    int32 cash = 11;\n  }" in text
    _, value = read(text, payload, **{"generate.index.for.unions": "false"})
    expected = made().as_dict() | {"big": 0}  # proto3 cannot tell
    assert {name: value.as_dict()[name] for name in expected} == expected
    text, payload = write(MADE, made(), **{"optional.for.nullables": "true"})
    assert "  optional int64 big = 3;" in text
    assert read(text, payload, **{"optional.for.nullables": "true"})[1]["big"] is None
    text, payload = write(MADE, made(), **{"wrapper.for.nullables": "true"})
    assert "  google.protobuf.Int64Value big = 3;" in text
    assert read(text, payload, **{"wrapper.for.nullables": "true"})[1]["big"] is None


def test_what_was_read_is_written_under_its_numbers() -> None:
    payload = message_of(ORDER_PROTO, "shop.v1.Order", FULL)
    schema, value = read(ORDER_PROTO, payload)
    text, again = write(schema, value)
    assert "  fixed64 fixed = 13;" in text
    assert read(text, again)[1].as_dict() == value.as_dict()
    ours = converter()
    writer = ours.new_writer(schema)
    latest = ORDER_PROTO.replace("package shop.v1;", "")
    assert ours.adopt(writer, SchemaText(latest, "PROTOBUF")).write(value)[1:] == again[1:]


@pytest.mark.parametrize(
    ("schema", "value", "index"),
    [
        (Schema.string(), "x", 7),
        (Schema.int8(), -3, 4),
        (Schema.float64(), 0.5, 0),
        (Schema.bytes(), b"\0", 8),
    ],
)
def test_a_plain_record_is_a_wrapper(schema: Schema, value: Any, index: int) -> None:
    text, payload = write(schema, value)
    assert read_indexes(payload)[0] == [index]
    assert read(text, payload)[1] == value


@pytest.mark.parametrize(
    "schema",
    [
        Schema.array(Schema.int32()),
        Schema.map(Schema.string(), Schema.int32()),
        Schema.decimal(2),
        Schema.struct({"a": Schema.array(Schema.array(Schema.int32()))}),
        Schema.struct({"a": Schema.map(Schema.float64(), Schema.int32())}),
        Schema.struct({"a": Schema.map(Schema.string(), Schema.array(Schema.int32()))}),
        Schema.struct({"with space": Schema.int32()}),
        Schema.struct({"a": Schema.int32(parameters={TAG: "0"})}),
    ],
)
def test_schemas_that_protobuf_has_no_form_for(schema: Schema) -> None:
    with pytest.raises(DataError):
        converter().new_writer(schema)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense;", "begins no statement"),
        ('syntax = "proto4";', "proto4"),
        ("message A {", "ends too early"),
        ("message A { int32 a = x; }", "is no whole number"),
        ("message A { int32 a = 0; }", "is no number of a field"),
        ("message A { Unknown a = 1; }", "not a .proto file"),
        (
            'import "x.proto"; message A { int32 a = 1; }',
            "imports 'x.proto', which the registry does not tell",
        ),
        ("message A { A a = 1; }", "contains itself"),
        ("message A { optional group G = 1 { } }", "groups of proto2"),
        ('message A { string a = 1 [default = "x]; }', "not a .proto file"),
    ],
)
def test_files_that_are_none(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read(text, b"\0")


def test_proto2_tells_what_is_absent() -> None:
    text = "message A { required int32 r = 1; optional int32 o = 2 [default = 7]; repeated string s = 3; }"
    payload = message_of(text, "A", {"r": 1})
    assert read(text, payload)[1].as_dict() == {"r": 1, "o": None, "s": []}
    assert read(text, payload, **{"optional.for.proto2": "false"})[1]["o"] == 7


def test_a_descriptor_in_base64_is_read_as_its_file() -> None:
    descriptor = read_text(ORDER_PROTO, "x.proto").descriptor
    data = base64.b64encode(descriptor.SerializeToString()).decode()
    payload = message_of(ORDER_PROTO, "shop.v1.Other", {"is": True})
    assert read(data, payload)[1].as_dict() == {"is": True}


def test_text_comes_back() -> None:
    first = read_text(ORDER_PROTO, "x.proto")
    del first.descriptor.dependency[3]  # confluent/meta.proto, which parameters bring along
    again = read_text(write_text(first), "x.proto")
    assert again.params == first.params
    assert sorted(again.descriptor.dependency) == sorted(
        [*first.descriptor.dependency, "confluent/meta.proto"]
    )
    for file in (first, again):
        del file.descriptor.dependency[:]
    names = [one.name for one in first.descriptor.message_type[0].field]
    assert sorted(names) == sorted(one.name for one in again.descriptor.message_type[0].field)


@given(st.lists(st.integers(0, 1 << 20), min_size=1, max_size=5))
def test_indexes_come_back(indexes: list[int]) -> None:
    payload = write_indexes(indexes)
    assert read_indexes(payload + b"rest") == (indexes, len(payload))


READER = converter().new_reader(SchemaText(ORDER_PROTO, "PROTOBUF"), lambda name: None)
GOOD = message_of(ORDER_PROTO, "shop.v1.Order", FULL)


def decoded(payload: bytes) -> int | None:
    one = converter()
    one._readers["t", 1] = READER
    try:
        return sum(len(run.values) for run in one.decode("t", [b"\0\0\0\0\1" + payload])) - 1
    except DataError as error:
        return error.index


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_a_data_error(payload: bytes) -> None:
    assert decoded(payload) == 0


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_good_record_with_one_byte_changed(place: int, byte: int) -> None:
    assert decoded(GOOD[:place] + bytes([byte]) + GOOD[place + 1 :]) == 0


WORDS = [
    *"{}[]()<>=;,:",
    "message",
    "enum",
    "oneof",
    "map",
    "A",
    "a",
    "int32",
    "1",
    "0",
    '"x"',
    "option",
    "optional",
]


@given(st.lists(st.sampled_from(WORDS), max_size=25) | st.text(max_size=30).map(lambda one: [one]))
def test_any_text_is_a_file_or_refused(words: list[str]) -> None:
    try:
        file = read_text(" ".join(words), "x.proto")
        Files().add_file(file, {})
    except DataError:
        return
    assert isinstance(file.descriptor, descriptor_pb2.FileDescriptorProto)
