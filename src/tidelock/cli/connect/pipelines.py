"""Runs a pipeline in this process: its worker, and a broker where there is none to use."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from tidelock.broker import Broker, BrokerSettings
from tidelock.cli.commands import session
from tidelock.cli.connect import connectors
from tidelock.cli.connect.dry_run import examined
from tidelock.cli.options import running_address
from tidelock.cli.up import state
from tidelock.config import ConfigError
from tidelock.connect import Pipeline, StandaloneSettings, StandaloneWorker
from tidelock.errors import ConflictError, UsageError
from tidelock.runtime import LOOPBACK, Service, bind_loopback, run_services

KEYS = {"offset.flush.interval.ms": "1000"}  # little is repeated after a kill


class PipelineRunsError(ConflictError):
    """The pipeline runs already, in the same data folder."""

    code = "TID-740"


def run(file: Path, port: int, data: Path) -> None:
    """Run a pipeline until SIGINT or SIGTERM.

    Args:
        file: the pipeline.
        port: of REST; 0: any.
        data: the data folder.

    Raises:
        TidelockError: the file is wrong, it runs already, or the port is taken.
    """
    pipeline = connectors.pipeline(file)
    named = pipeline.worker.get("bootstrap.servers") or running_address("broker")
    _check(pipeline, _keys(pipeline, named or f"{LOOPBACK}:9092"), file)
    if not session().verbose:
        logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    folder = data / "pipelines" / pipeline.name
    with ExitStack() as stack:
        stack.enter_context(_held(folder))
        services: list[Service] = []
        if named is None:
            sock = stack.enter_context(bind_loopback(0, what="broker"))
            services, named = [_broker(folder / "broker", sock)], f"{LOOPBACK}:{sock.getsockname()[1]}"
        hint = "use another --port, or none for any free one"
        sock = stack.enter_context(bind_loopback(port, what="connect", hint=hint))
        settings = StandaloneSettings.parse(_keys(pipeline, named), where=str(file))
        worker = StandaloneWorker(settings, pipeline.connectors, sock=sock, data_dir=folder / "connect")
        whose = f"  ·  its own broker {named}" if services else f"  ·  broker {named}"
        names = ", ".join(one["name"] for one in pipeline.connectors)

        async def ready() -> None:
            text = f"Pipeline {pipeline.name}  {worker.url}  ({names}){whose}  ·  Ctrl-C stops"
            click.echo(text, err=True)

        asyncio.run(run_services([*services, worker], ready=ready))


def _keys(pipeline: Pipeline, bootstrap: str) -> dict[str, str]:
    return {**KEYS, **pipeline.worker, "bootstrap.servers": bootstrap}


def _check(pipeline: Pipeline, worker: Mapping[str, str], file: Path) -> None:
    """Raise ConfigError with every problem of the worker's keys and of all connectors."""
    problems = list(StandaloneSettings.examine(worker, strict=False)[1])
    for config in pipeline.connectors:
        problems += examined(worker, config, config["name"])[0]  # the worker's log has the warnings
    if problems:
        raise ConfigError(tuple(problems), where=str(file))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Have the pipeline's folder to ourselves."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = state.lock(folder)
    except OSError as error:
        raise UsageError(f"cannot use the data folder: {error.strerror}", where=str(folder)) from error
    if held is None:
        raise PipelineRunsError(
            "this pipeline runs already", where=str(folder), hint="stop it, or use another --data DIR"
        )
    with held:
        yield


def _broker(folder: Path, sock: socket.socket) -> Broker:
    folder.mkdir(exist_ok=True)
    given = {"log.dirs": str(folder), "tidelock.flush.policy": "group"}
    return Broker(BrokerSettings.parse(given), sock=sock)
