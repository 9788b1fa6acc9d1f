import pytest

from tests.unit.connect.runtime.fakes import FakeMessage, Noting
from tidelock.connect.api import ConnectError, Header, Record, Run, Schema, TopicPartition, Transform
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.simple_header import SimpleHeaderConverter
from tidelock.connect.converters.string import StringConverter
from tidelock.connect.runtime.batching import Batcher, aligned, merged_properties
from tidelock.connect.runtime.chain import Chain, Step
from tidelock.connect.runtime.failures import Stage
from tidelock.connect.runtime.reporting import Reporter, ReportOptions

INT = b'{"schema":{"type":"int32"},"payload":1}'
TEXT = b'{"schema":{"type":"string"},"payload":"x"}'


def batcher(reporter: Reporter | None = None, chain: Chain | None = None) -> Batcher:
    reporter = reporter or Reporter(ReportOptions("c"))
    return Batcher(StringConverter(), JsonConverter(), SimpleHeaderConverter(), reporter, chain or Chain())


def test_a_batch_is_one_partition_and_one_schema() -> None:
    messages = [
        FakeMessage(0, INT),
        FakeMessage(9, INT, partition_number=1),
        FakeMessage(1, TEXT),
        FakeMessage(2, None),
        FakeMessage(3, INT, key_bytes=b"k", time=(0, 0)),
    ]
    made = batcher().batches(messages)
    assert [(one.partition, list(one.offsets)) for one in made] == [(0, [0]), (0, [1, 2]), (0, [3]), (1, [9])]
    assert made[1].tombstones == [1]
    assert made[2].keys == ["k"]
    assert made[2].timestamps == [None]
    assert made[0].timestamps == [1000]


def test_runs_of_keys_and_values_are_cut_at_each_others_ends() -> None:
    keys = [Run(None, [1, 2, 3]), Run(Schema.int8(), [4])]
    values = [Run(None, ["a"]), Run(Schema.string(), ["b", "c", "d"])]
    cut = aligned(keys, values)
    assert [(list(key.values), list(value.values), length) for key, value, length in cut] == [
        ([1], ["a"], 1),
        ([2, 3], ["b", "c"], 2),
        ([4], ["d"], 1),
    ]


def test_headers_are_converted_where_there_are_any() -> None:
    plain, made = (
        batcher().batches([FakeMessage(0, INT)])[0],
        batcher().batches(
            [
                FakeMessage(0, INT),
                FakeMessage(1, INT, header_list=[("n", b"5"), ("t", b"text"), ("none", None)]),
            ]
        )[0],
    )
    assert plain.headers is None
    assert made[0].headers == []
    assert [(one.key, one.value) for one in made[1].headers] == [("n", 5), ("t", "text"), ("none", None)]
    assert made[1].headers[0] == Header("n", 5, Schema.int8())


def test_what_is_left_out_is_told_and_the_rest_stays_in_order() -> None:
    noting = Noting()
    messages = [FakeMessage(at, INT if at % 3 else b"?") for at in range(10)]
    made = batcher(noting).batches(messages)
    assert [offset for one in made for offset in one.offsets] == [1, 2, 4, 5, 7, 8]
    assert [(one.partition, one.offset) for one in noting.skipped] == [
        (TopicPartition("t", 0), at) for at in (0, 3, 6, 9)
    ]


def test_a_converter_is_configured_where_it_is_named() -> None:
    worker = {"value.converter": "A", "value.converter.schemas.enable": "true"}
    assert merged_properties(worker, {}, "value.converter") == {"schemas.enable": "true"}
    connector = {"value.converter": "B", "value.converter.x": "1"}
    assert merged_properties(worker, connector, "value.converter") == {"x": "1"}
    assert merged_properties(worker, {"value.converter.x": "1"}, "value.converter") == {
        "schemas.enable": "true"
    }


class Picky(Transform):
    """Drops 2, refuses 3, routes 5 elsewhere, changes the others."""

    def apply(self, record: Record) -> Record | None:
        if record.offset == 3:
            raise KeyError("three")
        if record.offset == 5:
            record.topic = "fives"
        record.value += 1
        return None if record.offset == 2 else record


def test_a_chain_changes_drops_and_routes_and_what_it_refuses_is_told() -> None:
    noting = Noting()
    chain = Chain([Step("Picky", Picky())])
    made = batcher(noting, chain).batches([FakeMessage(at, INT) for at in range(7)])
    assert [(one.topic, list(one.offsets)) for one in made] == [("t", [0, 1, 4]), ("fives", [5]), ("t", [6])]
    assert {value for one in made for value in one.values} == {2}
    assert {one.topic_partition for one in made} == {TopicPartition("t", 0)}  # where they were read
    [one] = noting.skipped
    assert (one.offset, one.failed.stage, one.failed.plugin) == (3, Stage.TRANSFORMATION, "Picky")
    assert one.message.offset() == 3
    assert "KeyError" in one.failed.what


def test_without_tolerance_the_place_is_told() -> None:
    with pytest.raises(ConnectError, match="cannot be transformed") as caught:
        batcher(chain=Chain([Step("Picky", Picky())])).batches([FakeMessage(3, INT)])
    assert caught.value.where == "t-0@3"
