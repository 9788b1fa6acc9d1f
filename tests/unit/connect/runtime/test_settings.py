from pathlib import Path

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


def test_config_providers_are_kafkas_and_serve_the_workers_own_keys(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.properties"
    secrets.write_text("brokers=db:9092\nuser=u\n")
    reference = f"${{file:{secrets}:brokers}}"
    given = {
        "config.providers": "file, env",
        "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
        "config.providers.file.param.allowed.paths": str(tmp_path),
        "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
        "bootstrap.servers": reference,
        "consumer.sasl.username": f"${{file:{secrets}:user}}",
    }
    settings = StandaloneSettings.parse(given)
    assert (settings.warnings(), StandaloneSettings.examine(given)[1]) == ([], [])
    assert settings.config_providers == ("file", "env")
    assert settings.bootstrap_servers == "db:9092"
    assert settings.originals["bootstrap.servers"] == reference
    with pytest.raises(ConfigError, match="has no key nope"):
        StandaloneSettings.parse({**given, "client.id": f"${{file:{secrets}:nope}}"})
