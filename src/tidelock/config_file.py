"""Configuration files as dotted keys: TOML (nested tables or dotted keys) or Java properties.

    read_pairs(Path("calls.toml"))      # [("spring.cloud.loadbalancer.zone", "eu-1"), ...]

What the keys mean is the settings classes' business (`config`). Imports errors and properties only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tidelock.errors import UsageError
from tidelock.properties import load_properties

QUOTE = (
    'texts stand in quotes, and so does a key that goes on where another one ends: "key.converter" = "..." '
    'and "key.converter.schemas.enable" = false'
)
"""What TOML asks of Java's keys."""


class ConfigFileError(UsageError):
    """A configuration file cannot be read."""

    code = "TID-706"


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Read a file into dotted names and the texts that a properties file would hold.

    Args:
        path: `.properties` is Java's format, everything else TOML.

    Raises:
        ConfigFileError: it cannot be read, or is no TOML.
        PropertiesError: it is no properties file.
    """
    refuse_yaml(path)
    if path.suffix == ".properties":
        return list(load_properties(path).items())
    try:
        return list(flattened(tomllib.loads(path.read_text(encoding="utf-8"))))
    except tomllib.TOMLDecodeError as error:
        raise ConfigFileError(
            f"not valid TOML: {error}", where=str(path), hint=f"{QUOTE}; or use .properties, Java's format"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFileError(f"cannot read the configuration: {error}", where=str(path)) from error


def refuse_yaml(path: Path) -> None:
    """Say of a YAML file, by its name, that nobody here reads it: there is no YAML library in the house.

    Raises:
        ConfigFileError: it is one.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        hint = "write the same tables as TOML (.toml), or the same names with dots as .properties"
        raise ConfigFileError("YAML is not read", where=str(path), hint=hint)


def flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Turn nested tables into dotted names, and values into the texts that a properties file would hold."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return str(value)
