"""Checksums of a table in leaves: one grouped query in the server, or the same arithmetic in Python.

Each row's canonical text (tidelock.sql.canonical) is hashed with MD5, of which the low 64 bits count; a leaf
is a bucket of keys with the number of its rows and the XOR of their hashes. Leaves depend on the key alone,
not on collation, order or gaps: the remainder of an integer key, else the first four hexadecimal digits of
the key text's MD5. There are 65,536: a million rows make leaves of 15, so that few equal rows are read with
a differing one. PostgreSQL and MySQL/MariaDB do it in SQL unless a column has a type whose canonical form
only Python knows (float, time, JSON); SQLite, in our own process, always does it in Python.

MD5 is no protection against a forger; it is what all servers have, and accidents do not collide in it.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tidelock.sql.canonical import NULL, SEPARATOR, ColumnTexts, Rule, column_texts
from tidelock.sql.dialects import Dialect
from tidelock.sql.types import Column, Kind, Table

LEAVES = 1 << 16
HEX_DIGITS = 4  # 16 ** 4 leaves
AT_ONCE = 2000  # rows hashed column by column
MASK = (1 << 64) - 1

LeafId = int | str
Key = tuple[Any, ...]


class Leaf(NamedTuple):
    """A bucket of keys."""

    rows: int
    digest: int

    def plus(self, other: Leaf) -> Leaf:
        """Return the leaf of both sides' rows together."""
        return Leaf(self.rows + other.rows, self.digest ^ other.digest)


class Hashed(NamedTuple):
    """One row's key, as the driver gives it, with its canonical text and the row's hash."""

    key: Key
    key_text: str
    digest: int


@dataclass(frozen=True, slots=True)
class Compared:
    """What is compared of one side's table.

    Args:
        table: as reflected on this side.
        columns: this side's columns, the key's first.
        rules: one per column, agreed among all sides.
        key_length: how many columns are the key.
    """

    table: Table
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...]
    key_length: int

    @property
    def by_remainder(self) -> bool:
        """Whether leaves are remainders of a single integer key."""
        return self.key_length == 1 and self.rules[0].kind is Kind.INTEGER

    def leaf_of(self, row: Hashed) -> LeafId:
        """Return the leaf that a row lies in."""
        return _remainder(row.key[0]) if self.by_remainder else leaf_of(row.key_text)

    def texts(self) -> list[ColumnTexts]:
        """Return each column's function from its values to their canonical texts."""
        pairs = zip(self.columns, self.rules, strict=True)
        return [column_texts(rule, column.type) for column, rule in pairs]


class SqlChecksum:
    """The statements that make a server do the work.

    Args:
        dialect: of PostgreSQL or MySQL.
        compared: what to compare.
    """

    def __init__(self, dialect: Dialect, compared: Compared) -> None:
        self._dialect = dialect
        self._compared = compared
        self._forms = _FORMS[dialect.name]
        pairs = list(zip(compared.columns, compared.rules, strict=True))
        self._fields = [self._field(column, rule) for column, rule in pairs]

    @property
    def possible(self) -> bool:
        """Whether the server can compute every column's canonical text."""
        return None not in self._fields

    def leaves(self) -> str:
        """Return the statement: leaf, rows, digest."""
        return (
            f"SELECT {self._leaf()} AS leaf, count(*), bit_xor({self._digest()}) "
            f"FROM {self._dialect.quote_table(self._compared.table.name)} GROUP BY 1"
        )

    def rows(self, leaves: Sequence[LeafId]) -> str:
        """Return the statement: key columns, key text, digest of the rows in these leaves."""
        wanted = ", ".join(str(leaf) if isinstance(leaf, int) else f"'{leaf}'" for leaf in leaves)
        names = [column.name for column in self._compared.columns[: self._compared.key_length]]
        where = f" WHERE {self._leaf()} IN ({wanted})" if len(leaves) < LEAVES else ""
        return (
            f"SELECT {self._dialect.quote_all(names)}, {self._key_text()}, {self._digest()} "
            f"FROM {self._dialect.quote_table(self._compared.table.name)}{where}"
        )

    def _field(self, column: Column, rule: Rule) -> str | None:
        form = self._forms.fields.get((rule.kind, column.type.kind))
        if form is None:
            return None
        expression = form(self._dialect.quote(column.name), column, rule)
        return expression if not column.nullable else f"coalesce({expression}, '{NULL}')"

    def _key_text(self) -> str:
        return self._forms.concat(self._texts()[: self._compared.key_length])

    def _digest(self) -> str:
        return self._forms.digest(self._forms.concat(self._texts()))

    def _leaf(self) -> str:
        if self._compared.by_remainder:
            return f"mod({self._dialect.quote(self._compared.columns[0].name)}, {LEAVES})"
        return f"left(md5({self._key_text()}), {HEX_DIGITS})"

    def _texts(self) -> list[str]:
        return [field for field in self._fields if field is not None]


def plain_select(dialect: Dialect, compared: Compared) -> str:
    """Return the statement that reads the compared columns as values, exact in every driver."""
    names = ", ".join(_read(dialect, column) for column in compared.columns)
    return f"SELECT {names} FROM {dialect.quote_table(compared.table.name)}"


def _read(dialect: Dialect, column: Column) -> str:
    name, kind = dialect.quote(column.name), column.type
    if dialect.name == "postgresql":
        # psycopg gives the short form of a single, pads character(n) and parses JSON
        if kind.kind is Kind.FLOAT and kind.bits == 32:
            return f"{name}::float8"
        return f"{name}::text" if kind.kind in (Kind.JSON, Kind.TEXT, Kind.OTHER) else name
    if dialect.name == "mysql" and kind.kind is Kind.FLOAT and kind.bits == 32:
        return f"cast({name} AS double)"  # the text protocol shows six digits of a single
    return name


class Hasher:
    """The same in Python, for rows that a driver returns.

    Args:
        compared: what to compare.
    """

    def __init__(self, compared: Compared) -> None:
        self._columns = compared.texts()
        self._key_length = compared.key_length
        self._by_remainder = compared.by_remainder

    def leaves(self, rows: Iterable[Sequence[Any]]) -> dict[LeafId, Leaf]:
        """Return the leaves of all rows; columns in the order of `compared.columns`."""
        counts: dict[LeafId, int] = {}
        digests: dict[LeafId, int] = {}
        for leaf, _, _, digest in self._walk(rows):
            counts[leaf] = counts.get(leaf, 0) + 1
            digests[leaf] = digests.get(leaf, 0) ^ digest
        return {leaf: Leaf(count, digests[leaf]) for leaf, count in counts.items()}

    def rows(self, rows: Iterable[Sequence[Any]], leaves: set[LeafId]) -> Iterator[Hashed]:
        """Yield the rows that lie in these leaves."""
        length = self._key_length
        for leaf, row, key_text, digest in self._walk(rows):
            if leaf in leaves:
                yield Hashed(tuple(row[:length]), key_text, digest)

    def _walk(self, rows: Iterable[Sequence[Any]]) -> Iterator[tuple[LeafId, Sequence[Any], str, int]]:
        length, md5, from_bytes, join = self._key_length, hashlib.md5, int.from_bytes, SEPARATOR.join
        iterator = iter(rows)
        while some := list(itertools.islice(iterator, AT_ONCE)):
            texts = [
                column(values) for column, values in zip(self._columns, zip(*some, strict=True), strict=True)
            ]
            keys = texts[0] if length == 1 else list(map(join, zip(*texts[:length], strict=True)))
            for row, key_text, fields in zip(some, keys, zip(*texts, strict=True), strict=True):
                digest = from_bytes(md5(join(fields).encode("utf-8", "surrogatepass")).digest()[8:], "big")
                yield (_remainder(row[0]) if self._by_remainder else leaf_of(key_text)), row, key_text, digest


def leaf_of(key_text: str) -> str:
    """Return the leaf of a key that is not a single integer."""
    return hashlib.md5(key_text.encode("utf-8", "surrogatepass")).hexdigest()[:HEX_DIGITS]


def _remainder(key: Any) -> LeafId:
    if not isinstance(key, int):
        return leaf_of(str(key))
    return key % LEAVES if key >= 0 else -(-key % LEAVES)  # SQL's remainder has the dividend's sign


Form = Callable[[str, Column, Rule], str]


@dataclass(frozen=True, slots=True)
class Forms:
    """How a server spells canonical texts: by rule and the column's own kind."""

    fields: dict[tuple[Kind, Kind], Form]
    concat: Callable[[Sequence[str]], str]
    digest: Callable[[str], str]


def _postgresql_timestamp(name: str, column: Column, rule: Rule) -> str:
    local = f"({name} AT TIME ZONE 'UTC')" if "with time zone" in column.type.declared else name
    return f"{local}::timestamp({rule.scale})::text"


def _postgresql_digest(text: str) -> str:
    return f"('x' || right(md5({text}), 16))::bit(64)::bigint"


def _mysql_digest(text: str) -> str:
    # A text beyond max_allowed_packet is NULL, with a warning: whoever asks must look for warnings.
    # The cast is outermost because bit_xor clamps a DECIMAL.
    return f"cast(conv(right(md5({text}), 16), 16, 10) AS unsigned)"


def _mysql_text(name: str, column: Column, rule: Rule) -> str:
    name = name if column.charset == "utf8mb4" else f"convert({name} USING utf8mb4)"
    return f"concat(char_length({name}), ':', {name})"


def _mysql_decimal(name: str, column: Column, rule: Rule) -> str:
    return _mysql_trimmed(f"cast({name} AS char)") if column.type.scale else f"cast({name} AS char)"


def _mysql_timestamp(name: str, column: Column, rule: Rule) -> str:
    digits = min(rule.scale, 6)
    text = f"cast(cast({name} AS datetime({digits})) AS char)"
    return _mysql_trimmed(text) if digits else text


def _mysql_trimmed(text: str) -> str:
    return f"trim(TRAILING '.' FROM trim(TRAILING '0' FROM {text}))"


_POSTGRESQL_FIELDS: dict[tuple[Kind, Kind], Form] = {
    (Kind.INTEGER, Kind.INTEGER): lambda name, column, rule: f"{name}::text",
    (Kind.INTEGER, Kind.BOOLEAN): lambda name, column, rule: f"{name}::int::text",
    (Kind.DECIMAL, Kind.INTEGER): lambda name, column, rule: f"{name}::text",
    (Kind.DECIMAL, Kind.BOOLEAN): lambda name, column, rule: f"{name}::int::text",
    (Kind.DECIMAL, Kind.DECIMAL): lambda name, column, rule: f"trim_scale({name})::text",
    (Kind.TEXT, Kind.TEXT): lambda name, column, rule: f"(length({name}) || ':' || {name})",
    (Kind.BYTES, Kind.BYTES): lambda name, column, rule: f"encode({name}, 'hex')",
    (Kind.DATE, Kind.DATE): lambda name, column, rule: f"{name}::text",
    (Kind.TIMESTAMP, Kind.TIMESTAMP): _postgresql_timestamp,
    (Kind.UUID, Kind.UUID): lambda name, column, rule: f"{name}::text",
}
_MYSQL_FIELDS: dict[tuple[Kind, Kind], Form] = {
    (Kind.INTEGER, Kind.INTEGER): lambda name, column, rule: f"cast({name} AS char)",
    (Kind.INTEGER, Kind.BOOLEAN): lambda name, column, rule: f"cast({name} + 0 AS char)",
    (Kind.DECIMAL, Kind.INTEGER): lambda name, column, rule: f"cast({name} AS char)",
    (Kind.DECIMAL, Kind.BOOLEAN): lambda name, column, rule: f"cast({name} + 0 AS char)",
    (Kind.DECIMAL, Kind.DECIMAL): _mysql_decimal,
    (Kind.TEXT, Kind.TEXT): _mysql_text,
    (Kind.BYTES, Kind.BYTES): lambda name, column, rule: f"lower(hex({name}))",
    (Kind.DATE, Kind.DATE): lambda name, column, rule: f"cast({name} AS char)",
    (Kind.TIMESTAMP, Kind.TIMESTAMP): _mysql_timestamp,
}
_FORMS = {
    "postgresql": Forms(
        _POSTGRESQL_FIELDS, lambda texts: f" || '{SEPARATOR}' || ".join(texts), _postgresql_digest
    ),
    "mysql": Forms(_MYSQL_FIELDS, lambda texts: f"concat({f', {SEPARATOR!r}, '.join(texts)})", _mysql_digest),
}
