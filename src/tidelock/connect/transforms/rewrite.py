"""Structs and dicts made anew with other values or schemas at some paths; everything else is kept.

`rewritten` plans it for a struct schema, `rewritten_map` for values without one. Given values are never
changed. Imports the api, part and
paths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tidelock.connect.api import ColumnRows, DataError, Record, Schema, Struct, Type
from tidelock.connect.transforms.part import Columns, ConvertColumns, Plan, required_struct
from tidelock.connect.transforms.paths import Path

Change = Callable[[Any], Any]


class Rewriting(NamedTuple):
    """A planned change: the new schema, and the functions of one struct and of the columns of many."""

    schema: Schema
    convert: Callable[[Struct], Struct]
    columns: Callable[[Columns], Columns]


class ColumnChange:
    """A change with a quicker way for a whole column.

    Args:
        change: of one value.
        column: of a list of values; None where it cannot, and each goes through `change`.
    """

    def __init__(self, change: Change, column: Callable[[list[Any]], list[Any] | None]) -> None:
        self._change = change
        self._column = column

    def __call__(self, value: Any) -> Any:
        """Return one changed value."""
        return self._change(value)

    def column(self, values: list[Any]) -> list[Any]:
        """Return the changed column."""
        made = self._column(values)
        return list(map(self._change, values)) if made is None else made


Leaf = Callable[[Schema], tuple[Schema, Change]]
"""Plans one field: its schema to the new schema and a function of its value, null included."""


def filled(schema: Schema, *, fill: bool) -> Callable[[Sequence[Any]], list[Any]]:
    """Return a function that copies a row, with the defaults of null fields put in where `fill` says so."""
    defaults = [(field.index, field.schema.default) for field in schema.fields]
    defaults = [(index, default) for index, default in defaults if default is not None]
    if not fill or not defaults:
        return list

    def copied(row: Sequence[Any]) -> list[Any]:
        made = list(row)
        for index, default in defaults:
            if made[index] is None:
                made[index] = default
        return made

    return copied


def filled_columns(schema: Schema, *, fill: bool) -> Callable[[Columns], Columns]:
    """Do for columns what `filled` does for a row; the list that is returned may be changed."""
    defaults = [(field.index, field.schema.default) for field in schema.fields]
    defaults = [(index, default) for index, default in defaults if default is not None]
    if not fill or not defaults:
        return list

    def copied(columns: Columns) -> Columns:
        made = list(columns)
        for index, default in defaults:
            if None in made[index]:
                made[index] = [default if value is None else value for value in made[index]]
        return made

    return copied


def changed_column(change: Change, values: list[Any]) -> list[Any]:
    """Return a column with every value changed."""
    return change.column(values) if isinstance(change, ColumnChange) else list(map(change, values))


def basics(schema: Schema, fields: list[tuple[str, Schema]], **parts: Any) -> Schema:
    """Return a struct schema with other fields and the name, version, doc and parameters of another.

    Neither optional nor with a default, as Kafka's transforms make it, unless `parts` says so.
    """
    kept = {
        "name": schema.name,
        "version": schema.version,
        "doc": schema.doc,
        "parameters": schema.parameters,
    }
    return Schema.struct(fields, **{**kept, **parts})


def _by_first_step(leaves: Mapping[Path, Any]) -> dict[str, tuple[Any, dict[Path, Any]]]:
    """Group paths by their first step: the leaf that is there, and what is further down."""
    found: dict[str, tuple[Any, dict[Path, Any]]] = {}
    for path, leaf in leaves.items():
        here, below = found.get(path[0], (None, {}))
        if len(path) == 1:
            here = leaf
        else:
            below[path[1:]] = leaf
        found[path[0]] = here, below
    return found


def rewritten(
    schema: Schema, leaves: Mapping[Path, Leaf], *, fill: bool, keep_optional: bool = True
) -> Rewriting:
    """Plan a struct's change at some paths; paths that lead nowhere are left out.

    Args:
        schema: of the struct.
        leaves: what to do at each path.
        fill: put defaults in for nulls, as Java's getter does.
        keep_optional: whether the new schema is optional where the old one is.
    """
    changes: list[tuple[int, Change]] = []
    fields = []
    steps = _by_first_step(leaves)
    for field in schema.fields:
        leaf, below = steps.get(field.name, (None, {}))
        made = field.schema
        if leaf is not None:
            made, change = leaf(field.schema)
            changes.append((field.index, change))
        elif below and field.schema.type is Type.STRUCT:
            inner = rewritten(field.schema, below, fill=fill)
            made = inner.schema
            changes.append((field.index, _unless_null(inner.convert)))
        fields.append((field.name, made))
    if all(made is field.schema for (_, made), field in zip(fields, schema.fields, strict=True)):
        new = schema
    else:
        new = basics(schema, fields, optional=schema.optional and keep_optional)
    copied = filled(schema, fill=fill)

    def convert(struct: Struct) -> Struct:
        row = copied(struct.row)
        for index, change in changes:
            row[index] = change(row[index])
        return Struct.from_row(new, row)

    copied_columns = filled_columns(schema, fill=fill)

    def convert_columns(columns: Columns) -> Columns:
        made = copied_columns(columns)
        for index, change in changes:
            made[index] = changed_column(change, made[index])
        return made

    return Rewriting(new, convert, convert_columns)


def struct_plan(rewriting: Rewriting, purpose: str) -> Plan:
    """Return the plan of a transform that rewrites structs; a null is a DataError."""

    def convert(value: Any, record: Record) -> Struct:
        return rewriting.convert(required_struct(value, purpose))

    return Plan(rewriting.schema, convert, in_columns(rewriting.schema, rewriting.columns))


def in_columns(schema: Schema, change: Callable[[Columns], Columns]) -> ConvertColumns:
    """Return a plan's function of columns, where a change of the columns is all there is."""
    return lambda columns, batch: ColumnRows(schema, change(columns), len(batch))


def _unless_null(convert: Callable[[Struct], Struct]) -> Change:
    return lambda value: None if value is None else convert(value)


def rewritten_map(leaves: Mapping[Path, Change]) -> Callable[[dict[Any, Any]], dict[Any, Any]]:
    """Plan a dict's change at some paths; the last name of a path is there afterwards, maybe null."""
    steps = [(name, leaf, rewritten_map(below)) for name, (leaf, below) in _by_first_step(leaves).items()]

    def convert(value: dict[Any, Any]) -> dict[Any, Any]:
        made = dict(value)
        for name, leaf, inner in steps:
            if leaf is not None:
                made[name] = leaf(made.get(name))
            elif isinstance(made.get(name), dict):
                made[name] = inner(made[name])
        return made

    return convert


def without(schema: Schema, paths: Sequence[Path]) -> tuple[Schema, Callable[[Struct, bool], Struct]]:
    """Plan a struct without the fields at some paths; the function is told whether to put defaults in."""
    steps = _by_first_step(dict.fromkeys(paths, True))
    fields: list[tuple[str, Schema]] = []
    kept: list[tuple[int, Callable[[Struct, bool], Struct] | None]] = []
    for field in schema.fields:
        here, below = steps.get(field.name, (None, {}))
        if here:
            continue
        made, inner = field.schema, None
        if below and made.type is Type.STRUCT:
            made, inner = without(made, list(below))
            made = made.with_(optional=field.schema.optional)
        fields.append((field.name, made))
        kept.append((field.index, inner))
    new = basics(schema, fields)
    filling = filled(schema, fill=True)

    def convert(struct: Struct, fill: bool) -> Struct:
        row = filling(struct.row) if fill else struct.row
        return Struct.from_row(
            new,
            [
                row[index] if inner is None or row[index] is None else inner(row[index], fill)
                for index, inner in kept
            ],
        )

    return new, convert


def map_without(value: dict[Any, Any], path: Path) -> dict[Any, Any]:
    """Return a dict without what stands at a path."""
    made = dict(value)
    if len(path) == 1:
        made.pop(path[0], None)
    elif isinstance(made.get(path[0]), dict):
        made[path[0]] = map_without(made[path[0]], path[1:])
    return made


def required_fields(schema: Schema, purpose: str) -> None:
    """Raise DataError unless the schema is a struct's."""
    if schema.type is not Type.STRUCT:
        raise DataError(f"Only Struct objects supported for [{purpose}], found: {schema.type.value}")
