"""Text lines to records and records to rows: what `topic produce` reads and `topic tail` prints. No IO."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from tidelock.client.model import Outgoing
from tidelock.errors import UsageError

P = TypeVar("P")


class BadLineError(UsageError):
    """A line of input is not what the options say it is."""

    code = "TID-727"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a line becomes a record.

    Args:
        key: the key of every record, when lines have none of their own.
        separator: what stands between key and value in a line; None: the line is the value.
        headers: headers of every record.
        partition: the partition of every record; None: by key.
        is_json: lines are JSON objects as `topic tail -o jsonl` prints them.
    """

    key: str | None = None
    separator: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    partition: int | None = None
    is_json: bool = False


def outgoing(lines: Iterable[bytes], shape: Shape) -> Iterator[Outgoing]:
    """Yield a record per line.

    Raises:
        BadLineError: with the line's number.
    """
    headers = tuple((name, value.encode()) for name, value in shape.headers.items())
    key = None if shape.key is None else shape.key.encode()
    separator = None if shape.separator is None else shape.separator.encode()
    for number, line in enumerate(lines, 1):
        text = line.rstrip(b"\r\n")
        if shape.is_json:
            yield _from_json(text, number, shape, headers)
        elif separator is None:
            yield Outgoing(key, text, headers, shape.partition)
        else:
            before, found, after = text.partition(separator)
            if not found:
                raise BadLineError(
                    f"line {number} has no {shape.separator!r}", hint="or leave out --key-separator"
                )
            yield Outgoing(before, after, headers, shape.partition)


def _from_json(text: bytes, number: int, shape: Shape, headers: tuple[tuple[str, bytes], ...]) -> Outgoing:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadLineError(f"line {number} is not JSON: {error}") from None
    if not isinstance(found, dict) or "value" not in found:
        raise BadLineError(
            f"line {number} is not an object with a value",
            hint='{"key": "k", "value": "v", "headers": {"h": "x"}}',
        )
    own = found.get("headers") or {}
    if not isinstance(own, dict):
        raise BadLineError(f"line {number}: headers is not an object")
    partition = found.get("partition", shape.partition)
    if partition is not None and not isinstance(partition, int):
        raise BadLineError(f"line {number}: partition is not a whole number")
    key = _bytes(found.get("key", shape.key))
    mine = tuple((str(name), _bytes(value) or b"") for name, value in own.items())
    return Outgoing(key, _bytes(found["value"]), headers + mine, partition)


def _bytes(value: object) -> bytes | None:
    if value is None:
        return None
    return value.encode() if isinstance(value, str) else json.dumps(value, ensure_ascii=False).encode()


def text(data: bytes | None) -> str | None:
    r"""Return bytes as text; what is not UTF-8 is shown as `\xNN`."""
    return None if data is None else data.decode("utf-8", errors="backslashreplace")


def timestamp(milliseconds: int) -> str | None:
    """Return a record's timestamp as ISO 8601 in UTC; None where it has none or one beyond the calendar."""
    if milliseconds < 0:
        return None
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def starts(start: str, beginning: Mapping[P, int], end: Mapping[P, int]) -> dict[P, int]:
    """Return the offset at which to begin in each partition.

    Args:
        start: "beginning", "end", "-N" (the last N of each partition) or an offset.
        beginning: partition -> first offset.
        end: partition -> the offset after the last record.

    Raises:
        UsageError: `start` is none of these.
    """
    if start in ("beginning", "earliest"):
        return dict(beginning)
    if start in ("end", "latest"):
        return dict(end)
    try:
        number = int(start)
    except ValueError:
        raise UsageError(f"--from {start!r} is not beginning, end, -N or an offset") from None
    return {
        partition: min(
            max(end[partition] + number if start.startswith("-") else number, first), end[partition]
        )
        for partition, first in beginning.items()
    }


def pairs(assignments: Iterable[str], flag: str) -> dict[str, str]:
    """Split `NAME=VALUE` arguments.

    Raises:
        UsageError: one has no equals sign.
    """
    found: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} {assignment!r} is not NAME=VALUE")
        found[name.strip()] = value
    return found


def merged(rows: Iterable[dict[str, Any]], last: int | None) -> list[dict[str, Any]]:
    """Put the rows of several partitions in order of time, and keep the last ones."""
    ordered = sorted(rows, key=lambda row: (row["timestamp"] or "", row["partition"], row["offset"]))
    return ordered if last is None else ordered[max(0, len(ordered) - last) :]
