"""JSON Schema to Connect's. Pure; `$ref` leads into the same document, or to a schema that was given by name.

A schema that contains itself is refused, and so is one that says nothing (`{}`): its values have no type.

Source: Confluent `io.confluent.connect.json.JsonSchemaData.toConnectSchema`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from tidelock.connect.api import DataError, Schema, Type
from tidelock.connect.converters.jsonschema.settings import ENUM, ONE_OF, JsonSchemaConverterSettings
from tidelock.connect.converters.jsonschema.values import Values

Document = Mapping[str, Any]
NULL_SYMBOL = "<NULL>"
_INTEGERS = {one.value: one for one in (Type.INT8, Type.INT16, Type.INT32, Type.INT64)}
_NUMBERS = _INTEGERS | {one.value: one for one in (Type.FLOAT32, Type.FLOAT64, Type.BYTES)}
_KEYWORDS = {  # what a schema without a type is about
    "object": ("properties", "required", "additionalProperties", "patternProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "multipleOf", "exclusiveMinimum", "exclusiveMaximum"),
}


class ToConnect:
    """Translates one document.

    Args:
        settings: see JsonSchemaConverterSettings.
        root: the document.
        named: documents that references name.
    """

    def __init__(
        self, settings: JsonSchemaConverterSettings, root: Any, named: Mapping[str, Any] | None = None
    ) -> None:
        self._settings = settings
        self._values = Values(settings)
        self._root = root
        self._named = named or {}
        self._open: list[int] = []

    def schema(self, version: int | None = None) -> Schema:
        """Return the Connect schema.

        Args:
            version: in the registry; counts where the schema says none itself.

        Raises:
            DataError: it says nothing, contains itself, or is no schema.
        """
        return self._schema(self._root, version=version)

    def _schema(self, given: Any, *, version: int | None = None, optional: bool = False) -> Schema:
        if not isinstance(given, Mapping):
            raise DataError(f"JSON Schema {given!r} says nothing of its values")
        if id(given) in self._open:
            raise DataError("the JSON Schema contains itself, which a Connect schema cannot here")
        self._open.append(id(given))
        try:
            return self._told(given, version, optional)
        finally:
            self._open.pop()

    def _told(self, given: Document, version: int | None, optional: bool) -> Schema:
        if "$ref" in given:
            return self._schema(self._referred(given["$ref"]), version=version, optional=optional)
        branches = _branches(given)
        if branches is not None:
            return self._one_of(given, branches, version, optional)
        if "allOf" in given:
            return self._all_of(given, version, optional)
        return self._finished(given, self._bare(given), version, optional)

    def _finished(self, given: Document, made: Schema, version: int | None, optional: bool) -> Schema:
        """Add name, version, documentation, parameters and default."""
        parameters = given.get("connect.parameters") or {}
        if not isinstance(parameters, Mapping):
            raise DataError("connect.parameters of a JSON Schema is no object")
        title = given.get("title")
        if title is not None and not isinstance(title, str):
            raise DataError("the title of a JSON Schema is no text")
        found = given.get("connect.version", version)
        made = made.with_(
            name=made.name or title,
            version=found if isinstance(found, int) else None,
            doc=given.get("description"),
            parameters={**made.parameters, **{one: str(text) for one, text in parameters.items()}},
            optional=made.optional or optional,
        )
        if given.get("default") is None:
            return made
        return made.with_(default=self._values.read(made, given["default"]))

    def _bare(self, given: Document) -> Schema:
        if "const" in given or "enum" in given:
            return self._enum(given)
        kind = given.get("type") or next(
            (kind for kind, words in _KEYWORDS.items() if any(one in given for one in words)), None
        )
        marked = given.get("connect.type")
        if kind == "boolean":
            return Schema.boolean()
        if kind in ("integer", "number"):
            plain = Type.INT64 if kind == "integer" else Type.FLOAT64
            if marked is not None and marked not in _NUMBERS:
                raise DataError(f"connect.type of a JSON {kind} is {marked!r}, which is none")
            return Schema.of(plain if marked is None else _NUMBERS[marked])
        if kind == "string":
            return Schema.bytes() if marked == "bytes" else Schema.string()
        if kind == "array":
            return self._array(given, marked)
        if kind == "object":
            return self._object(given, marked)
        raise DataError(f"a JSON Schema of type {kind!r} says nothing of its values")

    def _enum(self, given: Document) -> Schema:
        kind = given.get("type")
        if kind in ("integer", "number", "boolean") or ("const" in given and kind == "string"):
            return self._bare({one: value for one, value in given.items() if one not in ("const", "enum")})
        symbols = [given["const"]] if "const" in given else _list(given, "enum")
        names = [NULL_SYMBOL if one is None else str(one) for one in symbols]
        return Schema.string(parameters={ENUM: "", **{f"{ENUM}.{one}": one for one in names}})

    def _array(self, given: Document, marked: Any) -> Schema:
        items = given.get("items")
        if items is None:
            raise DataError("a JSON Schema of an array does not tell its items")
        if marked != "map":
            return Schema.array(self._schema(items))
        entry = _properties(items)
        if "key" not in entry or "value" not in entry:
            raise DataError("a map as a list of entries that have no key or value")
        return Schema.map(self._schema(entry["key"]), self._schema(entry["value"]))

    def _object(self, given: Document, marked: Any) -> Schema:
        if marked == "map":
            return Schema.map(Schema.string(), self._schema(given.get("additionalProperties")))
        properties = _properties(given)
        return self._struct(properties, _required(given))

    def _struct(self, properties: Document, required: set[str]) -> Schema:
        placed: dict[int, tuple[str, Any]] = {}
        for name, one in properties.items():
            place = one.get("connect.index") if isinstance(one, Mapping) else None
            placed[place if isinstance(place, int) else len(placed)] = (name, one)
        fields = [placed[place] for place in sorted(placed)]
        free = self._settings.use_optional_for_nonrequired
        return Schema.struct(
            [(name, self._schema(one, optional=free and name not in required)) for name, one in fields]
        )

    def _one_of(self, given: Document, branches: list[Any], version: int | None, optional: bool) -> Schema:
        others = [one for one in branches if not _is_null(one)]
        if not others:
            raise DataError("a JSON Schema of null alone has no values")
        if len(others) == 1 and len(branches) == 2:
            return self._schema(others[0], version=version, optional=True)
        if len(branches) == 1 and self._settings.flatten_singleton_unions:
            return self._schema(others[0])
        made_of = [self._schema(one, optional=True) for one in others]
        fields = [(f"{ONE_OF}.field.{number}", one) for number, one in enumerate(made_of)]
        made = Schema.struct(fields, name=ONE_OF, optional=len(others) < len(branches))
        return self._finished(given, made, version, optional)

    def _all_of(self, given: Document, version: int | None, optional: bool) -> Schema:
        rest = {one: value for one, value in given.items() if one != "allOf"}
        parts = [rest, *_list(given, "allOf")]
        properties: dict[str, Any] = {}
        required: set[str] = set()
        for one in self._objects(parts):
            properties |= _properties(one)
            required |= _required(one)
        if properties:
            made = self._struct(properties, required)
            return self._finished(parts[0], made, version, optional)
        for one in parts:
            if isinstance(one, Mapping) and (_branches(one) or "$ref" in one or _is_typed(one)):
                return self._schema(one, version=version, optional=optional)
        raise DataError("allOf of a JSON Schema says nothing of its values")

    def _objects(self, parts: list[Any]) -> Iterator[Document]:
        for one in parts:
            if not isinstance(one, Mapping):
                continue
            if "$ref" in one:
                one = self._referred(one["$ref"])
            if not isinstance(one, Mapping):
                continue
            if isinstance(one.get("allOf"), list):
                yield from self._objects(one["allOf"])
            if "properties" in one:
                yield one

    def _referred(self, reference: Any) -> Any:
        name, _, path = str(reference).partition("#")
        found: Any = self._root
        if name:
            if name not in self._named:
                raise DataError(f"the JSON Schema refers to {name!r}, which the registry does not tell")
            found = self._named[name]
        try:
            for step in path.strip("/").split("/") if path.strip("/") else ():
                step = unquote(step).replace("~1", "/").replace("~0", "~")
                found = found[int(step)] if isinstance(found, list) else found[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise DataError(f"the JSON Schema refers to {reference!r}, where there is nothing") from None
        return found


def _branches(given: Document) -> list[Any] | None:
    """Return the schemas of which a value fits one."""
    for word in ("oneOf", "anyOf"):
        if word in given:
            return _list(given, word)
    if isinstance(given.get("type"), list):
        return [{**given, "type": one} for one in given["type"]]
    return None


def _list(given: Document, word: str) -> list[Any]:
    found = given.get(word) or []
    if not isinstance(found, list):
        raise DataError(f"{word} of a JSON Schema is no list")
    return list(found)


def _is_null(given: Any) -> bool:
    return isinstance(given, Mapping) and given.get("type") == "null"


def _is_typed(given: Document) -> bool:
    return "type" in given or "enum" in given or "const" in given


def _required(given: Document) -> set[str]:
    return {str(one) for one in _list(given, "required")}


def _properties(given: Any) -> Document:
    found = given.get("properties") if isinstance(given, Mapping) else None
    if found is not None and not isinstance(found, Mapping):
        raise DataError("properties of a JSON Schema is no object")
    return found or {}
