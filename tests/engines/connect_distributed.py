"""Apache Kafka's own distributed Connect worker, with the file connectors as its only plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.engines.fetch import Engines
from tests.engines.kafka import HOST, JavaProcess, answers, free_port, write_properties


class ConnectDistributed(JavaProcess):
    """One worker; several with the same group and topics are a cluster. Ready when its REST is healthy.

    Args:
        folder: for its properties and its log.
        bootstrap: of the brokers.
        group: names the group and, with a suffix, the three topics.
        properties: worker properties on top of ours.
    """

    role = "connect"

    def __init__(
        self,
        engines: Engines,
        folder: Path,
        bootstrap: str,
        group: str,
        *,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(engines, folder)
        self.port = free_port()
        self.properties = {**distributed_properties(bootstrap, group), **(properties or {})}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        config = {
            "listeners": self.url,
            "rest.advertised.host.name": HOST,
            "rest.advertised.port": str(self.port),
            "plugin.path": str(self.engines.plugin_path),
            "plugin.discovery": "service_load",
            **self.properties,
        }
        path = write_properties(self.folder / "worker.properties", config)
        self.launch("org.apache.kafka.connect.cli.ConnectDistributed", str(path))
        self.wait_until(lambda: answers(f"{self.url}/health"))
        return self


def distributed_properties(bootstrap: str, group: str) -> dict[str, str]:
    """Keys that all workers of one cluster share, ours and the JVM's."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "config.storage.topic": f"{group}-configs",
        "offset.storage.topic": f"{group}-offsets",
        "status.storage.topic": f"{group}-status",
        "config.storage.replication.factor": "1",
        "offset.storage.replication.factor": "1",
        "status.storage.replication.factor": "1",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "key.converter.schemas.enable": "false",
        "value.converter.schemas.enable": "false",
        "offset.flush.interval.ms": "500",
        "session.timeout.ms": "6000",
        "heartbeat.interval.ms": "200",
        "scheduled.rebalance.max.delay.ms": "1000",
    }
