"""Settings objects: one frozen dataclass per component, keyed by the Java counterpart's own keys.

A component declares each key once, and that one description feeds parsing, validation, Connect's
`/config/validate`, help and docs:

    class BrokerSettings(Settings):
        num_partitions: int = key(default=4, at_least=1, doc="Partitions of an auto-created topic.")

    BrokerSettings.parse({"num.partitions": "8"}).num_partitions        # 8

The attribute is the Java key with dots as underscores unless `name=` says otherwise. `parse` follows the
rules of Kafka's ConfigDef (lists by comma, true/false, values trimmed) and reports **all** problems at once,
with the nearest known key for an unknown one. This module is pure: it takes mappings, it never reads the
environment or a file (only tidelock.runtime does).

Source: Kafka `org.apache.kafka.common.config.ConfigDef`.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, dataclass_transform

from tidelock.errors import TidelockError

NO_DEFAULT: Any = dataclasses.MISSING
UNKNOWN_KEY = "is not a known key"
CLOSE = 0.75
"""How alike a misspelt name and the one it is taken for must be, of 1 (difflib's ratio)."""


class Importance(enum.Enum):
    """How likely a user is to care about a key (ConfigDef.Importance)."""

    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class Secret(str):
    """A string that never prints: `repr`, `str` and formatting show `[hidden]`; read it with `reveal()`."""

    __slots__ = ()

    def reveal(self) -> str:
        """Return the secret itself."""
        return str.__str__(self)

    def __repr__(self) -> str:
        return "[hidden]"

    def __str__(self) -> str:
        return "[hidden]"

    def __format__(self, spec: str) -> str:
        return format("[hidden]", spec)


@dataclass(frozen=True, slots=True)
class Key:
    """The description of one configuration key (ConfigDef.ConfigKey)."""

    name: str
    attribute: str
    type: Any
    default: Any
    doc: str
    importance: Importance = Importance.MEDIUM
    at_least: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    check: Callable[[Any], str | None] | None = None
    group: str | None = None
    synonym: str | None = None

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is NO_DEFAULT

    def given_as(self, given: Mapping[str, object]) -> str:
        """Return the name under which a configuration gives the key, its own before its synonym."""
        if self.synonym is None or self.name in given or self.synonym not in given:
            return self.name
        return self.synonym

    @property
    def java_type(self) -> str:
        """The ConfigDef type name: BOOLEAN, STRING, INT, LONG, DOUBLE, LIST, CLASS or PASSWORD."""
        base = _without_none(self.type)
        if typing.get_origin(base) is tuple:
            return "LIST"
        names: dict[Any, str] = {bool: "BOOLEAN", int: "INT", float: "DOUBLE", Secret: "PASSWORD"}
        return names.get(base, "STRING")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one key of a configuration."""

    key: str
    value: object
    why: str
    nearest: str | None = None

    def __str__(self) -> str:
        text = f"{self.key}: {self.why}"
        return f"{text}; did you mean {self.nearest}?" if self.nearest else text


class ConfigError(TidelockError, ValueError):
    """A configuration with at least one problem; `problems` has them all."""

    code = "TID-110"
    exit_code = 2

    def __init__(self, problems: tuple[Problem, ...], *, where: str | None = None) -> None:
        count = len(problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in problems)]), where=where)
        self.problems = problems


def key(
    *,
    doc: str,
    default: Any = NO_DEFAULT,
    name: str | None = None,
    importance: Importance = Importance.MEDIUM,
    **rules: Any,
) -> Any:
    """Declare one configuration key of a Settings class.

    Args:
        doc: one or two sentences for help, validate and the reference.
        default: a typed value; without it the key is required.
        name: the Java key when it is not the attribute with dots.
        importance: ConfigDef importance.
        **rules: `at_least`, `at_most` (numbers), `choices` (allowed texts), `group`,
            `synonym` (another name of the key, read where the key itself is absent), and
            `check` (a function of the parsed value that returns what is wrong, or None).
    """
    unknown = set(rules) - {"at_least", "at_most", "choices", "check", "group", "synonym"}
    if unknown:
        raise TypeError(f"key() does not know {sorted(unknown)}")
    metadata = {"key": {"doc": doc, "name": name, "importance": importance, **rules}}
    if default is NO_DEFAULT:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(key,))
class Settings:
    """Base of all settings objects; a subclass becomes a frozen, keyword-only dataclass."""

    __keys__: ClassVar[tuple[Key, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    @classmethod
    def describe(cls) -> tuple[Key, ...]:
        """Return the description of every key, in declaration order."""
        cached = cls.__dict__.get("__keys__")
        if not cached:
            if cls is Settings:  # a component without keys
                return ()
            hints = typing.get_type_hints(cls)
            cached = tuple(_describe(field, hints[field.name]) for field in dataclasses.fields(cls))  # type: ignore[arg-type]  # __init_subclass__ made it one
            cls.__keys__ = cached
        return cached

    @classmethod
    def parse(cls, given: Mapping[str, object], *, where: str | None = None, strict: bool = True) -> Self:
        """Turn a mapping with Java keys into a settings object.

        Args:
            given: Java key -> text (or an already typed value).
            where: the file or source, for the error text.
            strict: report unknown keys; False ignores them (pass-through configurations).

        Raises:
            ConfigError: with every problem found.
        """
        values, problems = cls.examine(given, strict=strict)
        if problems:
            raise ConfigError(tuple(problems), where=where)
        return cls(**values)

    @classmethod
    def examine(
        cls, given: Mapping[str, object], *, strict: bool = True
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Parse without raising: the values by attribute that could be read, and all problems."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        known = {item.name: item for item in cls.describe()}
        for item in known.values():
            name = item.given_as(given)
            if name in given:
                value, why = parse_value(item, given[name])
                if why is None:
                    values[item.attribute] = value
                else:
                    shown = "[hidden]" if item.java_type == "PASSWORD" else given[name]
                    problems.append(Problem(name, shown, why))
            elif item.required:
                problems.append(Problem(item.name, None, "is required and has no default"))
        if strict:
            synonyms = {item.synonym for item in known.values()}
            strange = [name for name in given if name not in known and name not in synonyms]
            problems += cls._unknown(strange, given, known)
        return values, problems

    @classmethod
    def refusal(cls, name: str) -> str | None:
        """Say why a key that is not described is refused; None takes it without effect."""
        return UNKNOWN_KEY

    @classmethod
    def _unknown(
        cls, names: list[str], given: Mapping[str, object], known: Mapping[str, object]
    ) -> Iterator[Problem]:
        for name in names:
            why = cls.refusal(name)
            if why == UNKNOWN_KEY:
                yield Problem(name, given[name], why, nearest(name, known))
            elif why is not None:
                yield Problem(name, "[hidden]", why)


def nearest(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str | None:
    """Return the known name closest to a misspelt one, if one is really close: a wrong guess misleads."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=CLOSE)
    return found[0] if found else None


def parse_value(item: Key, raw: object) -> tuple[Any, str | None]:
    """Parse one value; returns (value, None) or (None, what is wrong)."""
    if raw is None:
        return (None, None) if _allows_none(item.type) else (None, "must not be null")
    try:
        value = _convert(_without_none(item.type), raw)
    except ValueError as error:
        return None, str(error)
    why = _breaks_rules(item, value)
    return (None, why) if why else (value, None)


def _breaks_rules(item: Key, value: Any) -> str | None:
    if item.at_least is not None and value < item.at_least:
        return f"{value!r} is below the minimum {item.at_least}"
    if item.at_most is not None and value > item.at_most:
        return f"{value!r} is above the maximum {item.at_most}"
    if item.choices:
        for one in value if isinstance(value, tuple) else (value,):
            if one not in item.choices:
                return f"{one!r} is not one of {', '.join(item.choices)}"
    return item.check(value) if item.check else None


def _convert(kind: Any, raw: object) -> Any:
    if typing.get_origin(kind) is tuple:
        parts = raw.split(",") if isinstance(raw, str) else typing.cast("typing.Iterable[object]", raw)
        element = typing.get_args(kind)[0]
        items = (part.strip() if isinstance(part, str) else part for part in parts)
        return tuple(_convert(element, item) for item in items if item != "")
    if kind is bool:
        return _boolean(raw)
    if kind in (int, float):
        return _number(kind, raw)
    if kind is Secret:
        return Secret(raw.reveal() if isinstance(raw, Secret) else str(raw))
    return str(raw).strip()


def _boolean(raw: object) -> bool:
    text = str(raw).strip().lower()
    if text not in ("true", "false"):
        raise ValueError(f"{raw!r} is not true or false")
    return text == "true"


def _number(kind: Any, raw: object) -> Any:
    text = str(raw).strip()
    if isinstance(raw, bool):
        raise ValueError(f"{raw!r} is not a number")
    try:
        return kind(text)
    except ValueError:
        noun = "a whole number" if kind is int else "a number"
        raise ValueError(f"{raw!r} is not {noun}") from None


def _describe(field: dataclasses.Field[Any], hint: Any) -> Key:
    spec = dict(field.metadata["key"])
    name = spec.pop("name") or field.name.replace("_", ".")
    return Key(name=name, attribute=field.name, type=hint, default=field.default, **spec)


def _allows_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        return rest[0] if len(rest) == 1 else str
    return hint
