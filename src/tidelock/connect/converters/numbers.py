"""Converters of single numbers and booleans: big-endian, as Kafka's serializers of these types write them.

Imports the api.

Source: Kafka `org.apache.kafka.connect.converters.{NumberConverter, BooleanConverter}`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, ClassVar

from tidelock.connect.api import Converter, DataError, Run, Schema, Type

BYTES = {Type.INT16: ">h", Type.INT32: ">i", Type.INT64: ">q", Type.FLOAT32: ">f", Type.FLOAT64: ">d"}


class NumberConverter(Converter):
    """One number per payload; null is a null payload.

    Attributes:
        type: of the number.
    """

    type: ClassVar[Type]

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter."""
        read = struct.Struct(BYTES[self.type])
        values: list[Any] = []
        for index, payload in enumerate(payloads):
            if payload is not None and len(payload) != read.size:
                what = f"{len(payload)} bytes are no {self.type.value}, which has {read.size}"
                raise DataError(what, index=index)
            values.append(None if payload is None else read.unpack(payload)[0])
        return [Run(Schema.of(self.type, optional=True), values)]

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        write = struct.Struct(BYTES[self.type]).pack
        made: list[bytes | None] = []
        for index, value in enumerate(values):
            try:
                self._check(schema, value)
                made.append(None if value is None else write(value))
            except (struct.error, OverflowError, DataError) as error:
                what = error.what if isinstance(error, DataError) else f"{value!r}: {error}"
                raise DataError(f"no {self.type.value}: {what}", index=index) from None
        return made

    def _check(self, schema: Schema | None, value: Any) -> None:
        wanted = float if self.type in (Type.FLOAT32, Type.FLOAT64) else int
        if schema is not None and schema.type is not self.type:
            raise DataError(f"the schema's type is {schema.type.value}")
        if value is not None and (not isinstance(value, wanted | int) or isinstance(value, bool)):
            raise DataError(f"{type(value).__name__} given")


class ShortConverter(NumberConverter):
    """Whole numbers of 16 bits."""

    type = Type.INT16


class IntegerConverter(NumberConverter):
    """Whole numbers of 32 bits."""

    type = Type.INT32


class LongConverter(NumberConverter):
    """Whole numbers of 64 bits."""

    type = Type.INT64


class FloatConverter(NumberConverter):
    """Floating point numbers of 32 bits."""

    type = Type.FLOAT32


class DoubleConverter(NumberConverter):
    """Floating point numbers of 64 bits."""

    type = Type.FLOAT64


class BooleanConverter(Converter):
    """One byte, 1 or 0."""

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """See Converter."""
        values: list[bool | None] = []
        for index, payload in enumerate(payloads):
            if payload not in (None, b"\x00", b"\x01"):
                raise DataError("a boolean is one byte, 1 or 0", index=index)
            values.append(None if payload is None else payload == b"\x01")
        return [Run(Schema.boolean(optional=True), values)]

    def encode(self, topic: str, schema: Schema | None, values: Sequence[Any]) -> list[bytes | None]:
        """See Converter."""
        made: list[bytes | None] = []
        for index, value in enumerate(values):
            if schema is not None and schema.type is not Type.BOOLEAN:
                raise DataError(f"the schema's type is {schema.type.value}, not boolean", index=index)
            if value is not None and not isinstance(value, bool):
                raise DataError(f"{type(value).__name__} is no boolean", index=index)
            made.append(None if value is None else bytes((value,)))
        return made
