"""Settings of the parts from `--set PART.key=value` and `--config FILE`, checked before anything starts.

A file is TOML (one table per part, dotted keys or nested tables) or Java properties (PART.KEY=VALUE);
a Kafka broker's own `server.properties` is taken as it is.
`--set` wins over it. Every problem is reported at once, with the nearest key. The settings class of a part is
imported only when it has a setting.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from tidelock.cli.up.parts import PARTS
from tidelock.config import ConfigError, Problem, Settings, nearest
from tidelock.config_file import read_pairs
from tidelock.errors import UsageError

SETTINGS = {
    "registry": "tidelock.discovery.settings:RegistrySettings",
    "broker": "tidelock.broker.settings:BrokerSettings",
    "connect": "tidelock.connect.runtime.settings:StandaloneSettings",
}

# A properties file with one of these, no part before it, is a Kafka broker's own.
SERVER_PROPERTIES = frozenset({"broker.id", "listeners", "log.dir", "log.dirs", "node.id", "process.roles"})


def gathered(assignments: Sequence[str], file: Path | None) -> dict[str, dict[str, str]]:
    """Return part -> Java key -> text.

    Raises:
        ConfigError: with every unknown part, unknown key and bad value.
        ConfigFileError: the file cannot be read.
    """
    from_file, own = _from_file(file) if file else ([], None)
    assigned = [split(one) for one in assignments]
    settings: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    for name, value in [*from_file, *assigned]:
        part, _, key = name.partition(".")
        if part in PARTS and key:
            settings.setdefault(part, {})[key] = value
        else:
            problems.append(_misplaced(name, value))
    for part, given in settings.items():
        bare = {name for name, _ in from_file if part == own} - {name for name, _ in assigned}
        for one in settings_class(part).examine(given)[1]:
            if one.value is not None:
                prefix = "" if f"{part}.{one.key}" in bare else f"{part}."
                meant = one.nearest and prefix + one.nearest
                problems.append(Problem(prefix + one.key, one.value, one.why, meant))
    if problems:
        raise ConfigError(tuple(problems), where=str(file) if file else "--set")
    return settings


def _from_file(file: Path) -> tuple[list[tuple[str, str]], str | None]:
    """Return names, each with its part, and the part whose own file it is: there the names have none."""
    pairs = list(read_pairs(file))
    if file.suffix == ".properties" and any(name in SERVER_PROPERTIES for name, _ in pairs):
        return [(f"broker.{name}", value) for name, value in pairs], "broker"
    return pairs, None


def split(assignment: str) -> tuple[str, str]:
    """Split `broker.num.partitions=4`."""
    name, equals, value = assignment.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {assignment!r} is not KEY=VALUE", hint="--set broker.num.partitions=4")
    return name.strip(), value.strip()


def settings_class(part: str) -> type[Settings]:
    """Return the settings class of a part."""
    module, _, name = SETTINGS[part].partition(":")
    found: type[Settings] = getattr(importlib.import_module(module), name)
    return found


def _misplaced(name: str, value: str) -> Problem:
    part = name.partition(".")[0]
    near = nearest(part, PARTS)
    meant = f"{near}.{name.partition('.')[2]}" if near and "." in name else None
    return Problem(name, value, f"must start with {', '.join(f'{known}.' for known in PARTS)}", meant)
