"""Nested paths in every transform that names fields: the originals have them in ExtractField only."""

from typing import Any

import pytest

from tidelock.config import ConfigError
from tidelock.connect.api import DataError, Record, Schema, Struct, Transform
from tidelock.connect.runtime.plugins import Plugins

INNER = Schema.struct(
    {"zip": Schema.string(), "no": Schema.int32(optional=True)}, name="address", optional=True
)
ORDER = Schema.struct({"id": Schema.int64(), "to": INNER}, name="order")


def made(name: str, config: dict[str, str], version: str = "V2") -> Transform:
    transform: Transform = Plugins().transform(name).load()()
    transform.configure({**config, "field.syntax.version": version})
    return transform


def value(code: str = "04524", number: int | None = 7) -> Struct:
    return Struct(ORDER, {"id": 1, "to": Struct(INNER, {"zip": code, "no": number})})


def both(name: str, config: dict[str, str]) -> tuple[Record, Record]:
    """The record that comes of a struct, and that of a map."""
    typed = made(name, config).apply(Record("t", value=value(), value_schema=ORDER))
    untyped = made(name, config).apply(Record("t", value=value().as_dict()))
    assert typed is not None
    assert untyped is not None
    return typed, untyped


@pytest.mark.parametrize(
    ("name", "config", "expected"),
    [
        ("Cast$Value", {"spec": "to.zip:int32"}, {"id": 1, "to": {"zip": 4524, "no": 7}}),
        ("MaskField$Value", {"fields": "to.zip"}, {"id": 1, "to": {"zip": "", "no": 7}}),
        ("ReplaceField$Value", {"exclude": "to.no"}, {"id": 1, "to": {"zip": "04524"}}),
        ("ReplaceField$Value", {"include": "to.no"}, {"to": {"no": 7}}),
        ("ReplaceField$Value", {"renames": "to.zip:code"}, {"id": 1, "to": {"code": "04524", "no": 7}}),
        (
            "InsertField$Value",
            {"static.field": "to.city", "static.value": "서울"},
            {"id": 1, "to": {"zip": "04524", "no": 7, "city": "서울"}},
        ),
        (
            "HeaderFrom$Value",
            {"fields": "to.zip", "headers": "zip", "operation": "move"},
            {"id": 1, "to": {"no": 7}},
        ),
        (
            "TimestampConverter$Value",
            {"field": "to.zip", "target.type": "unix", "format": "SSSSS"},
            {"id": 1, "to": {"zip": 4524, "no": 7}},
        ),
    ],
)
def test_a_path_leads_into_structs_and_maps(name: str, config: dict[str, str], expected: Any) -> None:
    typed, untyped = both(name, config)
    assert typed.value.as_dict() == expected
    assert untyped.value == expected
    assert typed.value_schema is typed.value.schema
    if "to" in typed.value:
        assert typed.value_schema is not None
        inner = typed.value_schema.field("to")
        assert inner is not None
        assert inner.schema.optional
        assert typed.value["to"].schema.fields == inner.schema.fields


def test_keys_come_from_below() -> None:
    typed, untyped = both("ValueToKey", {"fields": "id,to.zip"})
    assert typed.key.as_dict() == untyped.key == {"id": 1, "zip": "04524"}
    typed, untyped = both("ExtractField$Value", {"field": "to.zip"})
    assert typed.value == untyped.value == "04524"


def test_a_null_on_the_way_stays_null() -> None:
    record = made("Cast$Value", {"spec": "to.no:string"}).apply(
        Record("t", value=Struct(ORDER, {"id": 1}), value_schema=ORDER)
    )
    assert record is not None
    assert record.value.as_dict() == {"id": 1, "to": None}


def test_given_values_are_never_changed() -> None:
    given = value()
    for name, config in (
        ("MaskField$Value", {"fields": "to.zip"}),
        ("ReplaceField$Value", {"exclude": "to.no"}),
        ("InsertField$Value", {"topic.field": "to.topic"}),
    ):
        made(name, config).apply(Record("t", value=given, value_schema=ORDER))
        plain = given.as_dict()
        made(name, config).apply(Record("t", value=plain))
        assert plain == value().as_dict()
    assert given == value()


def test_plain_names_hold_dots() -> None:
    record = made("MaskField$Value", {"fields": "a.b"}, "V1").apply(
        Record("t", value={"a.b": 5, "a": {"b": 6}})
    )
    assert record is not None
    assert record.value == {"a.b": 0, "a": {"b": 6}}


def test_what_is_wrong_with_a_path_is_told() -> None:
    with pytest.raises(ConfigError, match="backtick"):
        made("MaskField$Value", {"fields": "`a"})
    with pytest.raises(DataError, match="no struct to insert"):
        made("InsertField$Value", {"topic.field": "id.topic"}).apply(
            Record("t", value=value(), value_schema=ORDER)
        )
