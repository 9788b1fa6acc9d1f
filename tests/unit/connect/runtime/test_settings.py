import pytest

from tidelock.config import ConfigError
from tidelock.connect.runtime.settings import StandaloneSettings


def test_kafkas_own_standalone_file_parses_without_a_warning() -> None:
    settings = StandaloneSettings.parse(
        {
            "bootstrap.servers": "localhost:9092",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "true",
            "value.converter.schemas.enable": "true",
            "offset.storage.file.filename": "/tmp/connect.offsets",
            "offset.flush.interval.ms": "10000",
            "plugin.path": "libs/connect-file.jar",
            "consumer.max.poll.records": "100",
        }
    )
    assert settings.warnings() == []
    assert settings.originals["key.converter.schemas.enable"] == "true"
    assert settings.offset_flush_interval_ms == 10_000


def test_an_unknown_key_is_a_warning_with_the_nearest() -> None:
    [problem] = StandaloneSettings.parse({"bootstrap.server": "x:1"}).warnings()
    assert str(problem) == "bootstrap.server: is not a known key; did you mean bootstrap.servers?"


def test_wrong_values_are_all_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        StandaloneSettings.parse({"offset.flush.interval.ms": "soon", "topic.tracking.enable": "maybe"})
    assert len(caught.value.problems) == 2


def test_the_defaults_are_enough() -> None:
    assert StandaloneSettings.parse({}).bootstrap_servers == "localhost:9092"
