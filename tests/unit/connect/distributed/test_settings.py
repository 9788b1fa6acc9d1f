"""The keys of connect-distributed.properties."""

import pytest

from tidelock.config import ConfigError
from tidelock.connect.distributed.local_work import PublishedStatus, WatchedTopics, java_task_class
from tidelock.connect.distributed.settings import DistributedSettings
from tidelock.connect.runtime.supervision import State, TaskStatus

GIVEN = {
    "bootstrap.servers": "localhost:9092",
    "group.id": "connect-cluster",
    "config.storage.topic": "connect-configs",
    "offset.storage.topic": "connect-offsets",
    "status.storage.topic": "connect-status",
}


def test_kafka_s_own_file_is_read_and_its_defaults_are_kafka_s() -> None:
    settings = DistributedSettings.parse({**GIVEN, "offset.storage.replication.factor": "1"})
    assert settings.topic("config").partitions == 1
    assert settings.topic("offset").partitions == 25
    assert settings.topic("offset").replicas == 1
    assert settings.topic("status").partitions == 5
    assert settings.scheduled_rebalance_max_delay_ms == 300_000
    assert settings.warnings() == []


def test_settings_of_the_topics_pass_through_but_they_stay_compacted() -> None:
    extra = {"status.storage.segment.bytes": "1048576", "status.storage.cleanup.policy": "delete"}
    settings = DistributedSettings.parse({**GIVEN, **extra})
    assert settings.topic("status").configs == {"segment.bytes": "1048576"}
    assert settings.topic("config").configs == {}


@pytest.mark.parametrize("missing", [name for name in GIVEN if name != "bootstrap.servers"])
def test_what_names_the_cluster_is_required(missing: str) -> None:
    with pytest.raises(ConfigError, match=missing):
        DistributedSettings.parse({name: value for name, value in GIVEN.items() if name != missing})


def test_what_cannot_be_done_is_refused_at_its_key() -> None:
    with pytest.raises(ConfigError, match=r"security\.protocol"):
        DistributedSettings.parse({**GIVEN, "security.protocol": "TLS"})
    with pytest.raises(ConfigError, match=r"sasl\.mechanism.*GSSAPI"):
        DistributedSettings.parse({**GIVEN, "security.protocol": "SASL_SSL"})
    with pytest.raises(ConfigError, match="is a JKS truststore; give PEM"):
        DistributedSettings.parse(
            {**GIVEN, "security.protocol": "SSL", "ssl.truststore.location": "/etc/kafka/trust.jks"}
        )
    with pytest.raises(ConfigError, match=r"exactly\.once\.source\.support"):
        DistributedSettings.parse({**GIVEN, "exactly.once.source.support": "always"})


@pytest.mark.parametrize(
    ("connector", "task"),
    [
        ("FileStreamSource", "org.apache.kafka.connect.file.FileStreamSourceTask"),
        (
            "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "org.apache.kafka.connect.file.FileStreamSinkTask",
        ),
        ("io.confluent.connect.jdbc.JdbcSinkConnector", "io.confluent.connect.jdbc.sink.JdbcSinkTask"),
        ("com.example.ThingSourceConnector", "com.example.ThingSourceTask"),
    ],
)
def test_task_configurations_name_the_class_that_a_jvm_worker_looks_for(connector: str, task: str) -> None:
    assert java_task_class(connector) == task


def test_a_published_status_tells_changes_only() -> None:
    told: list[str] = []
    status = PublishedStatus(TaskStatus(3, {}), lambda: told.append(status.state.value))
    assert (status.number, told) == (3, [])
    status.state = State.RUNNING
    status.records = 7
    status.state = State.RUNNING
    status.trace = "waiting"
    assert told == ["RUNNING", "RUNNING"]


def test_watched_topics_tell_each_topic_once() -> None:
    told: list[str] = []
    topics = WatchedTopics(told.append)
    topics.add("a")
    topics.add("a")
    assert told == ["a"]
