from typing import Any, ClassVar

import pytest

from tidelock.config import Problem, Secret, Settings, key
from tidelock.connect.api import SinkConnector
from tidelock.connect.runtime.plugins import Plugin, Plugins
from tidelock.connect.runtime.validation import Checked, check, secret_keys

SINK = {"name": "s", "connector.class": "FileStreamSink", "topics": "t", "file": "/tmp/x"}


def validated(**changes: str | None) -> Checked:
    config = {**SINK, **{name.replace("_", "."): value for name, value in changes.items()}}
    return check(Plugins(), {name: value for name, value in config.items() if value != "-"}, {})


def test_a_good_configuration_has_no_errors() -> None:
    checked = validated()
    assert checked.error_count == 0
    assert checked.kind == "sink"


def test_three_mistakes_are_three_errors_each_at_its_key() -> None:
    checked = validated(tasks_max="zero", errors_tolerance="some", topics="-")
    assert set(checked.errors) == {"tasks.max", "errors.tolerance", "topics"}
    infos = checked.as_config_infos()
    assert infos["error_count"] == 3
    found = {
        one["value"]["name"]: one["value"]["errors"] for one in infos["configs"] if one["value"]["errors"]
    }
    assert found["tasks.max"] == [
        "Invalid value zero for configuration tasks.max: 'zero' is not a whole number"
    ]
    assert "3 error(s)" in checked.message()


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"topics.regex": "a.*"}, "topics"),
        ({"topics": None, "topics.regex": "("}, "topics.regex"),
        ({"name": ""}, "name"),
        ({"key.converter": "Nope"}, "key.converter"),
        (
            {"value.converter": "JsonConverter", "value.converter.schemas.enable": "perhaps"},
            "value.converter.schemas.enable",
        ),
        ({"transforms": "a"}, "transforms.a.type"),
        ({"transforms": "a,a", "transforms.a.type": "Filter"}, "transforms"),
        ({"transforms": "a", "transforms.a.type": "Castt$Value"}, "transforms.a.type"),
        ({"transforms": "a", "transforms.a.type": "FileStreamSink"}, "transforms.a.type"),
        ({"transforms": "a", "transforms.a.type": "Cast$Value"}, "transforms.a.spec"),
        (
            {"transforms": "a", "transforms.a.type": "Cast$Value", "transforms.a.spec": "x:int7"},
            "transforms.a.spec",
        ),
        ({"transforms": "a", "transforms.a.type": "python:nowhere:fn"}, "transforms.a.type"),
        (
            {"transforms": "a", "transforms.a.type": "Filter", "transforms.a.predicate": "p"},
            "transforms.a.predicate",
        ),
        (
            {"transforms": "a", "transforms.a.type": "Filter", "transforms.a.negate": "true"},
            "transforms.a.negate",
        ),
        ({"predicates": "p", "predicates.p.type": "TopicNameMatches"}, "predicates.p.pattern"),
        ({"errors.deadletterqueue.topic.name": "t"}, "errors.deadletterqueue.topic.name"),
        ({"connector.class": "FileStreamSnk"}, "connector.class"),
        ({"tasks.max": None}, "tasks.max"),
        ({"consumer.override.max.poll.record": "5"}, "consumer.override.max.poll.record"),
    ],
)
def test_each_mistake_is_found_at_its_key(changes: dict[str, str | None], at: str) -> None:
    checked = check(Plugins(), {**SINK, **changes}, {})
    assert at in checked.errors


def test_a_database_that_is_not_supported_is_listed_with_the_other_mistakes() -> None:
    config = {
        "name": "s",
        "connector.class": "JdbcSink",
        "connection.url": "jdbc:oracle:thin:scott/tiger@h:1521:x",
        "insert.mode": "merge",
    }
    errors = check(Plugins(), config, {}).errors
    assert set(errors) == {"connection.url", "insert.mode", "topics"}
    assert "oracle" in errors["connection.url"][0]
    assert "tiger" not in str(errors)


def test_the_keys_of_each_step_are_described_under_its_prefix() -> None:
    config = {**SINK, "transforms": "cut", "transforms.cut.type": "Cast$Value", "transforms.cut.spec": "int8"}
    checked = check(Plugins(), config, {})
    assert checked.error_count == 0
    groups = {item.name: item.group for item in checked.keys}
    assert groups["transforms.cut.spec"] == groups["transforms.cut.negate"] == "Transforms: cut"


def test_a_missing_key_names_the_one_that_looks_like_it() -> None:
    source = {"name": "s", "connector.class": "FileStreamSource", "topic": "t", "fiel": "x"}
    [text] = check(Plugins(), source, {}).errors["file"]
    assert (
        text
        == "Missing required configuration \"file\" which has no default value; did you mean it by 'fiel'?"
    )


class VaultSettings(Settings):
    token: Secret = key(doc="Opens it.")
    kind: str = key(default="a", choices=("a", "b"), doc="Kind.")


class Vault(SinkConnector):
    settings: ClassVar[type[Settings]] = VaultSettings

    def validate(self, props: Any) -> list[Problem]:
        return [Problem("token", "[hidden]", "is refused")] if props["token"] == "wrong" else []


PLUGINS = Plugins(connectors=(Plugin("x.Vault", "sink", f"{__name__}:Vault"),))


def vault(token: str) -> Checked:
    return check(PLUGINS, {"name": "v", "connector.class": "Vault", "topics": "t", "token": token}, {})


def test_the_connectors_own_check_runs_once_the_keys_are_right() -> None:
    assert vault("right").error_count == 0
    assert vault("wrong").errors["token"] == ["Invalid value [hidden] for configuration token: is refused"]


def test_secrets_are_not_in_the_answer() -> None:
    assert "hunter2" not in str(vault("hunter2").as_config_infos())
    assert secret_keys(Vault) == {"token"}


def test_a_definition_has_kafkas_fields() -> None:
    infos = vault("right").as_config_infos()
    [kind] = [one for one in infos["configs"] if one["value"]["name"] == "kind"]
    assert kind["definition"] == {
        "name": "kind",
        "type": "STRING",
        "required": False,
        "default_value": "a",
        "importance": "MEDIUM",
        "documentation": "Kind.",
        "group": None,
        "order_in_group": -1,
        "width": "NONE",
        "display_name": "kind",
        "dependents": [],
    }
    assert kind["value"]["recommended_values"] == ["a", "b"]


def test_a_sink_refuses_cooperative_assignors_a_source_has_no_consumer() -> None:
    key = "consumer.override.partition.assignment.strategy"
    checked = validated(**{key: "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"})
    assert set(checked.errors) == {key}
    assert "eagerly" in checked.errors[key][0]
    assert not validated(**{key: "org.apache.kafka.clients.consumer.RangeAssignor"}).errors


def test_a_connector_without_keys_of_its_own_is_no_mistake() -> None:
    class Plain(SinkConnector):
        settings: ClassVar[type[Settings]] = Settings

    assert secret_keys(Plain) == set()
    assert Settings.parse({"anything": "x"}, strict=False) is not None
