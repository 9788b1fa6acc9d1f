"""Which providers a worker has: what is misspelt about a restriction is an error, never no restriction."""

from __future__ import annotations

import pytest

from tidelock.config import ConfigError
from tidelock.connect.runtime.config_providers import Providers

FILE = {
    "config.providers": "file",
    "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("config.providers.file.param.allowed.path", "config.providers.file.param.allowed.paths"),
        ("config.providers.file.parm.allowed.paths", "config.providers.file.param.allowed.paths"),
        ("config.providers.fiel.param.allowed.paths", "config.providers.file.param.allowed.paths"),
        ("config.providers.file.param.allowlist.pattern", "config.providers.file.param.allowed.paths"),
    ],
)
def test_a_key_that_means_nothing_is_an_error(key: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        Providers.of({**FILE, key: "/etc"})
    assert [(one.key, one.nearest) for one in error.value.problems] == [(key, meant)]


def test_restrictions_that_are_known_are_taken() -> None:
    found = Providers.of({**FILE, "config.providers.file.param.allowed.paths": "/etc", "group.id": "g"})
    assert list(found.readers) == ["file"]


def test_of_a_class_that_is_not_known_only_that_is_told() -> None:
    with pytest.raises(ConfigError) as error:
        Providers.of(
            {"config.providers": "v", "config.providers.v.class": "Vault", "config.providers.v.param.a": "b"}
        )
    assert [one.key for one in error.value.problems] == ["config.providers.v.class"]
