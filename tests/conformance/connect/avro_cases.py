"""Cases for AvroConverter: schemas and values of Connect's, and Avro schemas of other people's.

`python -m tests.conformance.connect.avro_cases CLASSPATH` asks the original AvroData and stores its answers;
CLASSPATH is what java/AvroGolden.java needs.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidelock.connect.api import Schema, Struct, Type, logical_type
from tidelock.connect.converters.json import JsonConverter

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "cases" / "avro.golden.jsonl"
UTC = dt.UTC
SEED, RANDOM_CASES = 6, 220

LEAVES: list[tuple[Schema, list[Any]]] = [
    (Schema.int8(), [0, -128, 127]),
    (Schema.int16(), [0, -32768, 32767]),
    (Schema.int32(), [0, -(1 << 31), (1 << 31) - 1]),
    (Schema.int64(), [0, -(1 << 63), (1 << 63) - 1]),
    (Schema.float32(), [0.0, 1.5, -2.25]),
    (Schema.float64(), [0.0, 0.1, -1e300]),
    (Schema.boolean(), [True, False]),
    (Schema.string(), ["", "text", "대한민국 😀"]),
    (Schema.bytes(), [b"", b"\x00\xff", b"abc"]),
    (Schema.decimal(2), [Decimal("0.00"), Decimal("-12.34"), Decimal("99999999999999999999.99")]),
    (Schema.date(), [dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(1, 1, 1)]),
    (Schema.time(), [dt.time(0), dt.time(23, 59, 59, 999000)]),
    (
        Schema.timestamp(),
        [dt.datetime(1970, 1, 1, tzinfo=UTC), dt.datetime(2011, 1, 4, 23, 30, 0, 250000, UTC)],
    ),
]


def parts(draw: random.Random, schema: Schema, values: list[Any], *, named: bool) -> Schema:
    """Return a schema with some of what a schema can have besides its type."""
    changed: dict[str, Any] = {}
    if draw.random() < 0.4:
        changed["optional"] = True
    has_no_default = schema.type is Type.STRUCT or "null" in str(values) or "None" in str(values)
    is_entries = schema.key_schema is not None and schema.key_schema.type is not Type.STRING
    if draw.random() < 0.25 and not has_no_default and not is_entries and "{7" not in str(values):
        changed["default"] = draw.choice(values)
    if draw.random() < 0.2:
        changed["doc"] = "what it is: 설명"
    if draw.random() < 0.15 and logical_type(schema) is None:
        changed["version"] = draw.randrange(1, 5)
    if draw.random() < 0.15:
        changed["parameters"] = {**schema.parameters, "note": "x", "more": "y"}
    if named and draw.random() < 0.2 and logical_type(schema) is None:
        changed["name"] = f"org.shop.N{draw.randrange(10_000)}"
    return schema.with_(**changed)


def random_pair(draw: random.Random, depth: int) -> tuple[Schema, list[Any]]:
    """Return a schema and values that fit it."""
    kind = draw.randrange(10) if depth else 0
    if kind < 6:
        schema, values = draw.choice(LEAVES)
    elif kind < 7:
        inner, values = random_pair(draw, depth - 1)
        schema, values = Schema.array(inner), [[], values, values[:1]]
    elif kind < 8:
        inner, values = random_pair(draw, depth - 1)
        schema = Schema.map(Schema.string(), inner)
        values = [{}, {"k": values[0]}]
    elif kind < 9:
        inner, values = random_pair(draw, depth - 1)
        schema = Schema.map(Schema.int32(), inner, name=f"org.shop.Entry{draw.randrange(10_000)}")
        values = [{}, {7: values[0]}]
    else:
        return random_struct(draw, depth - 1)
    made = parts(draw, schema, values, named=True)
    return made, [*values, *([None] if made.optional else [])]


def random_struct(draw: random.Random, depth: int) -> tuple[Schema, list[Any]]:
    """Return a struct's schema with values."""
    fields: dict[str, tuple[Schema, list[Any]]] = {
        f"f{number}": random_pair(draw, depth) for number in range(draw.randrange(1, 5))
    }
    name = f"org.shop.Order{draw.randrange(10_000)}" if draw.random() < 0.7 else None
    schema = Schema.struct({one: pair[0] for one, pair in fields.items()}, name=name)
    if draw.random() < 0.3:
        schema = schema.with_(doc="a struct", version=3)
    values = [Struct(schema, {one: draw.choice(pair[1]) for one, pair in fields.items()}) for _ in range(2)]
    return schema, values


def envelope(schema: Schema, value: Any) -> Any:
    """Return a schema and value as JsonConverter writes them."""
    writer = JsonConverter()
    writer.configure({"replace.null.with.default": "false"}, is_key=False)
    [made] = writer.encode("t", schema, [value])
    assert made is not None
    return json.loads(made)


def ours() -> list[dict[str, Any]]:
    """Return cases that begin with a schema of Connect's."""
    draw = random.Random(SEED)
    cases = []
    for schema, values in LEAVES:
        cases += [{"envelope": envelope(schema.with_(optional=one), values[-1])} for one in (False, True)]
        cases.append({"envelope": envelope(schema.with_(default=values[-1], optional=True), values[0])})
    while len(cases) < RANDOM_CASES:
        schema, values = random_struct(draw, 3) if draw.random() < 0.8 else random_pair(draw, 3)
        value = draw.choice([one for one in values if one is not None])
        cases.append({"envelope": envelope(schema, value)})
    shared = Schema.struct({"a": Schema.int32()}, name="org.shop.Shared")
    both = Schema.struct({"one": shared, "two": shared.with_(optional=True), "three": Schema.array(shared)})
    inner = Struct(shared, {"a": 1})
    cases.append({"envelope": envelope(both, Struct(both, {"one": inner, "two": inner, "three": [inner]}))})
    enum = Schema.string(name="org.shop.Colour", parameters={ENUM: "org.shop.Colour", f"{ENUM}.RED": "RED"})
    coloured = Schema.struct({"c": enum, "d": enum.with_(optional=True)}, name="org.shop.Coloured")
    for options in ({}, {"enhanced.avro.schema.support": "true"}, {"connect.meta.data": "false"}):
        value = Struct(coloured, {"c": "RED", "d": None})
        cases.append({"options": options, "envelope": envelope(coloured, value)})
    cases += [{"options": {"connect.meta.data": "false"}, **one} for one in cases[60:80]]
    return cases


ENUM = "io.confluent.connect.avro.Enum"


def record(*fields: Any, **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": "org.shop.R", "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"], "doc": "hue", "default": "RED"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
FIXED = {"type": "fixed", "name": "org.shop.Md5", "size": 2}
ONE = record(field("a", "int"), name="org.shop.One")
TWO = record(field("b", "string"), name="org.shop.Two")
PAIRS: list[tuple[Any, Any]] = [
    *(({"type": kind}, value) for kind, value in (("int", 1), ("long", 2), ("string", "x"), ("double", 0.5))),
    ("boolean", True),
    ("bytes", "\u00ff\u0000"),
    ({"type": "int", "connect.type": "int8"}, 5),
    ({"type": "int", "logicalType": "date"}, 19000),
    ({"type": "int", "logicalType": "time-millis"}, 1000),
    ({"type": "int", "logicalType": "unheard-of"}, 1000),
    ({"type": "long", "logicalType": "timestamp-millis"}, 1700000000123),
    ({"type": "long", "logicalType": "timestamp-micros"}, 1700000000123456),
    (MONEY, "\u0004\u00d2"),
    ({**MONEY, "scale": 0}, "\u0004\u00d2"),
    ({"type": "bytes", "logicalType": "decimal", "precision": 64}, "\u0004"),
    ({"type": "string", "connect.name": "org.shop.Text", "connect.version": 3, "connect.doc": "d"}, "x"),
    ({"type": "string", "connect.parameters": {"a": "b"}}, "x"),
    ({"type": "string", "connect.default": "d"}, "x"),
    ({"type": "string", "avro.java.string": "String"}, "x"),
    (["null", "string"], {"string": "x"}),
    (["null", "string"], None),
    (["string", "null"], {"string": "x"}),
    (["null", "int", "string"], {"int": 5}),
    (["null", "int", "string"], {"string": "5"}),
    (["int", "string"], {"string": "5"}),
    (["null", ONE, TWO], {"org.shop.Two": {"b": "x"}}),
    (["null", ONE, {"type": "array", "items": "int"}], {"array": [1, 2]}),
    (["null", "int", FIXED], {"org.shop.Md5": "ab"}),
    (["null", "int", COLOUR], {"Colour": "RED"}),
    (FIXED, "ab"),
    (COLOUR, "BLUE"),
    ({"type": "array", "items": ["null", "long"]}, [None, {"long": 1}]),
    ({"type": "map", "values": ONE}, {"k": {"a": 1}}),
    (record(field("a", "int", default=7), field("b", "string", doc="what")), {"a": 1, "b": "x"}),
    (record(field("a", ["null", "int"], default=None), doc="a record"), {"a": None}),
    (record(field("a", ["int", "null"], default=3)), {"a": {"int": 4}}),
    (record(field("a", {"type": "int", "connect.default": 9}, default=3)), {"a": 4}),
    (record(field("d", {"type": "int", "logicalType": "date"}, default=10)), {"d": 20}),
    (record(field("m", MONEY, default="\u0001")), {"m": "\u0002"}),
    (record(field("l", {"type": "array", "items": "int"}, default=[1, 2])), {"l": []}),
    (record(field("l", {"type": "map", "values": "int"}, default={"a": 1})), {"l": {}}),
    (record(field("r", ONE, default={"a": 5})), {"r": {"a": 1}}),
    (record(field("e", COLOUR, default="BLUE")), {"e": "RED"}),
    (record(field("u", ["int", "string"], default=5)), {"u": {"string": "x"}}),
    (
        record(field("x", ONE), field("y", "org.shop.One"), field("z", ["null", "org.shop.One"])),
        {"x": {"a": 1}, "y": {"a": 2}, "z": {"org.shop.One": {"a": 3}}},
    ),
    ({"type": "record", "name": "NoSpace", "fields": [field("a", "int")]}, {"a": 1}),
    (
        {
            "type": "record",
            "name": "In",
            "namespace": "org.x",
            "fields": [field("i", {**ONE, "name": "Same"})],
        },
        {"i": {"a": 1}},
    ),
]


def theirs() -> list[dict[str, Any]]:
    """Return cases that begin with an Avro schema; values as Avro's JSON has them."""
    cases: list[dict[str, Any]] = [{"avro": avro, "value": value} for avro, value in PAIRS]
    cases += [{**case, "version": 4} for case in cases[20:22] + cases[36:40]]
    enhanced = [{"options": {"enhanced.avro.schema.support": "true"}, **case} for case in cases[28:36]]
    plain = [{"options": {"connect.meta.data": "false"}, **case} for case in cases[14:18] + cases[33:40]]
    return cases + enhanced + plain


def main(class_path: str) -> int:
    cases = ours() + theirs()
    source = HERE / "java" / "AvroGolden.java"
    command = ["java", "-Duser.timezone=UTC", "-cp", class_path, str(source)]
    asked = "\n".join(json.dumps(case) for case in cases)
    answers = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
    lines = [
        json.dumps({"case": case, "answer": json.loads(answer)}, ensure_ascii=False, sort_keys=True)
        for case, answer in zip(cases, answers.splitlines(), strict=True)
    ]
    GOLDEN.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
