"""JSON text as Java's workers write it, byte for byte, and the order of their maps. Pure.

Source offsets are found by the bytes of their keys: a text of the same meaning in other words would be
another key, and the connector would begin anew.

Source: Jackson `UTF8JsonGenerator`; `java.util.HashMap`; Kafka `connect.json.JsonConverter` without schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from tidelock.connect.api.values import float_text

SMALLEST_TABLE, LOAD_FACTOR = 16, 0.75
ESCAPED = re.compile(r"[\U00010000-\U0010FFFF]|(?<!\\)((?:\\\\)*)\\u(00[0-9a-f]{2})")


def java_json(value: Any) -> bytes:
    """Return a value as JSON without blanks; maps keep their order."""
    return _text(value).encode()


def java_order(names: Iterable[str]) -> list[str]:
    """Return texts in the order in which Java's HashMap hands them out when they were put in this order."""
    given = list(names)
    size = SMALLEST_TABLE
    while len(given) > size * LOAD_FACTOR:
        size *= 2
    return sorted(given, key=lambda name: _bucket(name, size))


def _bucket(name: str, size: int) -> int:
    found = 0
    units = name.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(units), 2):
        found = found * 31 + (units[at] << 8 | units[at + 1]) & 0xFFFFFFFF
    return (found ^ found >> 16) & (size - 1)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return ESCAPED.sub(_as_java, json.dumps(value, ensure_ascii=False))
    if isinstance(value, float):
        return (
            float_text(value) if value == value and abs(value) != float("inf") else f'"{float_text(value)}"'
        )
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_text(str(key))}:{_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(one) for one in value) + "]"
    return json.dumps(value)


def _as_java(found: re.Match[str]) -> str:
    if found[2] is not None:
        return f"{found[1]}\\u{found[2].upper()}"
    units = found[0].encode("utf-16-be")
    return f"\\u{units[:2].hex().upper()}\\u{units[2:].hex().upper()}"
