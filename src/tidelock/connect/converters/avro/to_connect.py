"""Avro schemas to Connect's, with everything that only one of the two can say. Pure.

Different from the original: a schema that contains itself is refused (Connect's Python schemas are values); a
`fixed` with logical type decimal is a Decimal, where the original cannot decide between two names.

Source: Confluent `io.confluent.connect.avro.AvroData.toConnectSchema`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tidelock.connect.api import DECIMAL, DataError, Schema, Struct, Type, logical_type
from tidelock.connect.converters.avro.settings import DEFAULT_NAME, NAMESPACE, AvroConverterSettings
from tidelock.connect.converters.avro.types import AvroField, AvroType, branches_of, is_map_entry, symbols_of

log = logging.getLogger(__name__)

UNION = f"{NAMESPACE}.Union"
ENUM = f"{NAMESPACE}.Enum"
RECORD_DOC = f"{NAMESPACE}.record.doc"
ENUM_DOC = f"{NAMESPACE}.enum.doc."
ENUM_DEFAULT = f"{NAMESPACE}.enum.default."
FIELD_DOC = f"{NAMESPACE}.field.doc."
FIELD_DEFAULT = f"{NAMESPACE}.field.default"
ANYTHING = f"{NAMESPACE}.Anything"
FIXED_SIZE = "connect.fixed.size"
PRECISION = "connect.decimal.precision"
DEFAULT_PRECISION = 64
_PLAIN = {
    "boolean": Type.BOOLEAN,
    "long": Type.INT64,
    "float": Type.FLOAT32,
    "double": Type.FLOAT64,
    "string": Type.STRING,
}
_NO_DEFAULT = object()


class ToConnect:
    """Translates one schema.

    Args:
        settings: see AvroConverterSettings.
    """

    def __init__(self, settings: AvroConverterSettings) -> None:
        self._settings = settings
        self._open: list[str] = []

    def schema(self, avro: AvroType, version: int | None = None) -> Schema | None:
        """Return the Connect schema; None for Anything, whose values have none.

        Args:
            avro: the schema.
            version: in the registry; counts where the schema says none itself.
        """
        return None if avro.name == ANYTHING else self._schema(avro, version=version)

    def _schema(
        self,
        avro: AvroType,
        *,
        optional: bool = False,
        default: Any = _NO_DEFAULT,
        version: int | None = None,
    ) -> Schema:
        if avro.kind == "union" and (alone := self._alone(avro)) is not None:
            return self._schema(alone, optional=optional or len(avro.branches) > 1)
        made = self._bare(avro)
        parts: dict[str, Any] = {"parameters": dict(made.parameters)}
        if self._settings.connect_meta_data:
            parts["doc"] = avro.prop("connect.doc")
        parts["version"] = made.version or _number(avro, "connect.version", version)
        parts["name"] = made.name or _name_of(avro)
        parts["optional"] = optional or made.optional
        parts["parameters"] |= self._parameters(avro, has_default=default is not _NO_DEFAULT)
        made = made.with_(**parts)
        if default is _NO_DEFAULT:
            default = avro.props.get("connect.default", _NO_DEFAULT)
        if default is _NO_DEFAULT or default is None:
            return made
        try:
            return made.with_(default=default_of(made, avro, default))
        except (DataError, TypeError, ValueError, AttributeError, KeyError) as error:
            log.warning("an invalid default of Avro schema %s is ignored: %s", avro.name or avro.kind, error)
            return made

    def _alone(self, union: AvroType) -> AvroType | None:
        """Return the one type that a union is about, if it is about one."""
        found = branches_of(union)
        if len(found) != 1:
            return None
        if len(union.branches) == 2 or (len(union.branches) == 1 and self._settings.flatten_singleton_unions):
            return found[0][1]
        return None

    def _bare(self, avro: AvroType) -> Schema:
        if avro.kind in _PLAIN and avro.logical != "timestamp-millis":
            return Schema.of(_PLAIN[avro.kind])
        if avro.kind == "long":
            return Schema.timestamp()
        if avro.kind == "int":
            return _integer(avro)
        if avro.kind in ("bytes", "fixed"):
            return _bytes(avro)
        if avro.kind == "enum":
            return self._enum(avro)
        if avro.kind == "array":
            return self._array(avro)
        if avro.kind == "map":
            return Schema.map(Schema.string(), self._schema(avro.element()))
        if avro.kind == "record":
            return self._record(avro)
        if avro.kind == "union":
            return self._union(avro)
        raise DataError("an Avro schema of null alone has no values")

    def _array(self, avro: AvroType) -> Schema:
        element = avro.element()
        if not is_map_entry(element, NAMESPACE):
            return Schema.array(self._schema(element))
        key, value = element.field("key"), element.field("value")
        if key is None or value is None:
            raise DataError("a map entry lacks its key or value")
        return Schema.map(self._schema(key.type), self._schema(value.type))

    def _record(self, avro: AvroType) -> Schema:
        name = avro.name or ""
        if name in self._open:
            raise DataError(f"Avro record {name!r} contains itself, which a Connect schema cannot here")
        self._open.append(name)
        parameters = {}
        if self._settings.connect_meta_data:
            if avro.prop("doc") is not None:
                parameters[RECORD_DOC] = str(avro.prop("doc"))
            parameters |= {FIELD_DOC + one.name: one.doc for one in avro.fields if one.doc is not None}
        fields = [(one.name, self._field(one)) for one in avro.fields]
        self._open.pop()
        return Schema.struct(fields, parameters=parameters)

    def _field(self, one: AvroField) -> Schema:
        return self._schema(one.type, default=one.default if one.has_default else _NO_DEFAULT)

    def _enum(self, avro: AvroType) -> Schema:
        parameters: dict[str, str] = {}
        if self._settings.connect_meta_data:
            if avro.prop("doc") is not None:
                parameters[ENUM_DOC + avro.short_name] = str(avro.prop("doc"))
            if avro.prop("default") is not None:
                parameters[ENUM_DEFAULT + avro.short_name] = str(avro.prop("default"))
        parameters[ENUM] = avro.name or ""
        parameters |= {f"{ENUM}.{symbol}": symbol for symbol in symbols_of(avro)}
        return Schema.string(parameters=parameters)

    def _union(self, avro: AvroType) -> Schema:
        fields = {}
        for _, one in branches_of(avro):
            name = self.member(one)
            if name in fields:
                raise DataError(f"two branches of an Avro union are both called {name!r}")
            fields[name] = self._schema(one, optional=True)
        return Schema.struct(fields, name=UNION, optional=len(fields) < len(avro.branches))

    def member(self, avro: AvroType) -> str:
        """Return the field's name of a union's branch."""
        if avro.kind not in ("record", "enum", "fixed"):
            return avro.kind
        if self._settings.enhanced_avro_schema_support:
            return avro.name or ""
        return avro.short_name

    def _parameters(self, avro: AvroType, *, has_default: bool) -> dict[str, str]:
        made: dict[str, str] = {}
        if self._settings.connect_meta_data:
            given = avro.props.get("connect.parameters")
            if given is not None:
                if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in given.values()):
                    raise DataError("connect.parameters of an Avro schema is no object of texts")
                made.update(given)
        made |= {name: str(value) for name, value in avro.props.items() if name.startswith("avro")}
        if has_default and self._settings.connect_meta_data and "connect.default" not in avro.props:
            made[FIELD_DEFAULT] = "true"
        return made


def _integer(avro: AvroType) -> Schema:
    if avro.logical is not None:
        return {"date": Schema.date, "time-millis": Schema.time}.get(avro.logical, Schema.int32)()
    named = avro.prop("connect.type")
    kinds = {None: Type.INT32, "int8": Type.INT8, "int16": Type.INT16}
    if named not in kinds:
        raise DataError(f"connect.type of an Avro int is {named!r}, which is none")
    return Schema.of(kinds[named])


def _bytes(avro: AvroType) -> Schema:
    made = Schema.bytes()
    if avro.logical == "decimal":
        scale = avro.props.get("scale")
        made = Schema.decimal(scale if isinstance(scale, int) else 0)
        precision = avro.props.get("precision")
        if precision is not None and not isinstance(precision, int):
            raise DataError("the precision of an Avro decimal is no whole number")
        if precision not in (None, DEFAULT_PRECISION):
            made = made.with_(parameters={**made.parameters, PRECISION: str(precision)})
    if avro.kind == "fixed":
        made = made.with_(parameters={**made.parameters, FIXED_SIZE: str(avro.props["size"])})
    return made


def _name_of(avro: AvroType) -> str | None:
    name = avro.prop("connect.name") or avro.name
    return None if name is None or name.startswith(f"{NAMESPACE}.{DEFAULT_NAME}") else name


def _number(avro: AvroType, prop: str, otherwise: int | None) -> int | None:
    found = avro.props.get(prop, otherwise)
    if found is not None and not isinstance(found, int):
        raise DataError(f"{prop} of an Avro schema is {found!r}, no whole number")
    return found


def default_of(schema: Schema, avro: AvroType, given: Any) -> Any:
    """Return a default in Connect's form.

    Args:
        schema: of the value.
        avro: of the value.
        given: as JSON has it.
    """
    if given is None:
        return None
    if avro.kind == "union":
        found = branches_of(avro)
        if not found or avro.branches[0].kind == "null":
            return None
        if schema.name != UNION:
            return default_of(schema, found[0][1], given)
        first = schema.fields[0]
        return Struct(schema, {first.name: default_of(first.schema, found[0][1], given)})
    value = _plain_default(schema, avro, given)
    logical = logical_type(schema)
    return value if logical is None else logical.from_base(schema, value)


def _plain_default(schema: Schema, avro: AvroType, given: Any) -> Any:
    if avro.kind == "record":
        values = {
            one.name: default_of(one.schema, each.type, given[one.name])
            for one in schema.fields
            if (each := avro.field(one.name)) is not None and one.name in given
        }
        return Struct(schema, values)
    if avro.kind == "array" and schema.type is Type.ARRAY and schema.value_schema is not None:
        return [default_of(schema.value_schema, avro.element(), one) for one in given]
    if avro.kind == "array" and schema.key_schema is not None and schema.value_schema is not None:
        key, value = avro.element().fields
        return {
            default_of(schema.key_schema, key.type, one): default_of(schema.value_schema, value.type, other)
            for one, other in given
        }
    if avro.kind == "map" and schema.value_schema is not None:
        return {one: default_of(schema.value_schema, avro.element(), value) for one, value in given.items()}
    if avro.kind in ("bytes", "fixed"):
        return given.encode("latin-1")
    wanted: dict[str, tuple[type, ...]] = {
        "boolean": (bool,),
        "int": (int,),
        "long": (int,),
        "float": (int, float),
        "double": (int, float),
        "string": (str,),
        "enum": (str,),
    }
    if not isinstance(given, wanted[avro.kind]) or (isinstance(given, bool) and avro.kind != "boolean"):
        raise DataError(f"{given!r} is no {avro.kind}")
    return float(given) if isinstance(given, int | float) and avro.kind in ("float", "double") else given


__all__ = ["ANYTHING", "DECIMAL", "ENUM", "FIXED_SIZE", "PRECISION", "UNION", "ToConnect", "default_of"]
