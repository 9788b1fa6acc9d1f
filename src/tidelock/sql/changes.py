"""The reduction buffer: of several writes to one key in one batch only the last one counts.

Required, not optional: PostgreSQL refuses to touch a row twice in one ON CONFLICT statement. The order
between keys is free inside one transaction, the order within a key is kept by keeping its last write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Row = tuple[Any, ...]


class Changes(NamedTuple):
    """What is left to do: each key is in one of the two lists, once."""

    upserts: list[Row]
    deletes: list[Row]


def reduce_changes(keys: Sequence[Row], rows: Sequence[Row | None]) -> Changes:
    """Keep the last write per key.

    Args:
        keys: the key of each write, in the order of the log.
        rows: the row written, or None where the key was deleted; as long as `keys`.
    """
    if len(keys) != len(rows):
        raise ValueError(f"{len(keys)} keys for {len(rows)} rows")
    last = dict(zip(keys, rows, strict=True))
    upserts = [row for row in last.values() if row is not None]
    if len(upserts) == len(last):
        return Changes(upserts, [])
    return Changes(upserts, [key for key, row in last.items() if row is None])
