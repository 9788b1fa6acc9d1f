"""The standalone worker as a service: herder, stores and REST put together.

    StandaloneWorker(StandaloneSettings.parse(load_properties("worker.properties")),
                     connectors=[load_properties("connector.properties")], sock=bind_loopback(8083))

With a data folder, connectors that were made over REST and all source offsets are kept in it and start again
with the worker; without one, offsets are kept in offset.storage.file.filename, as Kafka does. Imports rest
and runtime.

Source: Kafka `org.apache.kafka.connect.cli.ConnectStandalone`.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from tidelock.connect.rest.app import rest_app
from tidelock.connect.rest.routing import Doorkeeper
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.herder import StandaloneHerder
from tidelock.connect.runtime.kafka import check_client_keys
from tidelock.connect.runtime.plugins import Plugins
from tidelock.connect.runtime.settings import StandaloneSettings
from tidelock.connect.runtime.stores import open_stores
from tidelock.runtime import Clock, SystemClock
from tidelock.web import HttpServer

log = logging.getLogger(__name__)


class StandaloneWorker:
    """One worker, a `runtime.Service`.

    Args:
        settings: the worker's.
        connectors: configurations to run besides those in the data folder; each has a `name`.
        sock: where REST listens: bound, from `runtime.bind_loopback`.
        data_dir: keeps connectors and offsets; made if it is absent.
        clock: the machine's by default.
        plugins: what connectors can be; ours and the entry points' by default.
    """

    def __init__(
        self,
        settings: StandaloneSettings,
        connectors: Sequence[Mapping[str, str]] = (),
        *,
        sock: socket.socket,
        data_dir: Path | None = None,
        clock: Clock | None = None,
        plugins: Plugins | None = None,
    ) -> None:
        host, port = sock.getsockname()[:2]
        worker_id = f"{settings.rest_advertised_host_name or host}:{settings.rest_advertised_port or port}"
        named = settings.offset_storage_file_filename
        self._connectors = list(connectors)
        self._settings = settings
        self.herder = StandaloneHerder(
            settings,
            worker_id,
            stores=open_stores(data_dir, Path(named) if named else None, worker_id),
            clock=clock or SystemClock(),
            plugins=plugins,
        )
        advertised = settings.rest_advertised_host_name
        doorkeeper = Doorkeeper.of(host, advertised)
        self._server = HttpServer(rest_app(self.herder, doorkeeper), sock=sock, what="connect")

    @property
    def url(self) -> str:
        """Address of the REST interface."""
        return self._server.url

    async def start(self) -> None:
        """Return when REST accepts and every given connector is running or shown as failed.

        Raises:
            ConfigError: a client key of the worker is wrong.
            InvalidConfig: a given connector's configuration has problems; all of them are in the text.
        """
        for problem in self._settings.warnings():
            log.warning("worker configuration: %s", problem)
        check_client_keys(self._settings.originals)
        await self.herder.start()
        await self._server.start()
        for props in self._connectors:
            name = props.get("name", "").strip()
            if not name:
                raise InvalidConfig("a connector's configuration has no name", hint="add name=...")
            await self.herder.put_config(name, props)

    async def stop(self) -> None:
        """Stop REST, then every task gracefully."""
        await self._server.stop()
        await self.herder.stop()
