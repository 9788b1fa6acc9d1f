"""One of several workers as a service: topics, group, tasks and REST put together.

    DistributedWorker(DistributedSettings.parse(load_properties("worker.properties")),
                      sock=bind_loopback(8083))

Everything it knows is in Kafka; nothing is kept on its disk. Imports rest, distributed and runtime.

Source: Kafka `org.apache.kafka.connect.cli.ConnectDistributed`.
"""

from __future__ import annotations

import logging
import socket

from tidelock.connect.distributed.requests import DistributedHerder
from tidelock.connect.distributed.settings import DistributedSettings
from tidelock.connect.rest.forwarding import distributed_app
from tidelock.connect.rest.routing import Doorkeeper
from tidelock.connect.runtime.kafka import check_client_keys
from tidelock.connect.runtime.plugins import Plugins
from tidelock.runtime import Clock, SystemClock
from tidelock.web import HttpServer

log = logging.getLogger(__name__)


class DistributedWorker:
    """One worker, a `runtime.Service`.

    Args:
        settings: the worker's.
        sock: where REST listens: bound, from `runtime.bind_loopback`.
        clock: the machine's by default.
        plugins: what connectors can be; ours and the entry points' by default.
    """

    def __init__(
        self,
        settings: DistributedSettings,
        *,
        sock: socket.socket,
        clock: Clock | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        host, port = sock.getsockname()[:2]
        advertised = settings.rest_advertised_host_name
        name = f"[{host}]" if ":" in host else host
        url = f"http://{advertised or name}:{settings.rest_advertised_port or port}"
        self._settings = settings
        self.herder = DistributedHerder(settings, url, clock=clock or SystemClock(), plugins=plugins)
        doorkeeper = Doorkeeper.of(host, advertised)
        self._server = HttpServer(distributed_app(self.herder, doorkeeper), sock=sock, what="connect")

    @property
    def url(self) -> str:
        """Address of the REST interface."""
        return self._server.url

    async def start(self) -> None:
        """Return when the topics are read and REST accepts; the group's first round may go on.

        Raises:
            ConfigError: a client key of the worker is wrong.
            KafkaError: a topic cannot be made or read.
        """
        for problem in self._settings.warnings():
            log.warning("worker configuration: %s", problem)
        check_client_keys(self._settings.originals)
        await self.herder.start()
        await self._server.start()

    async def stop(self) -> None:
        """Stop REST, then every task gracefully, and leave the group."""
        await self._server.stop()
        await self.herder.stop()
