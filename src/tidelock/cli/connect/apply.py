"""`tidelock connect apply -f FILE`: make the worker's connectors what the files say."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tidelock.cli import options, output
from tidelock.cli.commands import command as declare
from tidelock.errors import UsageError


@declare(
    examples=(
        "tidelock connect apply -f orders-sink.json",
        "tidelock connect apply -f orders-sink.properties --dry-run",
        "tidelock connect plugins -o json | jq ... | tidelock connect apply -f -",
    ),
    exits={0: "created, updated or unchanged", 2: "a file or a configuration is wrong"},
)
@click.option(
    "-f", "--file", "files", type=click.Path(path_type=Path), multiple=True, required=True, help="Repeatable."
)
@click.option("--dry-run", is_flag=True, help="Check the configuration and show what would change.")
@options.connect_url
@output.option
def command(files: tuple[Path, ...], dry_run: bool, connect_url: str, output: output.Output) -> None:
    """Create or update connectors from files, JSON or Java properties.

    A file holds `{"name": ..., "config": {...}}`, a flat configuration with a name, or a JSON list of either;
    "-" is JSON on standard input. All problems of a configuration are reported at once, and then nothing is
    changed; a key that nobody reads is a warning.
    """
    from tidelock.cli.connect import connectors

    wanted = [pair for file in files for pair in connectors.from_file(file)]
    existing = {name: _existing(connect_url, name) for name, _ in wanted}
    for name, config in wanted:
        _warn(connect_url, name, config)
        _check(connect_url, name, config)
    rows: list[dict[str, Any]] = []
    for name, config in wanted:
        changed = _changes(connect_url, name, existing[name], config)
        result = connectors.verdict(existing[name], changed)
        if not dry_run and result != "unchanged":
            _put(connect_url, name, config)
        rows.append(
            {"name": name, "result": f"{result} (dry run)" if dry_run else result, "changes": changed}
        )
    output.rows(rows, columns=("name", "result"), key="name")


def _existing(url: str, name: str) -> dict[str, str] | None:
    from tidelock.cli.rest import NoSuchThingError, ask, quoted

    try:
        found: dict[str, str] = ask("connect", url, "GET", f"/connectors/{quoted(name)}/config")[1]
    except NoSuchThingError:
        return None
    return found


def _changes(
    url: str, name: str, old: Mapping[str, str] | None, new: Mapping[str, str]
) -> list[dict[str, str | None]]:
    """Return what differs; the worker says it of secrets, which it does not give away."""
    from tidelock.cli.connect import connectors
    from tidelock.cli.rest import NoSuchThingError, ServerRefusedError, ask, quoted

    found = list(connectors.changes(old, new))
    if old is not None and any(connectors.HIDDEN in old.get(str(one["key"]), "") for one in found):
        with contextlib.suppress(NoSuchThingError, ServerRefusedError):  # Kafka's worker hides nothing
            path = f"/connectors/{quoted(name)}/config/compare"
            _, answer = ask("connect", url, "PUT", path, dict(new))
            return [one for one in found if one["key"] in answer["changed"]]
    return found


def _check(url: str, name: str, config: Mapping[str, str]) -> None:
    from tidelock.cli.rest import ask, quoted

    if "connector.class" not in config:
        raise UsageError(f"connector {name!r} has no connector.class", hint="tidelock connect plugins")
    path = f"/connector-plugins/{quoted(config['connector.class'])}/config/validate"
    _, found = ask("connect", url, "PUT", path, dict(config))
    wrong = [
        f"  - {one['value']['name']}: {error}"
        for one in found.get("configs", ())
        for error in one["value"].get("errors", ())
    ]
    if wrong:
        count = f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''}"
        raise UsageError("\n".join([f"{count} in the configuration of connector {name!r}", *wrong]))


def _warn(url: str, name: str, config: Mapping[str, str]) -> None:
    """Tell of keys that nobody reads; only a worker of ours says which."""
    from tidelock.cli.connect import connectors
    from tidelock.cli.rest import NoSuchThingError, ServerRefusedError, ask, quoted
    from tidelock.config import Problem

    with contextlib.suppress(NoSuchThingError, ServerRefusedError):
        path = f"/connector-plugins/{quoted(config['connector.class'])}/config/unknown"
        _, answer = ask("connect", url, "PUT", path, dict(config))
        found = [Problem(one["key"], None, one["why"], one["nearest"]) for one in answer["unknown"]]
        connectors.warn(name, found)


def _put(url: str, name: str, config: Mapping[str, str]) -> None:
    from tidelock.cli.rest import ask, quoted

    ask("connect", url, "PUT", f"/connectors/{quoted(name)}/config", dict(config))
