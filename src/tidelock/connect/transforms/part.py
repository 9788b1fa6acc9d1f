"""Transforms of one part of a record, its key or its value: what to do is planned once per schema.

A plan is the new schema and a function of the value; so a chain's cost per record is the functions', and the
records of a batch, which share their schema object, share the result's too. Imports the api.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from tidelock.connect.api import DataError, Record, Schema, Struct, Transform

KEPT_PLANS = 64

Convert = Callable[[Any, Record], Any]


class Plan(NamedTuple):
    """What becomes of values of one schema."""

    schema: Schema | None
    convert: Convert


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

    def _planned(self, schema: Schema | None) -> Plan:
        found = self._plans.get(id(schema))
        if found is None:
            if len(self._plans) >= KEPT_PLANS:
                self._plans.clear()
            # The schema is kept with its plan, so its id is not given to another one.
            found = self._plans[id(schema)] = schema, self.plan(schema)
        return found[1]


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
