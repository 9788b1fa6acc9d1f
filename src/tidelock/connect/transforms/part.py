"""Transforms of one part of a record, its key or its value: what to do is planned once per schema.

A plan is the new schema and a function of the value; so a chain's cost per record is the functions', and the
records of a batch, which share their schema object, share the result's too. Imports the api.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from tidelock.connect.api import DataError, Record, RecordBatch, Schema, Struct, StructRows, Transform

KEPT_PLANS = 64

Convert = Callable[[Any, Record], Any]


Columns = list[list[Any]]  # one per field, one entry per record; never changed, but replaced
ConvertColumns = Callable[[Columns, RecordBatch], Sequence[Any]]


class Plan(NamedTuple):
    """What becomes of values of one schema.

    Attributes:
        schema: of the new values.
        convert: one value to the new one.
        columns: the same for the columns of a struct schema, none of them null; it gives the batch's new
            values. None where that is not possible.
    """

    schema: Schema | None
    convert: Convert
    columns: ConvertColumns | None = None


class PartTransform(Transform):
    """A transform of the value, or of the key in a subclass that says `is_key = True`.

    Attributes:
        skips_null: leave a record alone whose part is null.
    """

    is_key: ClassVar[bool] = False
    skips_null: ClassVar[bool] = False

    def __init__(self) -> None:
        self._plans: dict[int, tuple[Schema | None, Plan]] = {}

    @abc.abstractmethod
    def plan(self, schema: Schema | None) -> Plan:
        """Return what to do with values of this schema; asked once for each."""

    def apply(self, record: Record) -> Record | None:
        """See Transform."""
        if self.is_key:
            if record.key is None and self.skips_null:
                return record
            plan = self._planned(record.key_schema)
            record.key, record.key_schema = plan.convert(record.key, record), plan.schema
        else:
            if record.value is None and self.skips_null:
                return record
            plan = self._planned(record.value_schema)
            record.value, record.value_schema = plan.convert(record.value, record), plan.schema
        return record

    def apply_batch(self, batch: RecordBatch) -> RecordBatch | None:
        """See Transform."""
        schema = batch.key_schema if self.is_key else batch.value_schema
        columns = columns_of(schema, batch.keys if self.is_key else batch.values)
        if columns is None:
            return None
        plan = self._planned(schema)
        if plan.columns is None:
            return None
        made = plan.columns(columns, batch)
        if self.is_key:
            return replace(batch, keys=made, key_schema=plan.schema)
        return replace(batch, values=made, value_schema=plan.schema)

    def _planned(self, schema: Schema | None) -> Plan:
        found = self._plans.get(id(schema))
        if found is None:
            if len(self._plans) >= KEPT_PLANS:
                self._plans.clear()
            # The schema is kept with its plan, so its id is not given to another one.
            found = self._plans[id(schema)] = schema, self.plan(schema)
        return found[1]


def columns_of(schema: Schema | None, values: Sequence[Any]) -> Columns | None:
    """Return the columns of a batch's keys or values; None where they have none, or one is null."""
    if schema is None or not isinstance(values, StructRows) or values.has_nulls():
        return None
    return [values.column(field.index) for field in schema.fields]


def required_struct(value: Any, purpose: str) -> Struct:
    """Return the value if it is a Struct; DataError otherwise."""
    if not isinstance(value, Struct):
        raise DataError(f"Only Struct objects supported for [{purpose}], found: {_kind(value)}")
    return value


def required_map(value: Any, purpose: str) -> dict[Any, Any]:
    """Return the value if it is a dict; DataError otherwise."""
    if not isinstance(value, dict):
        raise DataError(
            f"Only Map objects supported in absence of schema for [{purpose}], found: {_kind(value)}"
        )
    return value


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__
