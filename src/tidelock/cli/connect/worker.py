"""A Connect worker in this process: files to settings, a bound port, run until a signal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from tidelock.cli.commands import session
from tidelock.config import ConfigError, Problem
from tidelock.connect import (
    DistributedSettings,
    DistributedWorker,
    StandaloneSettings,
    StandaloneWorker,
)
from tidelock.errors import UsageError
from tidelock.properties import load_properties
from tidelock.runtime import LOOPBACK, bind_loopback, run_services

DEFAULT_PORT = 8083


class NoWorkerFileError(UsageError):
    """The first file of `connect standalone` is a connector's, or holds nothing of a worker."""

    code = "TID-738"


def run(file: Path, connectors: Sequence[Path]) -> None:
    """Run a worker until SIGINT or SIGTERM.

    Raises:
        TidelockError: a file is wrong, or the port is taken.
    """
    if "connector.class" in (given := load_properties(file)) or set(given) <= {"name"}:
        raise NoWorkerFileError(
            "this is no worker's configuration",
            where=str(file),
            hint="the worker's file comes first: tidelock connect standalone WORKER.properties CONNECTOR...",
        )
    settings = StandaloneSettings.parse(given, where=str(file))
    wanted = [_with_name(load_properties(connector), connector) for connector in connectors]
    host, port = listener(settings.listeners, str(file))
    if not session().verbose:
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    hint = f"set listeners=http://{LOOPBACK}:PORT in {file} to a free port above 1023, or stop the owner"
    with bind_loopback(port, host=host, what="connect", hint=hint) as sock:
        worker = StandaloneWorker(settings, wanted, sock=sock)

        async def ready() -> None:
            names = ", ".join(one["name"] for one in wanted) or "no connectors yet"
            click.echo(f"Connect  {worker.url}  ({names})  ·  Ctrl-C stops", err=True)

        asyncio.run(run_services([worker], ready=ready))


def run_distributed(file: Path) -> None:
    """Run one of several workers until SIGINT or SIGTERM.

    Raises:
        TidelockError: the file is wrong, or the port is taken.
    """
    if "connector.class" in (given := load_properties(file)):
        raise NoWorkerFileError(
            "this is no worker's configuration",
            where=str(file),
            hint="give the worker's file, then make connectors over REST: tidelock connect apply -f FILE",
        )
    settings = DistributedSettings.parse(given, where=str(file))
    host, port = listener(settings.listeners, str(file))
    if not session().verbose:
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    hint = f"set listeners=http://{LOOPBACK}:PORT in {file} to a free port above 1023, or stop the owner"
    with bind_loopback(port, host=host, what="connect", hint=hint) as sock:
        worker = DistributedWorker(settings, sock=sock)

        async def ready() -> None:
            click.echo(f"Connect  {worker.url}  (group {settings.group_id})  ·  Ctrl-C stops", err=True)

        asyncio.run(run_services([worker], ready=ready))


def _with_name(config: dict[str, str], file: Path) -> dict[str, str]:
    if not config.get("name", "").strip():
        raise ConfigError((Problem("name", None, "a connector needs a name: add name=..."),), where=str(file))
    return config


def listener(listeners: Sequence[str], where: str) -> tuple[str, int]:
    """Return host and port of the first listener; a listener without a host listens on loopback.

    Raises:
        ConfigError: it is not an http URL with a usable port.
    """
    text = listeners[0] if listeners else f"http://{LOOPBACK}:{DEFAULT_PORT}"
    try:
        found = urlsplit(text if "//" in text else f"//{text}")
        port = DEFAULT_PORT if found.port is None else found.port
    except ValueError as error:
        raise ConfigError((Problem("listeners", text, str(error)),), where=where) from None
    if found.scheme not in ("", "http"):
        problem = Problem("listeners", text, f"{found.scheme} is not supported, use http")
        raise ConfigError((problem,), where=where)
    return found.hostname or LOOPBACK, port
