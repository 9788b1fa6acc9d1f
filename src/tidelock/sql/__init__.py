"""What Connect's connectors and `sync` share about databases: dialects, writers, offset ledger, checksums.

Imports SQLAlchemy Core and, lazily, the driver of the database in use. The invariant of the whole part: rows
and the offset they came from commit together or not at all.

    parse_url, open_engine, translated     addresses, sessions, errors
    dialect_for(connection)                quoting, DDL, reflection
    writer_for(dialect, Target(...))       bulk insert, upsert, update, delete inside a transaction
    reduce_changes(keys, rows)             last write per key, required before upsert
    Ledger(connector)                      next offset and epoch in the target database

The design page is docs/design/sql.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.sql.changes import Changes, Row, reduce_changes
    from tidelock.sql.dialects import Dialect, dialect_for
    from tidelock.sql.engine import backend, open_engine, translated
    from tidelock.sql.ledger import Ledger
    from tidelock.sql.types import Column, ColumnType, Kind, Table, TableName
    from tidelock.sql.url import parse_url, shown
    from tidelock.sql.writers import Target, Writer, writer_for

_HOMES = {
    "changes": ("Changes", "Row", "reduce_changes"),
    "dialects": ("Dialect", "dialect_for"),
    "engine": ("backend", "open_engine", "translated"),
    "ledger": ("Ledger",),
    "types": ("Column", "ColumnType", "Kind", "Table", "TableName"),
    "url": ("parse_url", "shown"),
    "writers": ("Target", "Writer", "writer_for"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Changes",
    "Column",
    "ColumnType",
    "Dialect",
    "Kind",
    "Ledger",
    "Row",
    "Table",
    "TableName",
    "Target",
    "Writer",
    "backend",
    "dialect_for",
    "open_engine",
    "parse_url",
    "reduce_changes",
    "shown",
    "translated",
    "writer_for",
]


def __getattr__(name: str) -> Any:
    # Lazy: importing SQLAlchemy takes longer than a command line may.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
