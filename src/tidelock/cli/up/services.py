"""Builds each part inside its own process, from the job that `up` sent and the socket it bound.

Every function imports its part when it is called, so that a process carries only what it runs.
"""

from __future__ import annotations

import logging
import socket

from tidelock.cli.up.control import Job
from tidelock.runtime import Service

log = logging.getLogger(__name__)


def registry(job: Job, listener: socket.socket) -> tuple[Service, str | None]:
    """Build the registry; its leases are in DATA/registry."""
    from tidelock.discovery.server import RegistryServer
    from tidelock.discovery.settings import RegistrySettings

    job.folder.mkdir(parents=True, exist_ok=True)
    settings = RegistrySettings.parse(job.settings, where="--set")
    return RegistryServer(settings, listener, data_dir=job.folder), None


def broker(job: Job, listener: socket.socket) -> tuple[Service, str | None]:
    """Build the broker; its log is in DATA/broker unless `log.dirs` or `log.dir` says otherwise.

    What it acknowledges is on the disk. Kafka trusts its other replicas there; this broker has none, and a
    relay deletes its outbox row on the acknowledgement.
    """
    from tidelock.broker import Broker, BrokerSettings

    unused = BrokerSettings.without_effect(job.settings)
    if unused:
        log.warning("the broker takes these keys of Kafka without effect: %s", ", ".join(unused))
    given = {"log.dir": str(job.folder), "tidelock.flush.policy": "group", **job.settings}
    settings = BrokerSettings.parse(given, where="--set")
    return Broker(settings, sock=listener), None


def connect(job: Job, listener: socket.socket) -> tuple[Service, str | None]:
    """Build the Connect worker; its connectors and source offsets are in DATA/connect."""
    from tidelock.connect import StandaloneSettings, StandaloneWorker

    bootstrap = job.addresses.get("broker", "127.0.0.1:9092")
    settings = StandaloneSettings.parse({"bootstrap.servers": bootstrap, **job.settings}, where="--set")
    worker = StandaloneWorker(settings, sock=listener, data_dir=job.folder)
    count = len(worker.herder.plugins.connectors)
    return worker, f"Kafka Connect REST, {count} connector plugins"
