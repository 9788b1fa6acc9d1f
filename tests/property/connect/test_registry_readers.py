"""Readers of registry converters: any bytes and any schema text are read, or are the record's fault."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.connect.avro_cases import GOLDEN
from tidelock.connect.api import DataError
from tidelock.connect.converters.avro.converter import AvroConverter
from tidelock.connect.converters.avro.types import parse
from tidelock.connect.converters.registry.client import SchemaText

CASES = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
TEXTS = [json.dumps(one["case"]["avro"]) if "avro" in one["case"] else one["answer"]["avro"] for one in CASES]


class Known(AvroConverter):
    """A converter whose schemas are at hand."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.configure({"schema.registry.url": "http://127.0.0.1:1"}, is_key=False)
        self._readers["t", 1] = self.new_reader(SchemaText(text), lambda name: None)


CONVERTERS = [Known(text) for text in TEXTS[::7]]
GOOD = [bytes.fromhex(one["answer"]["bytes"]) for one in CASES[::7]]


def decoded(place: int, payload: bytes) -> int | None:
    """Return how many values there are, or the index that a DataError gives."""
    try:
        runs = CONVERTERS[place].decode("t", [b"\0\0\0\0\1" + payload])
    except DataError as error:
        return error.index
    return sum(len(one.values) for one in runs) - 1


@given(st.integers(0, len(CONVERTERS) - 1), st.binary(max_size=40))
def test_any_bytes_are_a_value_or_a_data_error(place: int, payload: bytes) -> None:
    assert decoded(place, payload) == 0


@given(st.integers(0, len(CONVERTERS) - 1), st.data())
def test_a_good_record_with_one_byte_changed(place: int, data: st.DataObject) -> None:
    payload = bytearray(GOOD[place])
    if payload:
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    assert decoded(place, bytes(payload)) == 0


ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["int", "null", "record", "enum", "x.Y", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "name", "fields", "items", "values", "symbols", "size", "default", "logicalType"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(ANY)
@settings(max_examples=300)
def test_any_json_is_a_schema_or_refused(document: object) -> None:
    text = json.dumps(document)
    try:
        found = parse(text, {})
        Known(text)
    except DataError:
        return
    assert found.kind
