"""Settings: ConfigDef's parsing rules, all problems at once, the nearest key, secrets that never print."""

import dataclasses

import pytest

from tidelock.config import ConfigError, Secret, Settings, key


class Sample(Settings):
    log_dirs: tuple[str, ...] = key(doc="Folders that hold the log.")
    num_partitions: int = key(default=4, at_least=1, at_most=100, doc="Partitions of a new topic.")
    auto_create: bool = key(default=True, name="auto.create.topics.enable", doc="Create on first use.")
    cleanup_policy: str = key(
        default="delete", choices=("delete", "compact"), doc="What becomes of old data."
    )
    password: Secret | None = key(default=None, doc="Opens the key store.")
    ratio: float = key(default=0.5, doc="A share.")


def test_java_keys_become_typed_attributes() -> None:
    parsed = Sample.parse(
        {"log.dirs": " /a , /b ", "num.partitions": "8", "auto.create.topics.enable": "FALSE"}
    )
    assert parsed.log_dirs == ("/a", "/b")
    assert parsed.num_partitions == 8
    assert parsed.auto_create is False
    assert parsed.cleanup_policy == "delete"


def test_all_problems_are_reported_at_once_with_the_nearest_key() -> None:
    with pytest.raises(ConfigError) as caught:
        Sample.parse({"num.partitions": "many", "cleanup.policy": "keep", "auto.create.topic.enable": "true"})
    problems = {problem.key: problem for problem in caught.value.problems}
    assert set(problems) == {"log.dirs", "num.partitions", "cleanup.policy", "auto.create.topic.enable"}
    assert problems["auto.create.topic.enable"].nearest == "auto.create.topics.enable"
    assert "whole number" in problems["num.partitions"].why
    assert "did you mean auto.create.topics.enable?" in str(caught.value)


@pytest.mark.parametrize("value", ["0", "101", 0])
def test_bounds_are_checked(value: object) -> None:
    with pytest.raises(ConfigError, match=r"num\.partitions"):
        Sample.parse({"log.dirs": "/a", "num.partitions": value})


def test_unknown_keys_pass_when_not_strict() -> None:
    assert Sample.parse({"log.dirs": "/a", "other": "x"}, strict=False).log_dirs == ("/a",)


def test_settings_are_frozen_and_keyword_only() -> None:
    parsed = Sample.parse({"log.dirs": "/a"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        parsed.num_partitions = 5  # type: ignore[misc]


def test_secrets_never_print() -> None:
    parsed = Sample.parse({"log.dirs": "/a", "password": "hunter2"})
    assert "hunter2" not in f"{parsed!r} {parsed.password} {parsed.password!r} {parsed.password:>20}"
    assert parsed.password is not None
    assert parsed.password.reveal() == "hunter2"


def test_java_types_are_named_as_config_def_names_them() -> None:
    types = {item.name: item.java_type for item in Sample.describe()}
    assert types == {
        "log.dirs": "LIST",
        "num.partitions": "INT",
        "auto.create.topics.enable": "BOOLEAN",
        "cleanup.policy": "STRING",
        "password": "PASSWORD",
        "ratio": "DOUBLE",
    }
