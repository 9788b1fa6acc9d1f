"""Three Apache Kafka nodes as one KRaft cluster: each is broker and controller, and each can be killed.

Topics are replicated three times and writes need two replicas, unless a test says otherwise. The nodes'
storage is copied from the template of a single node, with their own ids written into it. A killed node is out
of the cluster after `broker.session.timeout.ms`, 3 s here.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.engines.fetch import Engines
from tests.engines.kafka import HOST, ApacheKafka, brokers_of, format_storage, write_properties

NODES = 3
REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


class ClusterNode(ApacheKafka):
    """One of them; `voters` is set before the first start."""

    def __init__(self, engines: Engines, folder: Path, number: int, properties: Mapping[str, str]) -> None:
        super().__init__(engines, folder, properties={**REPLICATED, **properties})
        self.number = number
        self.voters = ""

    def server_properties(self) -> dict[str, str]:
        given = {"node.id": str(self.number), "controller.quorum.voters": self.voters}
        return {**super().server_properties(), **given}

    def begin(self) -> None:
        """Start the process; it is ready when all nodes know each other."""
        config = write_properties(self.folder / "server.properties", self.server_properties())
        data = self.folder / "data"
        if not data.exists():
            if self.engines.template.exists():
                shutil.copytree(self.engines.template, data)
                self._name_itself(data / "meta.properties")
            else:
                format_storage(self.engines, config)
        self.launch("kafka.Kafka", str(config))

    def _name_itself(self, meta: Path) -> None:
        own = {"node.id": str(self.number), "directory.id": secrets.token_urlsafe(16)}
        lines = (line.partition("=") for line in meta.read_text().splitlines())
        meta.write_text("".join(f"{name}={own.get(name, value)}\n" for name, _, value in lines if value))

    def start(self) -> Self:
        """Come back to the others."""
        self.begin()
        self.wait_until(lambda: brokers_of(self.port) == NODES)
        return self


class ApacheCluster:
    """All of them, on free ports of the loopback.

    Args:
        folder: a folder for each lies in it.
        properties: broker properties on top of ours, for all.
    """

    def __init__(
        self, engines: Engines, folder: Path, *, properties: Mapping[str, str] | None = None
    ) -> None:
        self.nodes: Sequence[ClusterNode] = [
            ClusterNode(engines, folder / f"node-{number}", number, properties or {})
            for number in range(1, NODES + 1)
        ]
        voters = ",".join(f"{node.number}@{HOST}:{node.controller_port}" for node in self.nodes)
        for node in self.nodes:
            node.voters = voters

    @property
    def bootstrap(self) -> str:
        return ",".join(node.bootstrap for node in self.nodes)

    def node(self, number: int) -> ClusterNode:
        """Return the node with this id."""
        return self.nodes[number - 1]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.kill)
                node.begin()
            for node in self.nodes:
                node.wait_until(lambda port=node.port: brokers_of(port) == NODES)  # type: ignore[misc]  # bound now
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill them: their data is thrown away, and a quorum takes its time to say goodbye."""
        for node in self.nodes:
            node.kill()
