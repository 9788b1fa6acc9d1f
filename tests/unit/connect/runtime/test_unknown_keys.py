from collections.abc import Mapping
from typing import ClassVar

import pytest

from tidelock.config import UNKNOWN_KEY, Settings, key
from tidelock.connect.api import Record, SinkConnector, Transform
from tidelock.connect.runtime.plugins import Plugins
from tidelock.connect.runtime.validation import check

SINK = {"name": "s", "connector.class": "FileStreamSink", "topics": "t", "file": "/tmp/x"}
SOURCE = {"name": "s", "connector.class": "FileStreamSource", "topic": "t", "file": "/tmp/x"}
JSON = {"value.converter": "JsonConverter"}
HOIST = {"transforms": "wrap", "transforms.wrap.type": "HoistField$Value", "transforms.wrap.field": "x"}


class Strict(Settings):
    colour: str = key(default="red", doc="Colour.")


class Open(Strict):
    @classmethod
    def refusal(cls, name: str) -> str | None:
        return None if name.startswith("driver.") else UNKNOWN_KEY


class StrictSink(SinkConnector):
    settings: ClassVar[type[Settings]] = Strict


class OpenSink(SinkConnector):
    settings: ClassVar[type[Settings]] = Open


class Reads(Transform):
    """Declares no keys, and reads some."""

    def configure(self, props: Mapping[str, str]) -> None:
        self.props = props

    def apply(self, record: Record) -> Record:
        return record


class Declares(Transform):
    """Has no keys."""

    def apply(self, record: Record) -> Record:
        return record


def untouched(record: Record) -> Record:
    return record


HERE = __name__


@pytest.mark.parametrize(
    ("config", "name", "nearest"),
    [
        (SINK, "task.max", "tasks.max"),
        (SINK, "error.tolerance", "errors.tolerance"),
        (SINK, "errors.deadletterqueue.topic", "errors.deadletterqueue.topic.name"),
        (SINK, "fille", "file"),
        (SINK, "nothing.of.the.kind", None),
        (SINK | JSON, "value.converter.schema.enable", "value.converter.schemas.enable"),
        (SINK, "value.converter.schemas.enable", None),
        (SINK | HOIST, "transforms.wrap.feild", "transforms.wrap.field"),
        (SINK | HOIST, "transforms.wrap.predicat", "transforms.wrap.predicate"),
        (SINK | HOIST, "transforms.warp.field", "transforms.wrap.field"),
        (SINK, "predicates.p.type", None),
        (SINK, "producer.override.linger.mss", "producer.override.linger.ms"),
        (SOURCE, "admin.override.retry.backof.ms", "admin.override.retry.backoff.ms"),
        (SOURCE, "errors.deadletterqueue.topic.name", None),
        (SOURCE, "topic.creation.defualt.partitions", "topic.creation.default.partitions"),
        (SOURCE, "topic.creation.group", "topic.creation.groups"),
        (SINK | {"connector.class": f"{HERE}:StrictSink"}, "color", "colour"),
        (SINK | {"connector.class": f"{HERE}:OpenSink"}, "drivers.x", None),
        (
            SINK | {"transforms": "a", "transforms.a.type": f"{HERE}:Declares"},
            "transforms.a.negat",
            "transforms.a.negate",
        ),
        (
            SINK | {"transforms": "a", "transforms.a.type": f"python:{HERE}:untouched"},
            "transforms.a.field",
            None,
        ),
    ],
)
def test_a_key_that_nobody_reads_is_told_with_the_nearest(
    config: Mapping[str, str], name: str, nearest: str | None
) -> None:
    found = check(Plugins(), {**config, name: "secret"}, {}).unknown
    told = {one.key: one.nearest for one in found}
    assert told[name] == nearest
    assert "secret" not in "".join(map(str, found))


@pytest.mark.parametrize(
    "config",
    [
        SINK | JSON | HOIST | {"value.converter.schemas.enable": "false"},
        SINK | JSON | {"value.converter.plugin.version": "1", "connector.plugin.version": "[1,2)"},
        SINK | {"consumer.override.max.poll.records": "5", "producer.override.linger.ms": "5"},
        SINK | {"connector.class": f"{HERE}:OpenSink", "driver.anything": "x", "file": ""},
        SINK | {"transforms": "a", "transforms.a.type": f"{HERE}:Reads", "transforms.a.own": "1"},
        SOURCE
        | {
            "topic.creation.groups": "g",
            "topic.creation.g.include": "a.*",
            "topic.creation.g.cleanup.policy": "compact",
            "topic.creation.default.partitions": "1",
            "topic.creation.default.replication.factor": "1",
        },
    ],
)
def test_what_somebody_reads_is_not_told(config: Mapping[str, str]) -> None:
    assert [one.key for one in check(Plugins(), config, {}).unknown if one.key != "file"] == []


def test_unknown_keys_are_no_errors_and_not_in_the_answer_of_rest() -> None:
    checked = check(Plugins(), {**SINK, "task.max": "1"}, {})
    assert checked.error_count == 0
    assert "task.max" not in {one["value"]["name"] for one in checked.as_config_infos()["configs"]}


def test_where_the_connector_is_not_known_nothing_is_told() -> None:
    assert check(Plugins(), {**SINK, "connector.class": "Nowhere", "task.max": "1"}, {}).unknown == ()
