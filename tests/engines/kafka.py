"""Starts and stops Apache Kafka's own broker, Connect worker and tools: free loopback ports, a given folder.

Made for functional tests ("quick": serial GC, first compiler tier, class data archive, formatted template);
with `quick=False` the JVM gets the settings that benchmarks must use. Every process started here is ended by
`stop` (SIGTERM, then SIGKILL) or `kill`; its output is kept in the folder and quoted when a start fails.
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.engines.fetch import HERE, Engines, Unavailable

HOST = "127.0.0.1"
CLUSTER_ID = "tidelockTestEngine0001"  # 22 characters of url-safe base64, not starting with "-"
START_TIMEOUT = 60.0

QUICK = ("-Xms32m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
FULL = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
)
SMALL = {  # what makes one node light; a test may override each
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "4",
    "log.cleaner.dedupe.buffer.size": "2097152",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",  # a killed node may come back sooner
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def write_properties(path: Path, values: Mapping[str, str]) -> Path:
    """Write a Java properties file; backslashes are doubled, other text is taken as it is."""
    lines = (f"{name}={value}".replace("\\", "\\\\") for name, value in values.items())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class JavaProcess:
    """One JVM: started, watched until it is ready, stopped."""

    role = "tool"

    def __init__(self, engines: Engines, folder: Path, *, quick: bool = True) -> None:
        self.engines = engines
        self.folder = folder
        self.quick = quick
        self.log = folder / f"{self.role}.log"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def launch(self, main: str, *arguments: str, options: Sequence[str] = ()) -> None:
        command = [
            *java_command(self.engines, self.role, quick=self.quick, options=options),
            main,
            *arguments,
        ]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder
            )

    def wait_until(self, is_ready: Callable[[], bool]) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_TIMEOUT
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                code = self.process.poll()
                self.kill()
                tail = self.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{self.role} did not become ready (exit code {code}):\n{tail}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def stop(self, timeout: float = 20.0) -> None:
        """Ask it to end, insist after `timeout` seconds."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def start(self) -> Self:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class ApacheKafka(JavaProcess):
    """One node that is broker and controller; `start` after `stop` or `kill` finds ports and data again.

    Args:
        folder: data, properties and log live there.
        properties: broker properties on top of ours.
        fsync: write through to the disk before each acknowledgement, as our own broker does.
    """

    role = "broker"

    def __init__(
        self,
        engines: Engines,
        folder: Path,
        *,
        properties: Mapping[str, str] | None = None,
        quick: bool = True,
        fsync: bool = False,
    ) -> None:
        super().__init__(engines, folder, quick=quick)
        self.port = free_port()
        self.controller_port = free_port()
        self.properties = dict(properties or {})
        if fsync:
            self.properties["log.flush.interval.messages"] = "1"

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def server_properties(self) -> dict[str, str]:
        voter = f"{HOST}:{self.controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{voter}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{voter}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            **(SMALL if self.quick else {}),
            **self.properties,
        }

    def start(self) -> Self:
        config = write_properties(self.folder / "server.properties", self.server_properties())
        if not (self.folder / "data").exists():
            if self.engines.template.exists():
                shutil.copytree(self.engines.template, self.folder / "data")
            else:
                format_storage(self.engines, config)
        self.launch("kafka.Kafka", str(config))
        self.wait_until(lambda: brokers_of(self.port) == 1)
        return self


class ConnectStandalone(JavaProcess):
    """Apache Kafka's own standalone Connect worker, with the file connectors as its only plugins."""

    role = "connect"

    def __init__(
        self,
        engines: Engines,
        folder: Path,
        bootstrap: str,
        *,
        properties: Mapping[str, str] | None = None,
        connectors: Sequence[Path] = (),
        quick: bool = True,
    ) -> None:
        super().__init__(engines, folder, quick=quick)
        self.bootstrap = bootstrap
        self.port = free_port()
        self.properties = dict(properties or {})
        self.connectors = tuple(connectors)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> Self:
        config = {
            "bootstrap.servers": self.bootstrap,
            "listeners": self.url,
            "rest.advertised.host.name": HOST,
            "rest.advertised.port": str(self.port),
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "plugin.path": str(self.engines.plugin_path),
            "plugin.discovery": "service_load",
            "offset.storage.file.filename": str(self.folder / "connect.offsets"),
            **self.properties,
        }
        path = write_properties(self.folder / "worker.properties", config)
        main = "org.apache.kafka.connect.cli.ConnectStandalone"
        self.launch(main, str(path), *(str(one) for one in self.connectors))
        self.wait_until(lambda: answers(f"{self.url}/health"))
        return self


def java_command(
    engines: Engines, role: str, *, quick: bool = True, options: Sequence[str] = ()
) -> list[str]:
    """The command line of a JVM up to the main class."""
    archive = engines.archive(role)
    shared = [f"-XX:SharedArchiveFile={archive}"] if quick and not options and archive.exists() else []
    log4j = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
    flags = [*(QUICK if quick else FULL), *shared, *options, "-Djava.awt.headless=true", log4j]
    return [engines.java, *flags, "-cp", engines.class_path]


def run_tool(
    engines: Engines, main: str, *arguments: str, stdin: str | None = None, timeout: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Run one of Kafka's command line classes to its end, e.g. `org.apache.kafka.tools.TopicCommand`."""
    command = [*java_command(engines, "tool"), main, *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)


def format_storage(engines: Engines, config: Path) -> None:
    done = run_tool(
        engines, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", str(config)
    )
    if done.returncode != 0:
        raise RuntimeError(f"formatting failed: {done.stdout}{done.stderr}")


def brokers_of(port: int) -> int:
    """How many brokers the node at this port knows; 0 while it does not answer (Metadata version 4)."""
    body = struct.pack(">hhih4sib", 3, 4, 1, 4, b"wait", 0, 0)
    try:
        with socket.create_connection((HOST, port), timeout=5) as sock:
            sock.sendall(struct.pack(">i", len(body)) + body)
            answer = sock.makefile("rb").read(16)
    except OSError:
        return 0
    if len(answer) < 16:
        return 0
    count: int = struct.unpack(">iiii", answer)[3]  # size, correlation id, throttle time, brokers
    return count


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def prepare(engines: Engines) -> None:
    """Make the storage template and the class data archives, once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not engines.template.exists():
            node = ApacheKafka(engines, folder / "format")
            format_storage(
                engines, write_properties(node.folder / "server.properties", node.server_properties())
            )
            publish(node.folder / "data", engines.template)
        if engines.archive("broker").exists() and engines.archive("connect").exists():
            return
        node = ArchivingKafka(engines, folder / "broker")
        worker = ArchivingConnect(engines, folder / "connect", node.bootstrap)
        with node, worker:
            pass
        for one in (node, worker):
            made = one.folder / "made.jsa"
            if not made.exists():
                raise Unavailable(f"java made no class data archive: {one.log.read_text()[-2000:]}")
            publish(made, engines.archive(one.role))


def publish(source: Path, target: Path) -> None:
    """Move a finished file or folder into place at once, over file systems."""
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    shutil.move(str(source), part)
    if target.exists():
        shutil.rmtree(part) if part.is_dir() else part.unlink()
        return
    part.rename(target)


class ArchivingKafka(ApacheKafka):
    """A broker that writes its class data archive when it ends."""

    def launch(self, main: str, *arguments: str, options: Sequence[str] = ()) -> None:
        made = f"-XX:ArchiveClassesAtExit={self.folder / 'made.jsa'}"
        super().launch(main, *arguments, options=[*options, made])


class ArchivingConnect(ConnectStandalone):
    """A Connect worker that writes its class data archive when it ends."""

    def launch(self, main: str, *arguments: str, options: Sequence[str] = ()) -> None:
        made = f"-XX:ArchiveClassesAtExit={self.folder / 'made.jsa'}"
        super().launch(main, *arguments, options=[*options, made])
