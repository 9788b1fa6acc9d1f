"""A distributed worker of ours on Apache Kafka with TLS and with SASL: its topics, its group, its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.engines.fetch import Engines
from tests.engines.kafka import CLUSTER_ID, ApacheKafka, free_port
from tests.support.certificate import self_signed
from tests.support.connect import DistributedProcess, ask
from tests.support.waiting import eventually
from tidelock.client import Admin, TopicPartition

PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="worker" password="{}"{};'
SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="worker" password="{}";'
pytestmark = pytest.mark.needs_kafka


@dataclass
class Secured:
    """One broker with three listeners for clients."""

    open: str
    ports: dict[str, int]
    certificate: Path

    def keys(self, protocol: str, password: str = "s3cret") -> dict[str, str]:
        keys = {"security.protocol": protocol, "bootstrap.servers": f"127.0.0.1:{self.ports[protocol]}"}
        if protocol.endswith("SSL"):
            keys |= {"ssl.truststore.location": str(self.certificate), "ssl.truststore.type": "PEM"}
        if protocol == "SASL_SSL":
            keys |= {"sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN.format(password, "")}
        if protocol == "SASL_PLAINTEXT":
            keys |= {"sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": SCRAM.format(password)}
        return keys


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a certificate that signs itself, and a file with its key as well, as Java's PEM stores are."""
    both = folder / "both.pem"
    key, certificate = self_signed(folder)
    both.write_text(key.read_text() + certificate.read_text())
    return certificate, both


@pytest.fixture(scope="module")
def secured(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    certificate, both = make_certificate(folder)
    ports = {name: free_port() for name in ("SSL", "SASL_SSL", "SASL_PLAINTEXT")}
    broker = ApacheKafka(engines, folder / "kafka")
    given = broker.server_properties()
    more = {name: f"{name}://127.0.0.1:{port}" for name, port in ports.items()}
    users = ' user_worker="s3cret"'
    broker.properties = {
        "listeners": ",".join([given["listeners"], *more.values()]),
        "advertised.listeners": ",".join([given["advertised.listeners"], *more.values()]),
        "listener.security.protocol.map": ",".join(f"{one}:{one}" for one in ("PLAINTEXT", *ports))
        + ",CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": PLAIN.format("s3cret", users),
        "listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config": SCRAM.format("s3cret"),
    }
    with broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion("worker", how, b"s3cret")
        admin.alter_user_scram_credentials([change])["worker"].result(30)
        yield Secured(broker.bootstrap, ports, certificate)


def worker(folder: Path, keys: dict[str, str], group: str) -> DistributedProcess:
    topics = {f"{kind}.storage.topic": f"{group}-{kind}" for kind in ("config", "offset", "status")}
    topics |= {f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")}
    converter = "org.apache.kafka.connect.storage.StringConverter"
    shared = {"group.id": group, "key.converter": converter, "value.converter": converter}
    return DistributedProcess(folder / "worker.log", {**shared, **topics, **keys})


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL", "SASL_PLAINTEXT"])
def test_a_worker_and_its_tasks_log_in(secured: Secured, protocol: str, tmp_path: Path) -> None:
    lines, topic = tmp_path / "lines.txt", f"lines-{protocol}"
    lines.write_text("one\ntwo\nthree\n")
    config = {"connector.class": "FileStreamSource", "file": str(lines), "topic": topic}
    admin = Admin(secured.open)
    keys = secured.keys(protocol)
    if protocol == "SASL_SSL":  # a password that stands in a file of its own
        (tmp_path / "secrets.properties").write_text(f"login={keys['sasl.jaas.config']}\n")
        keys["sasl.jaas.config"] = f"${{file:{tmp_path}/secrets.properties:login}}"
        provider = "org.apache.kafka.common.config.provider.FileConfigProvider"
        keys |= {"config.providers": "file", "config.providers.file.class": provider}
    with worker(tmp_path, keys, f"workers-{protocol}") as process:
        assert ask(process.url, "GET", "/")[1]["kafka_cluster_id"] == CLUSTER_ID
        eventually(lambda: ask(process.url, "PUT", "/connectors/lines/config", config)[0] == 201, 60)
        eventually(lambda: topic in [one.name for one in admin.topics()], 60)
        partition = TopicPartition(topic, 0)
        eventually(lambda: admin.end_offsets([partition])[partition] == 3, 60)


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_a_wrong_password_is_told_at_the_start(secured: Secured, protocol: str, tmp_path: Path) -> None:
    process = worker(tmp_path, secured.keys(protocol, "wrong"), f"wrong-{protocol}")
    with pytest.raises(AssertionError, match="the broker refused the login"):
        process.start()
    process.stop()
    assert 'wrong"' not in process.log.read_text()


def test_a_certificate_of_nobody_is_told_at_the_start(secured: Secured, tmp_path: Path) -> None:
    keys = secured.keys("SSL")
    certificate, _ = make_certificate(tmp_path)
    process = worker(tmp_path, {**keys, "ssl.truststore.location": str(certificate)}, "nobody")
    with pytest.raises(AssertionError, match="the broker's certificate is not accepted"):
        process.start()
    process.stop()
