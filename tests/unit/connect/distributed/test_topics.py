"""The three topics as a JVM worker (Apache Kafka 4.3.1) wrote them: read, and written again byte for byte.

jvm_topics.json holds every record of one worker's life: source connectors that ran and were paused, one made
stopped, a sink that was restarted and stopped, one deleted; file names with Hangul, an emoji and quotes.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tidelock.client.murmur2 import murmur2, partition_of
from tidelock.connect.distributed import config_state, status_state
from tidelock.connect.distributed.config_state import ConfigState, Restart, SessionKey
from tidelock.connect.distributed.group_protocol import ConnectorsAndTasks, TaskId
from tidelock.connect.distributed.status_state import Status, StatusState
from tidelock.connect.runtime.java_text import java_json, java_order
from tidelock.connect.runtime.offset_state import OffsetState

RECORDS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("jvm_topics.json").read_text())
PARTITIONS = {"configs": 1, "offsets": 25, "status": 5}
FILE = '/tmp/connect/파일 😀 "x".txt'
KOREAN = "슬"


def records(topic: str) -> list[tuple[int, bytes, bytes | None]]:
    return [
        (one["offset"], one["key"].encode(), None if one["value"] is None else one["value"].encode())
        for one in RECORDS
        if one["topic"].endswith(topic)
    ]


def config_topic() -> ConfigState:
    state = ConfigState()
    for offset, key, value in records("configs"):
        state.apply(offset, key, value)
    return state


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: f"{one['key']}@{one['offset']}")
def test_keys_lie_where_java_puts_them(record: dict[str, Any]) -> None:
    count = PARTITIONS[record["topic"].rpartition("-")[2]]
    assert partition_of(record["key"].encode(), count) == record["partition"]


def test_murmur2_is_java_s() -> None:
    key = b'["my-jdbc",{"protocol":"1","table":"db.orders"}]'
    assert partition_of(key, 25) == 13
    assert partition_of(b"status-task-c1-0", 5) == 1
    assert murmur2(b"21") == 0xFFFFFFFF & -973932308


def test_the_config_topic_is_read() -> None:
    state = config_topic()
    assert state.configured() == ConnectorsAndTasks.of({"run-1", "sink", "stopped"}, {("run-1", 0)}), (
        "the deleted one is gone, the stopped ones have no tasks"
    )
    assert state.targets == {"run-1": "PAUSED", "sink": "STOPPED", "stopped": "STOPPED"}
    assert state.tasks("run-1")[0]["task.class"] == "org.apache.kafka.connect.file.FileStreamSourceTask"
    assert state.connectors["run-1"]["file"] == FILE
    assert state.offset == records("configs")[-1][0] + 1
    assert state.session_key is not None
    assert len(state.session_key.secret) == 32


def test_every_config_record_is_written_again_byte_for_byte() -> None:
    for _, key, value in records("configs"):
        assert again(key.decode(), value) == (key, value)


def again(key: str, value: bytes | None) -> config_state.Keyed:
    """Write what a record says."""
    given = json.loads(value) if value else {}
    if key == "session-key":
        state = ConfigState()
        state.apply(0, key.encode(), value)
        assert state.session_key is not None
        return config_state.session_key_record(state.session_key)
    if key.startswith("connector-"):
        return config_state.connector_record(key[10:], given.get("properties"))
    if key.startswith("target-state-"):
        return config_state.target_record(key[13:], given.get("state.v2"))
    if key.startswith("restart-connector-"):
        return config_state.restart_record(Restart(key[18:], given["include-tasks"], given["only-failed"]))
    if key.startswith("commit-"):
        return config_state.task_records(key[7:], [{}] * given["tasks"])[-1]
    if key.startswith("task-"):
        name, _, number = key[5:].rpartition("-")
        return config_state.task_records(name, [given["properties"]] * (int(number) + 1))[int(number)]
    return key.encode(), java_json(given)


def test_status_records_are_read_and_written_again_byte_for_byte() -> None:
    state = StatusState()
    for _, key, value in records("status"):
        state.apply(key, value)
        name = key.decode()
        if name.startswith("status-connector-"):
            of: str | TaskId = name[17:]
            written = status_state.status_record(of, state.connectors.get(name[17:]))
        elif name.startswith("status-task-"):
            of = TaskId(name[12:].rpartition("-")[0], int(name.rpartition("-")[2]))
            written = status_state.status_record(of, state.tasks.get(of))
        else:
            topic, _, connector = name[13:].partition(":connector-")
            found = json.loads(value)["topic"] if value else {"task": 0, "discoverTimestamp": None}
            by = TaskId(connector, found["task"])
            written = status_state.topic_record(topic, by, found["discoverTimestamp"])
        assert written == (key, value)
    assert state.connectors["sink"].state == "UNASSIGNED"
    assert state.tasks_of("run-1") == [0]
    assert state.topics["run-1"] == set(), "it was reset"
    assert state.topics["sink"] == {"t1"}


def test_offsets_are_found_by_meaning_and_written_under_the_same_key() -> None:
    state = OffsetState()
    for _, key, value in records("offsets"):
        state.apply(key, value)
    assert state.read("run-1", [{"filename": FILE}, {"filename": "other"}]) == [{"position": 4}, None]
    assert state.all_of(KOREAN) == [({"filename": FILE}, {"position": 4})]
    first = records("offsets")[0]
    name = json.loads(first[1])[0]
    assert state.records(name, [({"filename": FILE}, {"position": 4})]) == [first[1:]]
    fresh = OffsetState()
    assert fresh.records(name, [({"filename": FILE}, {"position": 4})]) == [first[1:]]


def test_a_partition_with_several_names_keeps_its_key_or_gets_the_order_of_a_java_map() -> None:
    theirs = b'["my-jdbc",{"protocol":"1","table":"db.orders"}]'
    state = OffsetState()
    (key, _), *_ = state.records("my-jdbc", [({"table": "db.orders", "protocol": "1"}, {"incrementing": 5})])
    assert key == theirs
    odd = b'["my-jdbc",{"table":"db.orders", "protocol":"1"}]'
    state.apply(odd, b'{"incrementing":4}')
    assert state.read("my-jdbc", [{"protocol": "1", "table": "db.orders"}]) == [{"incrementing": 4}]
    (key, value), *_ = state.records("my-jdbc", [({"protocol": "1", "table": "db.orders"}, None)])
    assert (key, value) == (odd, None)


def test_java_order_follows_the_buckets_of_a_hash_map() -> None:
    for one in RECORDS:
        if one["key"].startswith("task-"):
            names = list(json.loads(one["value"])["properties"])
            assert java_order(names) == names  # within a bucket the order of putting decides
    assert java_order(["topic", "name", "file"]) == ["file", "name", "topic"]


def test_texts_are_jackson_s() -> None:
    value = {"a": 'é😀"\\\n\x01\x1f', "b": [1, 1.0, 1e20, 1e-5, None, True], "c": "\\u00ff"}
    written = (
        '{"a":"é\\uD83D\\uDE00\\"\\\\\\n\\u0001\\u001F","b":[1,1.0,1.0E20,1.0E-5,null,true],"c":"\\\\u00ff"}'
    )
    assert java_json(value).decode() == written
    assert json.loads(java_json(value)) == value


# Traps


def task_set(state: ConfigState, name: str, *tasks: int, commit: int) -> None:
    for number in tasks:
        state.apply(state.offset, f"task-{name}-{number}".encode(), b'{"properties":{"n":"%d"}}' % number)
    state.apply(state.offset, f"commit-{name}".encode(), b'{"tasks":%d}' % commit)


def test_tasks_count_once_their_set_is_committed() -> None:
    state = ConfigState()
    state.apply(0, b"connector-c", b'{"properties":{}}')
    state.apply(1, b"task-c-0", b'{"properties":{"v":"1"}}')
    assert state.configured() == ConnectorsAndTasks.of({"c"})
    assert state.apply(2, b"commit-c", b'{"tasks":1}').tasks == "c"
    assert state.tasks("c") == [{"v": "1"}]
    state.apply(3, b"task-c-0", b'{"properties":{"v":"2"}}')
    assert state.tasks("c") == [{"v": "1"}], "half a set changes nothing"


def test_a_set_that_compaction_has_torn_runs_no_task_until_it_is_written_again() -> None:
    state = ConfigState()
    state.apply(0, b"connector-c", b'{"properties":{}}')
    task_set(state, "c", 1, commit=2)
    assert state.inconsistent == {"c"}
    assert state.tasks("c") == []
    assert state.configured() == ConnectorsAndTasks.of({"c"})
    task_set(state, "c", 0, 1, commit=2)
    assert not state.inconsistent
    assert [one["n"] for one in state.tasks("c")] == ["0", "1"]


def test_a_logger_s_level_is_told_to_every_worker() -> None:
    state = ConfigState()
    key, value = config_state.logger_record("tidelock.connect", "DEBUG")
    assert (key, value) == (b"logger-cluster-tidelock.connect", b'{"level":"DEBUG"}')
    assert state.apply(0, key, value).logger == ("tidelock.connect", "DEBUG")
    assert state.apply(1, key, None) == config_state.UNCHANGED


def test_a_removed_connector_leaves_nothing_behind() -> None:
    state = ConfigState()
    state.apply(0, b"connector-c", b'{"properties":{}}')
    task_set(state, "c", 0, commit=1)
    assert state.apply(9, b"connector-c", None).removed == "c"
    state.apply(10, b"target-state-c", None)
    assert state.configured() == ConnectorsAndTasks()
    assert state.apply(11, b"connector-c", b'{"properties":{}}').is_new
    assert state.tasks("c") == []


def test_old_workers_know_no_stopped_state() -> None:
    state = ConfigState()
    assert state.apply(0, b"target-state-c", b'{"state":"PAUSED"}').target == "c"
    assert state.target("c") == "PAUSED"
    assert state.target("unknown") == "STARTED"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\xff", b"{}"),
        (None, b"{}"),
        (b"connector-c", b"[]"),
        (b"connector-c", b'{"properties":1}'),
        (b"commit-c", b'{"tasks":"x"}'),
        (b"session-key", b'{"key":"?","algorithm":"x","creation-timestamp":1}'),
        (b"task-c-x", b'{"properties":{}}'),
        (b"target-state-c", b'{"state":"ASLEEP"}'),
    ],
)
def test_what_cannot_be_read_is_left_out(key: bytes | None, value: bytes) -> None:
    state = ConfigState()
    assert state.apply(4, key, value) == config_state.UNCHANGED
    assert state.offset == 5
    assert not state.connectors
    StatusState().apply(key, value)
    offsets = OffsetState()
    offsets.apply(key, value)
    assert offsets.all_of("c") == []


def test_a_status_is_written_over_one_s_own_words_or_older_ones() -> None:
    mine = Status("RUNNING", "a:1", 5)
    assert mine.may_be_replaced_by(Status("UNASSIGNED", "a:1", 4))
    assert mine.may_be_replaced_by(Status("RUNNING", "b:1", 5))
    assert not mine.may_be_replaced_by(Status("UNASSIGNED", "b:1", 4))


def test_a_session_key_never_prints() -> None:
    assert "secret" not in repr(SessionKey(b"secret", "HmacSHA256", 1))
