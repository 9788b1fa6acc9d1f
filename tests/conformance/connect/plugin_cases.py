"""The questions put to Kafka's own transforms, predicates and converters; cases/ has the answers.

Each case is data for PluginGolden.java. A typed value is `{"schema": ..., "payload": ...}` as JsonConverter
reads it, or `{"payload": ...}` where there is no schema.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

Case = dict[str, Any]
DATA = "org.apache.kafka.connect.data."


def field(name_: str, kind: str, **parts: Any) -> dict[str, Any]:
    return {"type": kind, "optional": False, "field": name_, **parts}


def struct(*fields: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"type": "struct", "optional": False, "fields": list(fields), **parts}


def typed(schema: Any, payload: Any) -> dict[str, Any]:
    return {"schema": schema, "payload": payload}


def plain(payload: Any) -> dict[str, Any]:
    return {"payload": payload}


DATE = {"name": DATA + "Date", "version": 1}
TIME = {"name": DATA + "Time", "version": 1}
TIMESTAMP = {"name": DATA + "Timestamp", "version": 1}
DECIMAL = {"name": DATA + "Decimal", "version": 1, "parameters": {"scale": "2"}}

NAMES = struct(field("first", "string"), field("last", "string", optional=True), name="person", version=3)
ORDER = struct(
    field("id", "int64"),
    field("note", "string", optional=True),
    field("amount", "double"),
    field("ok", "boolean", optional=True, default=True),
    field("size", "int16", optional=True, default=7),
    {**NAMES, "field": "buyer"},
    name="order",
    version=2,
    doc="an order",
    parameters={"a": "b"},
)
ORDER_VALUE = {
    "id": 300,
    "note": "12",
    "amount": 2.5,
    "ok": None,
    "size": None,
    "buyer": {"first": "소율", "last": None},
}
SOME = typed(ORDER, ORDER_VALUE)
SOME_PLAIN = plain(
    {"id": 300, "note": "12", "amount": 2.5, "ok": None, "buyer": {"first": "소율", "last": None}}
)
NULL_PLAIN = None
NULL_TYPED = typed({**ORDER, "optional": True}, None)
TEXT = typed({"type": "string", "optional": False}, "text")
VALUES = {"typed": SOME, "plain": SOME_PLAIN, "null": NULL_PLAIN, "typed null": NULL_TYPED, "text": TEXT}
WITHOUT_DEFAULTS = {"replace.null.with.default": "false"}


def transform(name: str, config: dict[str, str], value: Any = None, **more: Any) -> Case:
    return {"kind": "transform", "class": name, "config": config, "value": value, **more}


def on_all(name: str, config: dict[str, str], **more: Any) -> Iterator[Case]:
    """A transform of the value on all kinds of values, and of the key on one."""
    for value in VALUES.values():
        yield transform(f"{name}$Value", config, value, timestamp=1_600_000_000_123, **more)
    yield transform(f"{name}$Key", config, TEXT, key=SOME, timestamp=1_600_000_000_123, **more)


PRIMITIVES: list[tuple[dict[str, Any], list[Any]]] = [
    ({"type": "int8"}, [0, -128]),
    ({"type": "int32"}, [300, -70000]),
    ({"type": "int64"}, [9007199254740993, -1]),
    ({"type": "float"}, [1.5, -300.25]),
    ({"type": "double"}, [3e10, 0.1, -1e300, 123456789.125, 0.00001234]),
    ({"type": "boolean"}, [True, False]),
    ({"type": "string"}, ["12", "-129", "1.5", "true", "TRUE", "abc", "", "+7", " 7"]),
    ({"type": "bytes"}, ["AAH/"]),
    ({"type": "bytes", **DECIMAL}, ["AN4q"]),
    ({"type": "int32", **DATE}, [0, 1, 18500]),
    ({"type": "int32", **TIME}, [3661001]),
    ({"type": "int64", **TIMESTAMP}, [1600000000123, 86400000]),
]
TARGETS = ("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string")


def casts() -> Iterator[Case]:
    for (schema, values), target in itertools.product(PRIMITIVES, TARGETS):
        for value in values:
            yield transform("Cast$Value", {"spec": target}, typed({**schema, "optional": False}, value))
    for value in (5, 300, 2.5, 1e20, True, "77", "x", None, [1], {"a": 1}):
        for target in ("int8", "int64", "float64", "boolean", "string"):
            yield transform("Cast$Value", {"spec": target}, plain(value))
    yield from on_all("Cast", {"spec": "id:int8,note:int32,amount:string,size:int64"})
    yield from on_all("Cast", {"spec": "ok:string,size:string", **WITHOUT_DEFAULTS})
    yield transform("Cast$Value", {"spec": "buyer:string"}, SOME)
    yield transform("Cast$Value", {"spec": "missing:string"}, SOME)
    yield transform("Cast$Value", {"spec": "missing:string"}, SOME_PLAIN)
    for spec in ("", "id:int7", "id", "id:int8,int8", "bytes", "id:bytes"):
        yield transform("Cast$Value", {"spec": spec}, SOME)
    defaults = struct(field("n", "int32", optional=True, default=5, doc="number"), optional=True)
    yield transform("Cast$Value", {"spec": "n:string"}, typed(defaults, {"n": None}))


def fields() -> Iterator[Case]:
    for name in ("id", "note", "ok", "missing", "buyer"):
        yield from on_all("ExtractField", {"field": name})
    yield transform("ExtractField$Value", {"field": "ok", **WITHOUT_DEFAULTS}, SOME)
    for path in ("buyer.first", "buyer.last", "buyer.none", "none.first", "`buyer`.first", "id.x", "`a.b"):
        config = {"field": path, "field.syntax.version": "V2"}
        yield transform("ExtractField$Value", config, SOME)
        yield transform("ExtractField$Value", config, SOME_PLAIN)
    odd = plain({"a.b": {"c`d": 1, "`e": 2, "f`.g": 3, "": 4}, "x": {"": 5}})
    for path in (
        "`a.b`.c`d",
        "`a.b`.``e`",
        "`a.b`.`f\\`.g`",
        "`a.b`.",
        "x.",
        "a.b",
        "``a.b``",
        "`a.b`.`c`d`",
    ):
        yield transform("ExtractField$Value", {"field": path, "field.syntax.version": "V2"}, odd)
    yield from on_all("HoistField", {"field": "whole"})
    for config in (
        {"topic.field": "t", "partition.field": "p!", "offset.field": "o?", "timestamp.field": "ts"},
        {"static.field": "s", "static.value": "fixed"},
        {"static.field": "s!", "static.value": "fixed", **WITHOUT_DEFAULTS},
        {"timestamp.field": "id"},
    ):
        yield from on_all("InsertField", config)
    yield transform("InsertField$Value", {"offset.field": "o"}, SOME, source=True)
    yield transform("InsertField$Value", {"partition.field": "p", "timestamp.field": "t"}, SOME, source=True)
    yield transform(
        "InsertField$Value", {"partition.field": "p", "timestamp.field": "t"}, SOME_PLAIN, source=True
    )
    yield transform("InsertField$Value", {"timestamp.field": "t!"}, SOME)
    yield transform("InsertField$Value", {}, SOME)
    yield transform("InsertField$Value", {"static.field": "s"}, SOME)
    for config in (
        {"fields": "id,note"},
        {"fields": "ok,amount,missing"},
        {"fields": "size,ok", **WITHOUT_DEFAULTS},
        {"fields": "id,amount", "replacement": "9"},
        {"fields": "note", "replacement": "***"},
        {"fields": "id", "replacement": "abc"},
        {"fields": "ok", "replacement": "1"},
        {"fields": "buyer"},
    ):
        yield from on_all("MaskField", config)
    yield transform("MaskField$Value", {"fields": "a", "replacement": "1.9"}, plain({"a": 5, "b": 6}))
    yield transform("MaskField$Value", {"fields": ""}, SOME)
    yield transform("MaskField$Value", {"fields": "id", "replacement": ""}, SOME)


MASKED = struct(
    field("d", "bytes", **DECIMAL),
    field("day", "int32", **DATE),
    field("at", "int64", **TIMESTAMP),
    field("time", "int32", **TIME),
    field("raw", "bytes"),
    {"type": "array", "items": {"type": "int32"}, "optional": False, "field": "list"},
    {"type": "map", "keys": {"type": "string"}, "values": {"type": "int32"}, "field": "map"},
    field("b", "int8"),
    field("f", "float"),
)
MASKED_VALUE = {
    "d": "AN4q", "day": 5, "at": 6, "time": 7, "raw": "AAH/", "list": [1], "map": {"a": 1}, "b": 1, "f": 1.5,
}  # fmt: skip


def replacements() -> Iterator[Case]:
    for name in MASKED_VALUE:
        yield transform("MaskField$Value", {"fields": name}, typed(MASKED, MASKED_VALUE))
        yield transform(
            "MaskField$Value", {"fields": name, "replacement": "300"}, typed(MASKED, MASKED_VALUE)
        )
    for config in (
        {"exclude": "id,note"},
        {"include": "id,buyer"},
        {"include": "id,note", "exclude": "id"},
        {"renames": "id:key,note:text"},
        {"include": "id,ok", "renames": "id:key"},
        {"include": "missing"},
        {"include": "ok,size", **WITHOUT_DEFAULTS},
    ):
        yield from on_all("ReplaceField", config)
    for renames in ("id", "id:", "id:note", "a:b:c"):
        yield transform("ReplaceField$Value", {"renames": renames}, SOME)
    for config in (
        {"schema.name": "new"},
        {"schema.version": "9"},
        {"schema.name": "n", "schema.version": "1"},
    ):
        yield from on_all("SetSchemaMetadata", config)
    yield transform("SetSchemaMetadata$Value", {}, SOME)
    yield transform("SetSchemaMetadata$Value", {"schema.name": "n", **WITHOUT_DEFAULTS}, SOME)
    listed = {"type": "array", "items": {"type": "int32"}, "optional": False}
    yield transform("SetSchemaMetadata$Value", {"schema.name": "n"}, typed(listed, [1, 2]))
    for names in ("id", "id,note", "ok,size", "buyer", "missing"):
        yield transform("ValueToKey", {"fields": names}, SOME)
        yield transform("ValueToKey", {"fields": names}, SOME_PLAIN, key=TEXT)
    yield transform("ValueToKey", {"fields": "ok,size", **WITHOUT_DEFAULTS}, SOME)
    yield transform("ValueToKey", {"fields": "id"}, None)
    yield transform("ValueToKey", {"fields": "id"}, TEXT)
    yield transform("ValueToKey", {"fields": ""}, SOME)
    for operation in ("move", "copy"):
        for names, headers in (("id,note", "a,b"), ("buyer", "who"), ("ok", "ok")):
            config = {"fields": names, "headers": headers, "operation": operation}
            yield from on_all("HeaderFrom", config, headers=[{"name": "a", **TEXT}])
        yield transform(
            "HeaderFrom$Value", {"fields": "none", "headers": "n", "operation": operation}, SOME_PLAIN
        )
    yield transform("HeaderFrom$Value", {"fields": "id", "headers": "a,b", "operation": "copy"}, SOME)
    yield transform("HeaderFrom$Value", {"fields": "id", "headers": "a", "operation": "steal"}, SOME)
    yield transform(
        "HeaderFrom$Value", {"fields": "ok", "headers": "a", "operation": "copy", **WITHOUT_DEFAULTS}, SOME
    )


INNER = struct(
    field("x", "int32"),
    field("y", "string", optional=True, default="dy"),
    optional=True,
)
DEEP = struct(
    field("a", "int32"),
    {**INNER, "field": "b"},
    {**struct({**struct(field("z", "int64", optional=True)), "field": "d"}, optional=True), "field": "c"},
    {"type": "array", "items": {"type": "int32"}, "optional": True, "field": "list"},
    name="deep",
)
DEEP_VALUE = {"a": 1, "b": {"x": 2, "y": None}, "c": {"d": {"z": 5}}, "list": [1, 2]}


def flattened() -> Iterator[Case]:
    for delimiter in (".", "_", "--"):
        config = {"delimiter": delimiter} if delimiter != "." else {}
        yield from on_all("Flatten", config)
        yield transform("Flatten$Value", config, typed(DEEP, DEEP_VALUE))
        yield transform("Flatten$Value", config, typed(DEEP, {**DEEP_VALUE, "b": None}))
        yield transform("Flatten$Value", config, typed(DEEP, {**DEEP_VALUE, "c": None}))
        yield transform("Flatten$Value", config, typed({**DEEP, "optional": True}, DEEP_VALUE))
        yield transform("Flatten$Value", config, plain({"a": {"b": {"c": 1}, "d": True}, "e": [1], "f": {}}))
        yield transform("Flatten$Value", config, plain({"a": {"b": None, "c": 1}, "d": 2}))


def headers() -> Iterator[Case]:
    given = [{"name": name, **TEXT} for name in ("a", "b", "a", "c")]
    for names in ("a", "b,c", "none", "a,b,c"):
        yield transform("DropHeaders", {"headers": names}, SOME, headers=given)
    for literal in ("5", "300", "true", "null", "text", "[1,2]", "1.5", '{"a":1}', "2020-01-02", " x "):
        yield transform("InsertHeader", {"header": "h", "value.literal": literal}, SOME, headers=given)
    yield transform("Filter", {}, SOME)
    for name, config in (
        ("HasHeaderKey", {"name": "a"}),
        ("HasHeaderKey", {"name": "z"}),
        ("HasHeaderKey", {"name": ""}),
        ("RecordIsTombstone", {}),
        ("TopicNameMatches", {"pattern": "ord.*"}),
        ("TopicNameMatches", {"pattern": "ord"}),
        ("TopicNameMatches", {"pattern": "("}),
    ):
        for value in (SOME, None):
            yield {"kind": "predicate", "class": name, "config": config, "value": value, "headers": given}


REGEXES = [
    ("(.*)", "x-$1", "orders"),
    ("or(d)ers", "$1$1", "orders"),
    ("none", "x", "orders"),
    ("ord", "x", "orders"),
    ("(?<first>[a-z]+)-(?<second>.+)", "${second}.${first}", "db-orders"),
    ("(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)(k)", "$11-$1-$12", "abcdefghijk"),
    (r"\Qa.b\E(.*)", "$1", "a.b-c"),
    (r"\p{Alpha}+\p{Digit}*", "ok", "abc12"),
    (r"\p{L}+", "ok", "주문"),
    (r"\w+", "ok", "주문"),
    ("(?i)ORDERS", "ok", "orders"),
    ("a++b", "ok", "aaab"),
    ("(?>a+)b", "ok", "aab"),
    (r"topic\.(.*)\.[0-9]{2}", r"\$$1\\", "topic.x.07"),
    ("(.*?)", "[$1]", "orders"),
    ("a|ab", "x", "ab"),
    ("orders", "$1", "orders"),
    ("orders", "a$", "orders"),
    ("(", "x", "orders"),
    (r"orders\z", "x", "orders"),
    ("[a-z&&[^o]]+", "x", "abc"),
    (r"[\w.]+", "$0!", "a.b_c"),
    (r"\h*orders", "x", "orders"),
    (r"(o)(x)?rders", "$1$2", "orders"),
    (r"\x{6f}rders", "x", "orders"),
]
TIMESTAMP_FORMATS = [
    ("${topic}-${timestamp}", "yyyyMMdd"),
    ("t-${timestamp}", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"),
    ("${topic}", "yyyy"),
    ("${timestamp}", "EEE, d MMM yyyy hh:mm a z"),
    ("${timestamp}", "EEEE LLLL w W D F u k K X XX XXX Z G y YYYY yy"),
    ("${timestamp}${timestamp}", "''yy'' 'o''clock' HH"),
    ("${timestamp}", "bad"),
]
TIMES = [0, 1_600_000_000_123, 1_577_836_799_999, 951_782_400_000, 1_704_067_199_000, -1]


def routers() -> Iterator[Case]:
    for regex, replacement, topic in REGEXES:
        yield transform("RegexRouter", {"regex": regex, "replacement": replacement}, SOME, topic=topic)
    for (topic_format, timestamp_format), time in itertools.product(TIMESTAMP_FORMATS, TIMES[:5]):
        config = {"topic.format": topic_format, "timestamp.format": timestamp_format}
        yield transform("TimestampRouter", config, SOME, timestamp=time)
    yield transform("TimestampRouter", {}, SOME)


PARSED = [
    ("yyyy-MM-dd", "2020-02-29"),
    ("yyyy-MM-dd", "2021-02-29"),
    ("yyyy-MM-dd", "2020-13-01"),
    ("yyyy-MM-dd", "2020-1-2 and more"),
    ("yyyy-MM-dd", "20-01-02"),
    ("yyyy-MM-dd", "x"),
    ("yyyyMMdd", "20200102"),
    ("yyyyMMddHHmmssSSS", "20200102030405678"),
    ("yy/M/d", "20/1/2"),
    ("yy/M/d", "50/1/2"),
    ("yy/M/d", "2020/1/2"),
    ("dd MMM yyyy", "05 Mar 2020"),
    ("dd MMMM yyyy", "05 march 2020"),
    ("EEE, d MMM yyyy HH:mm:ss Z", "Thu, 05 Mar 2020 10:11:12 +0900"),
    ("yyyy-MM-dd'T'HH:mm:ss.SSSX", "2020-03-05T10:11:12.5+09"),
    ("yyyy-MM-dd'T'HH:mm:ssXXX", "2020-03-05T10:11:12-03:30"),
    ("yyyy-MM-dd hh:mm a", "2020-03-05 12:30 AM"),
    ("yyyy-MM-dd hh:mm a", "2020-03-05 01:30 PM"),
    ("yyyy-MM-dd KK:mm a", "2020-03-05 00:30 PM"),
    ("yyyy-MM-dd kk:mm", "2020-03-05 24:30"),
    ("yyyy DDD", "2020 061"),
    ("HH:mm", "25:61"),
    ("HH:mm:ss.SSS", "10:11:12.123456"),
    ("yyyy-MM-dd HH:mm", "2020-03-05   10:11"),
    ("yyyy-MM-dd HH:mm", "2020-03-05T10:11"),
    ("MM", "3"),
]


def timestamps() -> Iterator[Case]:
    for pattern, text in PARSED:
        for target in ("unix", "Timestamp"):
            config = {"target.type": target, "format": pattern}
            yield transform("TimestampConverter$Value", config, plain(text))
    sources = [
        typed({"type": "int64", "optional": False}, 1_600_000_000_123),
        typed({"type": "int64", "optional": True}, None),
        typed({"type": "int64", "optional": False, **TIMESTAMP}, 1_600_000_000_123),
        typed({"type": "int32", "optional": True, **DATE}, 18_500),
        typed({"type": "int32", "optional": False, **TIME}, 3_661_001),
        typed({"type": "string", "optional": False}, "2020-09-13 12:26:40"),
        typed({"type": "int32", "optional": False}, 5),
        plain(1_600_000_000_123),
        plain("2020-09-13 12:26:40"),
        plain(True),
        None,
    ]
    for source, target in itertools.product(sources, ("string", "unix", "Date", "Time", "Timestamp")):
        config = {"target.type": target, "format": "yyyy-MM-dd HH:mm:ss"}
        yield transform("TimestampConverter$Value", config, source)
    for unit, target in itertools.product(
        ("seconds", "milliseconds", "microseconds", "nanoseconds"), ("Timestamp", "unix")
    ):
        for value in (1_600_000_000, -1_500):
            config = {"target.type": target, "unix.precision": unit}
            yield transform("TimestampConverter$Value", config, plain(value))
            at = typed({"type": "int64", "optional": False, **TIMESTAMP}, value)
            yield transform("TimestampConverter$Value", config, at)
    for target in ("string", "unix", "Timestamp"):
        config = {"field": "id", "target.type": target, "format": "yyyy-MM-dd HH:mm:ss.SSS"}
        yield from on_all("TimestampConverter", config)
    yield transform("TimestampConverter$Value", {"target.type": "string"}, SOME)
    yield transform("TimestampConverter$Value", {"target.type": "string", "format": "bad"}, SOME)
    yield transform("TimestampConverter$Value", {"target.type": "never"}, SOME)
    yield transform("TimestampConverter$Value", {"target.type": "unix", "field": "missing"}, SOME)
    yield transform("TimestampConverter$Value", {"target.type": "unix", "field": "missing"}, SOME_PLAIN)
    yield transform("TimestampConverter$Value", {"target.type": "unix"}, plain("2020"))


HEADERS = [
    "", " ", "text", "two words", "null", "true", "false", "TRUE", " true ", "truer", "true}", "5", "-5",
    "+5", "127", "128", "-129", "32768", "2147483648", "9223372036854775807", "9223372036854775808", "1.5",
    "5.0", "1e2", "1.5e3", ".5", "5.", "1e39", "1e400", "-1.25", "3.4028236e38", "0.1", "00012", "1_000",
    "0x10", "NaN", "Infinity", "2020-01-02", "2020-13-02", "2020-1-2", "14:34:54.346Z",
    "2019-08-23T14:34:54.346Z", "2019-08-23T14:34:54Z", "14:34", "[]", "[1]", "[1,2,3]", "[1,300]",
    "[1,2.5]", "[1, 2]", "[1,]", "[,1]", "[1 2]", "[1,null]", "[null]", "[true,false]", '["a","b"]',
    '["a",1]', "[a]", "[[1],[2]]", "[1", "1]", "[1]x", "{}", '{"a":1}', '{"a":1,"b":2}', '{"a":1,"b":300}',
    '{"a":1,"b":"x"}', "{1:2}", '{"a":null}', '{"a":[1]}', '{"a":{"b":1}}', '{"a"}', '{"a":1', "{a:1}",
    '"quoted"', '"quoted', '["a b"]', '["a,b"]', '["a\\"b"]', 'a\\,b', "a,b", "a:b", "[2020-01-02]",
    '["2020-01-02"]', '{"a":1.5,"b":2}', "한글", '["한글"]', '{"t":"14:34:54.346Z"}', "1,2", "1 ", " 1", "-",
    "+", "1-2", "[ ]", "{ }", "[1,[2]]", "12345678901234567890.5", "[128,1.5]", "null ", "[nullx]",
    '{"a":1,"b":null}', "[1,true]", "[2020-01-02,1]", '{"a":1}x', "[1.5,2.5]", "10:11:12", "5 6",
    "2020-01-02 x",
]  # fmt: skip
WRITTEN = [
    typed({"type": "float", "optional": False}, 0.1),
    typed({"type": "double", "optional": False}, 0.1),
    typed({"type": "double", "optional": False}, 1e7),
    typed({"type": "double", "optional": False}, 123456.5),
    typed({"type": "double", "optional": False}, 0.001),
    typed({"type": "double", "optional": False}, 0.0001),
    typed({"type": "double", "optional": False}, -1.5e-10),
    typed({"type": "float", "optional": False}, 16777216.0),
    typed({"type": "float", "optional": False}, 3.4e38),
    typed({"type": "bytes", "optional": False, **DECIMAL}, "AN4q"),
    typed({"type": "bytes", "optional": False}, "AAH/"),
    typed({"type": "boolean", "optional": False}, True),
    typed({"type": "string", "optional": False}, 'a "b" \\'),
    typed({"type": "int32", "optional": False, **DATE}, 18_500),
    typed({"type": "int32", "optional": False, **DATE}, 0),
    typed({"type": "int32", "optional": False, **TIME}, 3_661_001),
    typed({"type": "int64", "optional": False, **TIMESTAMP}, 1_600_000_000_123),
    typed({"type": "int64", "optional": False, **TIMESTAMP}, 86_400_000),
    typed(DEEP, DEEP_VALUE),
    SOME,
    plain([1, "a", [True, None], {"x": 'y"'}]),
    plain({"a": 1.5}),
]
NUMBERS = {"Boolean": 1, "Short": 2, "Integer": 4, "Long": 8, "Float": 4, "Double": 8}


def conversions() -> Iterator[Case]:
    for text in HEADERS:
        yield {"kind": "header", "text": text}
    for value in WRITTEN:
        yield {"kind": "text", "value": value}
    for name, size in NUMBERS.items():
        for hex_ in (
            None,
            "",
            "00" * size,
            "01" * size,
            "ff" * size,
            "7f" + "ee" * (size - 1),
            "00" * (size + 1),
        ):
            yield {"kind": "decode", "class": f"{name}Converter", "hex": hex_}
    given = [
        ("Boolean", "boolean", (True, False, None)),
        ("Short", "int16", (0, -1, 32767)),
        ("Integer", "int32", (0, -1, 2147483647)),
        ("Long", "int64", (0, -1, 1 << 62)),
        ("Float", "float", (0.5, -1e30, None)),
        ("Double", "double", (0.1, -1e300, None)),
        ("Integer", "int64", (5,)),
        ("Integer", "string", ("5",)),
        ("Double", "float", (0.5,)),
        ("Long", "int32", (5,)),
        ("Boolean", "string", ("true",)),
    ]
    for name, kind, values in given:
        for value in values:
            yield {
                "kind": "encode",
                "class": f"{name}Converter",
                "value": typed({"type": kind, "optional": True}, value),
            }


def all_cases() -> list[Case]:
    parts = (casts, fields, replacements, flattened, headers, routers, timestamps, conversions)
    return [case for part in parts for case in part()]
