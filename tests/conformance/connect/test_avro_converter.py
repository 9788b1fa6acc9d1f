"""AvroConverter beside the original AvroData: 316 schemas with values, each in both directions.

The answers are those of java/AvroGolden.java; `RICHER` are cases that the original cannot read back.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.conformance.connect.avro_cases import GOLDEN
from tidelock.connect.api import Schema, StructRows, Type
from tidelock.connect.converters.avro.converter import AvroConverter, AvroReader, AvroWriter
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.registry.client import SchemaText

CASES = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
RICHER = [number for number, one in enumerate(CASES) if "error" in one["answer"]]


def converter(case: dict[str, Any]) -> AvroConverter:
    made = AvroConverter()
    made.configure({"schema.registry.url": "http://127.0.0.1:1", **case.get("options", {})}, is_key=False)
    return made


def json_converter() -> JsonConverter:
    made = JsonConverter()
    made.configure({"replace.null.with.default": "false"}, is_key=False)
    return made


def read(case: dict[str, Any], text: str, payload: bytes) -> tuple[Schema | None, Any]:
    found = converter(case).new_reader(SchemaText(text), lambda name: case.get("version"))
    assert isinstance(found, AvroReader)
    value = found.read(payload)
    if found.schema is not None and found.schema.type is Type.STRUCT and value is not None:
        value = StructRows(found.schema, [value])[0]
    return found.schema, value


def enveloped(schema: Schema | None, value: Any) -> Any:
    [made] = json_converter().encode("t", schema, [value])
    return None if made is None else parsed(made.decode())


def parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@pytest.mark.parametrize("number", [one for one in range(len(CASES)) if one not in RICHER])
def test_schemas_and_values_as_the_original(number: int) -> None:
    case, answer = CASES[number]["case"], CASES[number]["answer"]
    payload = bytes.fromhex(answer["bytes"])
    text = json.dumps(case["avro"]) if "avro" in case else answer["avro"]
    if "envelope" in case:
        [run] = json_converter().decode("t", [json.dumps(case["envelope"]).encode()])
        writer = converter(case).new_writer(run.schema)
        assert json.loads(writer.schema.text) == json.loads(answer["avro"])
        assert writer.write(run.values[0]) == payload
    schema, value = read(case, text, payload)
    if answer["back"] is None:
        assert value is None
    else:
        assert enveloped(schema, value) == parsed(json.dumps(answer["back"]))


@pytest.mark.parametrize("number", range(len(CASES)))
def test_what_was_read_is_written_as_the_same_bytes(number: int) -> None:
    case, answer = CASES[number]["case"], CASES[number]["answer"]
    text = SchemaText(json.dumps(case["avro"]) if "avro" in case else answer["avro"])
    payload = bytes.fromhex(answer["bytes"])
    schema, value = read(case, text.text, payload)
    ours = converter(case)
    writer = ours.adopt(ours.new_writer(schema), text)
    assert isinstance(writer, AvroWriter)
    assert writer.write(value) == payload


@pytest.mark.parametrize("number", RICHER)
def test_what_the_original_cannot_read_back(number: int) -> None:
    case, answer = CASES[number]["case"], CASES[number]["answer"]
    assert answer["error"] == "DataException: Mismatching schema."
    schema, _ = read(case, json.dumps(case["avro"]), bytes.fromhex(answer["bytes"]))
    assert schema is not None
    assert schema.fields[0].schema.default is not None
