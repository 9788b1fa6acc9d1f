"""What `verify` found, as data: counts, the differing rows with their columns, and what to know about it.

`to_dict` is what `-o json` prints: plain values, exact decimals as text. Imports nothing of the house.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Finding(enum.Enum):
    """What is wrong with one key."""

    MISSING = "missing"
    """In a source, not in the target."""
    EXTRA = "extra"
    """In the target, in no source."""
    DIFFERENT = "different"
    """In both, with different values."""
    CONFLICT = "conflict"
    """In several sources, with different values: no target can be equal to both."""


@dataclass(frozen=True, slots=True)
class ColumnDifference:
    """One column of one row, in canonical form; None is NULL."""

    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One key that is not equal.

    Args:
        key: column -> value, as text.
        columns: for DIFFERENT, the columns that differ; for the others, empty.
        sources: which sources have the key, as addresses without passwords.
    """

    finding: Finding
    key: Mapping[str, str]
    columns: Mapping[str, ColumnDifference] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Side:
    """One database: its address without the password, and how many rows the table has there."""

    url: str
    rows: int
    only_here: tuple[str, ...] = ()
    """Columns that not all sides have and that are not ignored; they make the tables different."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of comparing one table.

    Args:
        columns: the columns compared, the key's first.
        counts: how many keys per finding.
        duplicates: keys that several sources have with equal rows; not wrong, but worth knowing.
        duplicate_keys: the first of them.
        differences: the first of the differing keys, at most `limit`.
        notes: what limits the comparison, in sentences.
        seconds: how long it took.
        ignored: columns that were not compared because the caller said so.
    """

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]
    sources: tuple[Side, ...]
    target: Side
    counts: Mapping[Finding, int]
    differences: tuple[Difference, ...] = ()
    duplicates: int = 0
    duplicate_keys: tuple[Mapping[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    ignored: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the target is exactly the union of the sources, in all columns but the ignored."""
        lacking = any(side.only_here for side in (*self.sources, self.target))
        return not lacking and not any(self.counts.values())

    @property
    def source_rows(self) -> int:
        """Rows of all sources together."""
        return sum(side.rows for side in self.sources)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "table": self.table,
            "equal": self.equal,
            "key": list(self.key),
            "columns": list(self.columns),
            "source_rows": self.source_rows,
            "target_rows": self.target.rows,
            **{finding.value: self.counts.get(finding, 0) for finding in Finding},
            "duplicates": self.duplicates,
            "duplicate_keys": [dict(key) for key in self.duplicate_keys],
            "sources": [_side(side) for side in self.sources],
            "target": _side(self.target),
            "differences": [_difference(difference) for difference in self.differences],
            "notes": list(self.notes),
            "ignored": list(self.ignored),
            "seconds": round(self.seconds, 3),
        }


def _side(side: Side) -> dict[str, Any]:
    return {"url": side.url, "rows": side.rows, "only_here": list(side.only_here)}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "finding": difference.finding.value,
        "key": dict(difference.key),
        "columns": {name: dataclasses.asdict(both) for name, both in difference.columns.items()},
        "sources": list(difference.sources),
    }
