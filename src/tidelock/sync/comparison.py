"""Proof that a target table is the union of its sources: by leaves first, then row by row where they differ.

1. Every side hashes its table into leaves at the same time (tidelock.sql.checksum); the sources' leaves are
   added up. Equal leaves hold equal rows, and for them nothing else is read.
2. Of the leaves that differ, in groups of bounded size, keys and row hashes are compared.
3. Of the keys that differ, both rows are read, and only what differs in its canonical text is reported: a
   difference is never an artefact of hashing.

Columns that one side lacks are reported and make the tables different, unless they are ignored by name.
Several sources are one union: a key that two of them have with equal rows is a duplicate (counted and named),
with different rows a conflict. Each side is one snapshot; rows in flight between the sides are differences,
so verify after `Relay.until_caught_up`.
Memory is bounded by the rows of one group of leaves.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy.engine import URL

from tidelock.runtime import SystemClock
from tidelock.sql.canonical import NULL, SEPARATOR, agree
from tidelock.sql.checksum import Compared, Hashed, Key, Leaf, LeafId
from tidelock.sql.types import Table
from tidelock.sync.errors import NotComparable
from tidelock.sync.report import ColumnDifference, Difference, Finding, Report, Side
from tidelock.sync.side import TableSide

GROUP = 300_000  # rows of one group of leaves, over all sides
LIMIT = 1000  # differences reported with their columns; all are counted
CHUNK = 2000  # differing keys whose rows are read together

T = TypeVar("T")


def verify(
    table: str,
    sources: Sequence[URL | str],
    target: URL | str,
    key: str | Sequence[str] | None = None,
    *,
    ignore: Sequence[str] = (),
    limit: int = LIMIT,
) -> Report:
    """Compare a table in the target with the union of the sources' tables of that name.

    Args:
        table: `orders` or `schema.orders`.
        sources: SQLAlchemy or JDBC URLs, at least one.
        target: the same.
        key: column or columns that identify a row; None takes the primary key.
        ignore: columns that are not compared, whichever sides have them.
        limit: how many differences are reported with their columns.

    Raises:
        TableNotFound, ColumnNotFound: naming the database.
        DatabaseUnreachable: a side does not answer.
        NotComparable: no key, or one that is not unique or NULL somewhere.
    """
    if not sources:
        raise NotComparable("there is no source to compare with", hint="give at least one --source")
    clock = SystemClock()
    began = clock.monotonic()
    with contextlib.ExitStack() as stack:
        sides = [TableSide(url, table) for url in (*sources, target)]
        for side in sides:
            stack.callback(side.close)
        pool = stack.enter_context(ThreadPoolExecutor(len(sides)))
        tables = _each(pool, sides, TableSide.open)
        plan = _plan(tables, key, ignore)
        for side, compared in zip(sides, plan.compared, strict=True):
            side.compare(compared)
        _check_keys(sides, plan)
        leaves = _each(pool, sides, TableSide.leaves)
        search = _Search(pool, sides, plan, limit)
        for group in _groups(leaves):
            search.compare(group)
    return _report(table, plan, sides, leaves, search, clock.monotonic() - began)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is compared, per side."""

    key: tuple[str, ...]
    columns: tuple[str, ...]
    compared: tuple[Compared, ...]
    only: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def _plan(tables: Sequence[Table], key: str | Sequence[str] | None, ignore: Sequence[str]) -> _Plan:
    key_names = _key_names(tables, key)
    ignored = _ignored(tables, key_names, ignore)
    for one in tables:
        one.require(key_names)
    target = tables[-1]
    common = [c.name for c in target.columns if all(one.find(c.name) is not None for one in tables)]
    rest = [name for name in common if name.lower() not in {k.lower() for k in key_names} | ignored]
    names = (*key_names, *rest)
    columns = [one.require(names) for one in tables]
    rules = tuple(agree([side[place].type for side in columns]) for place in range(len(names)))
    compared = tuple(
        Compared(one, side, rules, len(key_names)) for one, side in zip(tables, columns, strict=True)
    )
    folded = {name.lower() for name in names} | ignored
    only = tuple(tuple(c.name for c in one.columns if c.name.lower() not in folded) for one in tables)
    return _Plan(key_names, names, compared, only, tuple(_notes(tables, names)), tuple(ignore))


def _ignored(tables: Sequence[Table], key: Sequence[str], ignore: Sequence[str]) -> set[str]:
    """Return the ignored columns' names in lower case, each of which some side must have."""
    for name in ignore:
        if all(one.find(name) is None for one in tables):
            raise NotComparable(f"no side has a column {name!r} to ignore", where=f"table {tables[-1].name}")
        if name.lower() in {one.lower() for one in key}:
            raise NotComparable(f"column {name!r} belongs to the key and cannot be ignored")
    return {name.lower() for name in ignore}


def _notes(tables: Sequence[Table], names: Sequence[str]) -> Iterator[str]:
    for name in names:
        types = [one.require([name])[0].type for one in tables]
        scales = {6 if one.scale is None else one.scale for one in types if one.kind is agree(types).kind}
        if agree(types).kind.value in ("timestamp", "time") and len(scales) > 1:
            yield f"{name} is compared to {min(scales)} digits of a second, all that every side keeps"
        if agree(types).kind.value == "other":
            yield f"{name} is compared as text, its types have no form in common"


def _key_names(tables: Sequence[Table], key: str | Sequence[str] | None) -> tuple[str, ...]:
    if key is not None:
        names = tuple(part.strip() for part in key.split(",")) if isinstance(key, str) else tuple(key)
        return tuple(column.name for column in tables[-1].require(names))
    found = next((one.key for one in reversed(tables) if one.key), ())
    if not found:
        raise NotComparable(
            f"table {tables[-1].name} has no primary key on any side",
            hint="say which columns identify a row: --key COLUMN[,COLUMN]",
        )
    return found


def _check_keys(sides: Sequence[TableSide], plan: _Plan) -> None:
    """Make sure that the key is never NULL, and unique on every side that does not declare it to be."""
    for side, compared in zip(sides, plan.compared, strict=True):
        key = compared.columns[: compared.key_length]
        nullable = [column.name for column in key if column.nullable]
        if nullable and (without := side.rows_without(nullable)):  # also in a primary key of SQLite
            raise NotComparable(
                f"{without} rows have NULL in their key ({', '.join(nullable)}), so nothing names them",
                where=side.shown,
                hint="choose columns that identify a row: --key COLUMN[,COLUMN]",
            )
        names = [column.name for column in key]
        declared = (compared.table.key, *compared.table.unique)
        if any(one and set(one) <= set(names) for one in declared):
            continue
        rows, distinct = side.distinct_keys(names)
        if rows != distinct:
            raise NotComparable(
                f"{rows - distinct} of {rows} rows share their key ({', '.join(names)}) with another row",
                where=side.shown,
                hint="choose columns that identify a row: --key COLUMN[,COLUMN]",
            )


def _groups(leaves: Sequence[Mapping[LeafId, Leaf]]) -> Iterator[list[LeafId]]:
    """Yield the leaves that differ, as many at a time as fit into memory."""
    union: dict[LeafId, Leaf] = {}
    for source in leaves[:-1]:
        for leaf, value in source.items():
            union[leaf] = union[leaf].plus(value) if leaf in union else value
    target = leaves[-1]
    differing = [leaf for leaf in {**union, **target} if union.get(leaf) != target.get(leaf)]
    group: list[LeafId] = []
    size = 0
    for leaf in sorted(differing, key=str):
        rows = sum(side[leaf].rows for side in (union, target) if leaf in side)
        if group and size + rows > GROUP:
            yield group
            group, size = [], 0
        group.append(leaf)
        size += rows
    if group:
        yield group


@dataclass(slots=True)
class _Search:
    """Finds the differing keys of leaves, and the columns in which they differ."""

    pool: ThreadPoolExecutor
    sides: Sequence[TableSide]
    plan: _Plan
    limit: int
    counts: Counter[Finding] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    duplicates: int = 0
    duplicate_keys: list[Mapping[str, str]] = field(default_factory=list)

    def compare(self, group: Sequence[LeafId]) -> None:
        """Compare the keys of some leaves."""
        found = _each(self.pool, self.sides, lambda side: _by_key(side, group))
        suspects = [
            text for text in dict.fromkeys(text for side in found for text in side) if _odd(found, text)
        ]
        for first in range(0, len(suspects), CHUNK):
            self._look_closer(found, suspects[first : first + CHUNK])
        leaf_of = self.plan.compared[0].leaf_of
        explained = {leaf_of(next(side[text] for side in found if text in side)) for text in suspects}
        if unexplained := set(group) - explained:
            raise NotComparable(
                f"{len(unexplained)} parts of the table differ, and no row of them does",
                hint="check that the key identifies a row on every side, also as text: --key COLUMN[,COLUMN]",
            )

    def _look_closer(self, found: Sequence[Mapping[str, Hashed]], suspects: Sequence[str]) -> None:
        """Read the suspects' rows and report what differs in them."""
        keys = [[side[text].key for text in suspects if text in side] for side in found]
        pairs = list(zip(self.sides, keys, strict=True))
        rows = list(self.pool.map(_fetch, pairs))
        for text in sorted(suspects):
            for side, seen, read in zip(self.sides, found, rows, strict=True):
                if (text in seen) != (text in read):
                    raise NotComparable(
                        f"the row with key {self._key(text)} is not found by its key",
                        where=side.shown,
                        hint="choose key columns of an exact type: --key COLUMN[,COLUMN]",
                    )
            self._judge(text, [side.get(text) for side in rows])

    def _judge(self, text: str, rows: Sequence[tuple[str, ...] | None]) -> None:
        sources, target = rows[:-1], rows[-1]
        owners = tuple(side.shown for side, row in zip(self.sides, sources, strict=False) if row is not None)
        versions = {row for row in sources if row is not None}
        if len(versions) > 1:
            self._add(Difference(Finding.CONFLICT, self._key(text), sources=owners))
            return
        if len(owners) > 1:
            self.duplicates += 1
            if len(self.duplicate_keys) < self.limit:
                self.duplicate_keys.append(self._key(text))
        source = next(iter(versions), None)
        if source is None:
            self._add(Difference(Finding.EXTRA, self._key(text)))
        elif target is None:
            self._add(Difference(Finding.MISSING, self._key(text), sources=owners))
        elif source != target:
            names = zip(self.plan.columns, source, target, strict=True)
            columns = {name: ColumnDifference(_shown(a), _shown(b)) for name, a, b in names if a != b}
            self._add(Difference(Finding.DIFFERENT, self._key(text), columns, owners))

    def _add(self, difference: Difference) -> None:
        self.counts[difference.finding] += 1
        if len(self.differences) < self.limit:
            self.differences.append(difference)

    def _key(self, text: str) -> dict[str, str]:
        return dict(zip(self.plan.key, split_fields(text), strict=True))


def _by_key(side: TableSide, group: Sequence[LeafId]) -> dict[str, Hashed]:
    found: dict[str, Hashed] = {}
    for row in side.rows(group):
        if found.setdefault(row.key_text, row) is not row:
            raise NotComparable(
                f"two rows have the key {split_fields(row.key_text)}, written in two ways",
                where=side.shown,
                hint="choose columns that identify a row: --key COLUMN[,COLUMN]",
            )
    return found


def _odd(found: Sequence[Mapping[str, Hashed]], text: str) -> bool:
    """Whether a key is not exactly once in the sources and equal in the target."""
    digests = [side[text].digest if text in side else None for side in found]
    sources = [digest for digest in digests[:-1] if digest is not None]
    return len(sources) != 1 or sources[0] != digests[-1]


def _fetch(pair: tuple[TableSide, Sequence[Key]]) -> dict[str, tuple[str, ...]]:
    side, keys = pair
    return side.fetch(keys)


def split_fields(text: str) -> list[str]:
    """Split joined canonical texts into readable values; text is taken by its length."""
    fields, rest = [], text
    while True:
        head, colon, tail = rest.partition(":")
        if colon and head.isdigit() and SEPARATOR not in head and len(tail) >= int(head):
            fields.append(tail[: int(head)])
            rest = tail[int(head) :]
        else:
            value, _, _ = rest.partition(SEPARATOR)
            fields.append(value)
            rest = rest[len(value) :]
        if not rest.startswith(SEPARATOR):
            return fields
        rest = rest[1:]


def _shown(text: str) -> str | None:
    return None if text == NULL else split_fields(text)[0]


def _each(pool: ThreadPoolExecutor, sides: Sequence[TableSide], action: Callable[[TableSide], T]) -> list[T]:
    return list(pool.map(action, sides))


def _report(
    table: str,
    plan: _Plan,
    sides: Sequence[TableSide],
    leaves: Sequence[Mapping[LeafId, Leaf]],
    search: _Search,
    seconds: float,
) -> Report:
    seen = [
        Side(side.shown, sum(leaf.rows for leaf in mine.values()), only)
        for side, mine, only in zip(sides, leaves, plan.only, strict=True)
    ]
    return Report(
        table=table,
        key=plan.key,
        columns=plan.columns,
        sources=tuple(seen[:-1]),
        target=seen[-1],
        counts={finding: search.counts[finding] for finding in Finding},
        differences=tuple(search.differences),
        duplicates=search.duplicates,
        duplicate_keys=tuple(search.duplicate_keys),
        notes=plan.notes,
        ignored=plan.ignored,
        seconds=seconds,
    )
