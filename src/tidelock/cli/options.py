"""Options that several commands share, and where their values come from.

An address comes from the option, else from its TIDELOCK_* variable, else from what `tidelock up` runs in the
data folder (TIDELOCK_DATA, ./.tidelock), else it is the well-known port.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tidelock.cli.up.state import DEFAULT_DATA

F = TypeVar("F", bound=Callable[..., Any])

WELL_KNOWN = {
    "broker": "127.0.0.1:9092",
    "connect": "http://127.0.0.1:8083",
    "registry": "http://127.0.0.1:8761",
}

PARTITIONS = click.IntRange(1, 100_000)
"""How many a topic may have: the client library takes no more; the broker may take fewer."""


def data(function: F) -> F:
    """Add `--data`; it arrives as the argument `data`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        default=DEFAULT_DATA,
        envvar="TIDELOCK_DATA",
        show_default=True,
        help="The data folder of `tidelock up`.",
    )(function)


def bootstrap(function: F) -> F:
    """Add `--bootstrap`; it arrives as the argument `bootstrap`."""
    return _address("--bootstrap", "broker", "HOST:PORT[,...]", "Broker to ask.")(function)


def connect_url(function: F) -> F:
    """Add `--connect-url`; it arrives as the argument `connect_url`."""
    return _address("--connect-url", "connect", "URL", "Connect worker to ask.")(function)


def registry_url(function: F) -> F:
    """Add `--registry-url`; it arrives as the argument `registry_url`."""
    return _address("--registry-url", "registry", "URL", "Registry to ask.")(function)


def yes(function: F) -> F:
    """Add `--yes`; it arrives as the argument `yes`."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def _address(flag: str, part: str, metavar: str, text: str) -> Callable[[F], F]:
    def resolve(context: click.Context, parameter: click.Parameter, value: str | None) -> str:
        return value or running_address(part) or WELL_KNOWN[part]

    default = WELL_KNOWN[part].removeprefix("http://")
    return click.option(
        flag,
        envvar="TIDELOCK_" + flag.strip("-").replace("-", "_").upper(),
        show_envvar=True,
        metavar=metavar,
        callback=resolve,
        help=f"{text}  [default: what ./.tidelock runs, else {default}]",
    )


def running_address(part: str) -> str | None:
    """Return where a part of this folder's `tidelock up` listens, if it runs."""
    from tidelock.cli.up import state
    from tidelock.runtime import environment

    running = state.read(Path(environment().get("TIDELOCK_DATA", DEFAULT_DATA)))
    return running.addresses.get(part) if running else None
