"""What the commands know about connectors: rows from REST documents, and connector files.

A connector file is JSON (`{"name": ..., "config": {...}}`, a flat configuration, or a list of either) or Java
properties; both need a name. A TOML file is a pipeline: a worker's keys and any number of connectors. Rules
are functions of documents; `listed` and the commands ask the worker.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidelock.cli.rest import ask
from tidelock.errors import UsageError

if TYPE_CHECKING:
    from tidelock.config import Problem
    from tidelock.connect import Pipeline

HIDDEN = "[hidden]"
"""What a worker of ours shows instead of a secret."""


class ConnectorFileError(UsageError):
    """A connector file cannot be read or names no connector."""

    code = "TID-726"


def listed(url: str) -> list[dict[str, Any]]:
    """Ask a worker for all its connectors."""
    _, found = ask("connect", url, "GET", "/connectors?expand=status&expand=info")
    return [row(name, one) for name, one in sorted(found.items())]


def row(name: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return one connector of the expanded list as a row."""
    status, info = document.get("status", {}), document.get("info", {})
    states = Counter(task["state"] for task in status.get("tasks", ()))
    return {
        "name": name,
        "type": status.get("type") or info.get("type"),
        "state": status.get("connector", {}).get("state"),
        "tasks": ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none",
        "class": info.get("config", {}).get("connector.class", "").rpartition(".")[2] or None,
        "failed": failed(status),
    }


def failed(status: Mapping[str, Any]) -> bool:
    """Whether a connector or one of its tasks is FAILED."""
    parts = [status.get("connector", {}), *status.get("tasks", ())]
    return any(part.get("state") == "FAILED" for part in parts)


def from_file(path: Path) -> list[tuple[str, dict[str, str]]]:
    """Read (name, configuration) pairs from a connector file; "-" is JSON on standard input.

    Raises:
        ConnectorFileError, ConfigFileError: with what is wrong and where.
    """
    from tidelock.config_file import refuse_yaml

    where = str(path)
    refuse_yaml(path)
    if is_pipeline(path):
        return [(one["name"], dict(one)) for one in pipeline(path).connectors]
    if path.suffix == ".properties":
        from tidelock.properties import load_properties  # only for this kind of file

        return [_named(load_properties(path), where)]
    try:
        text = _standard_input() if where == "-" else path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise ConnectorFileError(f"cannot read the connector: {error}", where=where) from error
    items = found if isinstance(found, list) else [found]
    if not items:
        raise ConnectorFileError("the file names no connector", where=where)
    return [_from_json(item, where) for item in items]


def is_pipeline(path: Path) -> bool:
    """Whether a file is a pipeline: TOML, or properties whose names begin with the parts of one."""
    if path.suffix != ".properties":
        return path.suffix == ".toml"
    from tidelock.properties import load_properties  # only for this kind of file

    given = load_properties(path)
    return "connector.class" not in given and any(one.startswith(("source.", "sink.")) for one in given)


def pipeline(path: Path) -> Pipeline:
    """Read a pipeline file.

    Raises:
        ConnectorFileError: it cannot be read.
        ConfigError: with all problems of its shape.
    """
    from tidelock.config_file import QUOTE, refuse_yaml
    from tidelock.connect import nested, pipeline_of
    from tidelock.properties import load_properties

    refuse_yaml(path)
    if path.suffix == ".properties":
        return pipeline_of(nested(load_properties(path)), path.stem, where=str(path))
    import tomllib  # only for this kind of file

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what, hint = (
            f"cannot read the pipeline: {error.strerror}",
            "name a readable .toml or .properties file",
        )
        raise ConnectorFileError(what, where=str(path), hint=hint) from error
    except UnicodeDecodeError as error:
        raise ConnectorFileError(f"cannot read the pipeline: {error}", where=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConnectorFileError(f"not valid TOML: {error}", where=str(path), hint=QUOTE) from error
    return pipeline_of(document, path.stem, where=str(path))


def changes(old: Mapping[str, str] | None, new: Mapping[str, str]) -> Iterator[dict[str, str | None]]:
    """Yield each key whose value differs, with the old and new value (None: not there).

    Secrets are not shown, and the worker does not give them away: they count as different here.
    """
    from tidelock.connect import shown_value  # only `apply` needs it

    before = old or {}
    for name in sorted({*before, *new}):
        if before.get(name) != new.get(name):
            yield {
                "key": name,
                **{
                    side: None if value is None else shown_value(name, value)
                    for side, value in (("old", before.get(name)), ("new", new.get(name)))
                },
            }


def warn(name: str, unknown: Iterable[Problem]) -> None:
    """Tell, on standard error, of keys of a connector that nobody reads."""
    for one in unknown:
        click.echo(f"Warning: connector {name}: {one}", err=True)


def verdict(old: Mapping[str, str] | None, changed: Sequence[object]) -> str:
    """Say what applying a configuration does: created, updated or unchanged."""
    if old is None:
        return "created"
    return "updated" if changed else "unchanged"


def _from_json(item: object, where: str) -> tuple[str, dict[str, str]]:
    if not isinstance(item, dict):
        raise ConnectorFileError("a connector is a JSON object", where=where)
    config = item.get("config", item)
    if not isinstance(config, dict):
        raise ConnectorFileError("`config` is not a JSON object", where=where)
    named = {"name": item["name"], **config} if "name" in item else config
    return _named({str(name): _text(value) for name, value in named.items()}, where)


def _named(config: dict[str, str], where: str) -> tuple[str, dict[str, str]]:
    if not config.get("name"):
        raise ConnectorFileError(
            "the connector has no name", where=where, hint='add "name": "my-connector" to the file'
        )
    return config["name"], config


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value)


def _standard_input() -> str:
    import sys

    return sys.stdin.read()
