"""Names of fields: plain (V1), or paths into nested structs and maps (V2).

In V2 a dot goes one level down; a name with a dot in it stands in backticks, a backtick before a dot within
such a name after a backslash. Pure; imports tidelock.config and the api.

Source: KIP-821, Kafka `org.apache.kafka.connect.transforms.field.SingleFieldPath`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tidelock.config import ConfigError, Importance, Problem, Settings, key
from tidelock.connect.api import DataError, Schema, Struct, Type

Path = tuple[str, ...]
PLAIN, NESTED = "V1", "V2"
CLOSING = re.compile(r"(?<!\\)`(?=\.|\Z)|(?<=\\)`\Z")


class PathSettings(Settings):
    """The key that says how fields are named."""

    field_syntax_version: str = key(
        default=PLAIN,
        choices=(PLAIN, NESTED),
        importance=Importance.HIGH,
        doc="V1: names of fields at the top. V2: paths, with a dot for each level.",
    )


def parse_path(text: str, version: str) -> Path:
    """Return the steps of a path.

    Raises:
        ValueError: a backtick is not closed.
    """
    if version == PLAIN:
        return (text,)
    steps: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "`":
            step, _, _ = text[at:].partition(".")
            steps.append(step)
            at += len(step) + 1
            continue
        end = CLOSING.search(text, at + 1)
        if end is None or text[end.start() - 1] == "\\":
            raise ValueError(f"Incomplete backtick pair in path: [{text}]")
        steps.append(text[at + 1 : end.start()].replace("\\`.", "`."))
        at = end.end() + 1
    if text.endswith("."):
        steps.append("")
    return tuple(steps)


def parse_paths(texts: Sequence[str], version: str, *, key_name: str) -> list[Path]:
    """Return the paths that a key lists.

    Raises:
        ConfigError: with all that are wrong.
    """
    made, problems = [], []
    for text in texts:
        try:
            made.append(parse_path(text, version))
        except ValueError as error:
            problems.append(Problem(key_name, text, str(error)))
    if problems:
        raise ConfigError(tuple(problems))
    return made


def value_at(value: Any, path: Path, *, fill: bool = False) -> Any:
    """Return what stands at a path; None where any step is absent or null.

    Args:
        value: a Struct, a dict or None.
        path: at least one step.
        fill: give a null field's default, if it has one.

    Raises:
        DataError: a step leads into something that has no fields.
    """
    for step in path:
        if value is None:
            return None
        if isinstance(value, Struct):
            field = value.schema.field(step)
            if field is None:
                return None
            value = value.row[field.index]
            if value is None and fill:
                value = field.schema.default
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            raise DataError(f"{type(value).__name__} has no field {step!r}")
    return value


def schema_at(schema: Schema, path: Path) -> Schema | None:
    """Return the schema of the field at a path, or None where there is no such field."""
    for step in path:
        field = schema.field(step) if schema.type is Type.STRUCT else None
        if field is None:
            return None
        schema = field.schema
    return schema
