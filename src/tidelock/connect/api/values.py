"""Values as text and back, by the rules of headers: what a text looks like decides its type.

`parse_text` reads whole numbers as the smallest type that holds them, fractions, booleans, null, ISO dates,
times and timestamps, lists and maps; whatever else it is stays text, nothing is refused. `to_text` writes
what `parse_text` reads. Both are also used by transforms. Pure; imports the api.

Source: Kafka `org.apache.kafka.connect.data.Values`.
"""

from __future__ import annotations

import base64
import datetime as dt
import math
import re
import struct
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from tidelock.connect.api.errors import DataError
from tidelock.connect.api.javadate import EPOCH, date_format
from tidelock.connect.api.schema import Schema, Type
from tidelock.connect.api.struct import Struct

TOKEN = re.compile(r'[{}\[\],:"]|(?:\\.?|[^\\{}\[\],:"])+', re.DOTALL)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
DATE_PATTERN, TIME_PATTERN, TIMESTAMP_PATTERN = (
    "yyyy-MM-dd",
    "HH:mm:ss.SSS'Z'",
    "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
)
INTEGERS = ((8, Schema.int8()), (16, Schema.int16()), (32, Schema.int32()), (64, Schema.int64()))
STRING, BOOLEAN, FLOAT32, FLOAT64 = Schema.string(), Schema.boolean(), Schema.float32(), Schema.float64()
RANKS = (Type.INT8, Type.INT16, Type.INT32, Type.INT64, Type.FLOAT32, Type.FLOAT64)
DAY = dt.timedelta(days=1)
MAX_DEPTH = 100
MAX_DIGITS = 400  # of a number: beyond it stays text

Typed = tuple[Schema | None, Any]


class NotAValue(Exception):
    """Inside this module: the text is no list or map, or an element is no value."""


def float32(value: float) -> float:
    """Return the nearest number of 32 bits; infinity beyond their range."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def parse_text(text: str) -> Typed:
    """Return the schema and the value that a text looks like; text where it looks like nothing else."""
    if not text:
        return STRING, text
    return _Parser(text).value(0) or (None, None)


class _Parser:
    """One text's tokens; a delimiter is one token unless a backslash stands before it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = TOKEN.findall(text)
        self._at = 0

    def value(self, depth: int) -> Typed | None:
        """Return the next value; None is null. Depth 0 is the whole text, which is never refused."""
        if depth and self._takes('"'):
            return self._quoted()
        for word, meaning in (("null", None), ("true", (BOOLEAN, True)), ("false", (BOOLEAN, False))):
            if self._takes_literal(word, is_whole=depth == 0):
                return meaning
        start = self._at
        try:
            if self._takes("["):
                return self._list(depth + 1)
            if self._takes("{"):
                return self._map(depth + 1)
        except NotAValue:
            self._at = start
        return self._plain(depth)

    def _next(self) -> str:
        if self._at >= len(self._tokens):
            raise NotAValue
        self._at += 1
        return str(self._tokens[self._at - 1])

    def _takes(self, word: str) -> bool:
        """Go past a token if it is this one; blank tokens before it do not count."""
        at = self._at
        while at < len(self._tokens) - 1 and not self._tokens[at].strip():
            at += 1
        if at < len(self._tokens) and self._tokens[at].strip() == word:
            self._at = at + 1
            return True
        return False

    def _takes_literal(self, word: str, *, is_whole: bool) -> bool:
        start = self._at
        if self._takes(word) and not (is_whole and self._at < len(self._tokens)):
            return True
        self._at = start
        return False

    def _quoted(self) -> Typed:
        parts = []
        while self._at < len(self._tokens) and not self._takes('"'):
            parts.append(self._next())
        content = "".join(parts)
        temporal = _temporal(content) if content[:1].isdigit() else None
        return temporal or (STRING, content)

    def _list(self, depth: int) -> Typed:
        found: list[Typed | None] = []
        while not self._takes("]"):
            if depth > MAX_DEPTH or self._takes(","):
                raise NotAValue
            found.append(self.value(depth))
            start = self._at
            if self._takes("]"):
                self._at = start
            elif not self._takes(",") or self._at >= len(self._tokens):
                raise NotAValue
        schema = common_schema(one[0] for one in found if one is not None)
        if schema is not None and None in found:
            raise NotAValue  # elements of a type are not null
        return Schema(Type.ARRAY, value_schema=schema), [_aligned(schema, one) for one in found]

    def _map(self, depth: int) -> Typed:
        found: list[tuple[Typed, Typed | None]] = []
        while not self._takes("}"):
            if depth > MAX_DEPTH or self._takes(","):
                raise NotAValue
            key = self.value(depth)
            if key is None or isinstance(key[1], list | dict) or not self._takes(":"):
                raise NotAValue
            found.append((key, self.value(depth)))
            if self._takes(",") and self._at >= len(self._tokens):
                raise NotAValue
        keys = common_schema(key[0] for key, _ in found)
        values = common_schema(value[0] for _, value in found if value is not None)
        if values is not None and any(value is None for _, value in found):
            raise NotAValue
        made = {_aligned(keys, key): _aligned(values, value) for key, value in found}
        return Schema(Type.MAP, key_schema=keys, value_schema=values if keys else None), made

    def _plain(self, depth: int) -> Typed:
        token = self._next()
        if not token.strip():
            return STRING, token
        stripped = token.strip()
        found = None
        if stripped[0].isdigit():
            start, rest = self._at, self._tokens[self._at : self._at + 4]
            if len(rest) == 4:
                found = _temporal(stripped + "".join(rest))
                self._at += 4 if found else 0
            found = found or _temporal(stripped)
            self._at = self._at if found else start
        if found is None and (stripped[0].isdigit() or stripped[0] in "+-"):
            found = _number(stripped)
        if depth:
            if found is None:
                raise NotAValue
            return found
        if found is not None and self._at >= len(self._tokens):
            return found
        return STRING, self._text


def _temporal(text: str) -> Typed | None:
    text = text.replace("\\:", ":")
    kinds = {10: (DATE_PATTERN, Schema.date()), 13: (TIME_PATTERN, Schema.time())}
    pattern, schema = kinds.get(len(text), (TIMESTAMP_PATTERN, Schema.timestamp()))
    if len(text) not in (10, 13, 24):
        return None
    try:
        moment = date_format(pattern).parse(text)
    except DataError:
        return None
    if pattern == DATE_PATTERN:
        return schema, moment.date()
    return schema, moment.time() if pattern == TIME_PATTERN else moment


def _number(text: str) -> Typed | None:
    if not NUMBER.fullmatch(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if max(number.adjusted(), -exponent) > MAX_DIGITS:
        return None
    if number == number.to_integral_value():
        for bits, schema in INTEGERS:
            if -(1 << (bits - 1)) <= number < 1 << (bits - 1):
                return schema, int(number)
    if exponent != 0:
        if math.isfinite(float32(float(number))):
            return FLOAT32, float32(float(number))
        if math.isfinite(float(number)):
            return FLOAT64, float(number)
    return Schema.decimal(-exponent), number


def common_schema(schemas: Iterable[Schema | None]) -> Schema | None:
    """Return the schema that fits all: of numbers the widest, else one and the same; None where none does."""
    common: Schema | None = None
    for schema in schemas:
        if schema is None:
            return None
        if common is None or common == schema:
            common = schema
        elif common.type in RANKS and schema.type in RANKS and not (common.name or schema.name):
            common = max(common, schema, key=lambda one: RANKS.index(one.type))
        elif common.type is not schema.type:
            return None
    return common


def _aligned(schema: Schema | None, typed: Typed | None) -> Any:
    if typed is None:
        return None
    value = typed[1]
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if schema is not None and schema.type in (Type.FLOAT32, Type.FLOAT64) and is_whole:
        return float32(float(value)) if schema.type is Type.FLOAT32 else float(value)
    return value


def to_text(schema: Schema | None, value: Any, *, embedded: bool = False) -> str:
    """Return a value's text; text within lists and maps stands in quotes.

    Args:
        schema: tells floats of 32 bits, which have fewer digits; None where there is none.
        value: in Python's form.
        embedded: whether it stands within another value.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value, single=schema is not None and schema.type is Type.FLOAT32)
    if isinstance(value, dt.date | dt.time):
        return temporal_text(value)
    if isinstance(value, Struct | dict | list | tuple):
        return _container_text(schema, value)
    if isinstance(value, bytes | bytearray | memoryview):
        value = base64.b64encode(value).decode()
    elif not isinstance(value, str):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if embedded else str(value)


def _container_text(schema: Schema | None, value: Any) -> str:
    keys = None if schema is None else schema.key_schema
    inner = None if schema is None else schema.value_schema
    if isinstance(value, Struct):
        pairs = zip(value.schema.fields, value.row, strict=True)
        texts = [
            f"{to_text(None, field.name, embedded=True)}:"
            + to_text(field.schema, field.schema.default if item is None else item, embedded=True)
            for field, item in pairs
        ]
    elif isinstance(value, dict):
        texts = [
            f"{to_text(keys, key, embedded=True)}:{to_text(inner, item, embedded=True)}"
            for key, item in value.items()
        ]
    else:
        return "[" + ",".join(to_text(inner, item, embedded=True) for item in value) + "]"
    return "{" + ",".join(texts) + "}"


def temporal_text(value: dt.date | dt.time) -> str:
    """Return the ISO text of a date, time or timestamp as Java's does, which knows instants only.

    So an instant of 1970-01-01 or before is written as a time, and one at midnight as a date.
    """
    instant = as_instant(value)
    if instant < EPOCH + DAY:
        return date_format(TIME_PATTERN).format(instant)
    is_midnight = (instant - EPOCH) % DAY == dt.timedelta()
    return date_format(DATE_PATTERN if is_midnight else TIMESTAMP_PATTERN).format(instant)


def as_instant(value: dt.date | dt.time) -> dt.datetime:
    """Return a date at midnight, a time on 1970-01-01, a timestamp as it is; in UTC.

    Raises:
        DataError: a timestamp without a time zone.
    """
    if isinstance(value, dt.time):
        return dt.datetime.combine(EPOCH.date(), value.replace(tzinfo=None), dt.UTC)
    if not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time(), dt.UTC)
    if value.tzinfo is None:
        raise DataError("a Timestamp needs a datetime with a time zone", hint="use datetime.timezone.utc")
    return value.astimezone(dt.UTC)


def float_text(value: float, *, single: bool = False) -> str:
    """Return Java's text of a float: the shortest that reads back, with E beyond 7 digits, NaN, Infinity."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign, digits, exponent = Decimal(_shortest(value, single=single)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(str(digit) for digit in digits)
    point = len(text) + exponent  # where the point stands, counted from the first digit
    start = "-" if sign else ""
    if value == 0:
        return f"{start}0.0"
    if -3 < point <= 7:
        if point <= 0:
            return f"{start}0.{'0' * -point}{text}"
        text = text.ljust(point, "0")
        return f"{start}{text[:point]}.{text[point:] or '0'}"
    return f"{start}{text[0]}.{text[1:] or '0'}E{point - 1}"


def _shortest(value: float, *, single: bool) -> str:
    if single:
        for digits in range(1, 10):
            text = f"{value:.{digits}g}"
            if float32(float(text)) == float32(value):
                return text
    return repr(value)
