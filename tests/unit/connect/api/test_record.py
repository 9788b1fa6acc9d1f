import pytest

from tidelock.connect.api import (
    DataError,
    Header,
    RecordBatch,
    Schema,
    Struct,
    StructRows,
    TopicPartition,
    last_header,
)

ROW = Schema.struct({"id": Schema.int64(), "name": Schema.string(optional=True)})


def structs() -> RecordBatch:
    rows = StructRows(ROW, [(1, "a"), None, (3, None)])
    return RecordBatch("t", 0, [10, 11, 14], [b"1", b"2", b"3"], rows, value_schema=ROW)


def test_a_record_is_a_view_of_its_place_in_the_batch() -> None:
    records = list(structs())
    assert [(record.offset, record.key) for record in records] == [(10, b"1"), (11, b"2"), (14, b"3")]
    assert records[0].value == Struct(ROW, {"id": 1, "name": "a"})
    assert records[1].value is None
    assert records[2].value["name"] is None
    assert records[2].timestamp is None
    assert records[2].headers == ()
    assert structs()[-1].offset == 14


def test_columns_and_rows_come_in_the_order_asked() -> None:
    assert structs().columns(["name", "id"]) == [["a", None, None], [1, None, 3]]
    assert structs().rows(["id", "name"]) == [(1, "a"), (None, None), (3, None)]
    assert structs().rows([]) == [(), (), ()]


def test_columns_of_single_structs_and_of_dicts() -> None:
    made = RecordBatch("t", 0, [0, 1], [None, None], [Struct(ROW, {"id": 7}), None], value_schema=ROW)
    assert made.columns(["id"]) == [[7, None]]
    plain = RecordBatch("t", 0, [0, 1, 2], [None] * 3, [{"id": 7}, None, {}])
    assert plain.columns(["id"]) == [[7, None, None]]


def test_asking_for_what_is_not_there_names_it() -> None:
    with pytest.raises(DataError, match="price is not a field of the records; they have id, name"):
        structs().columns(["price"])
    with pytest.raises(DataError, match="STRING have no fields"):
        RecordBatch("t", 0, [0], [None], ["x"], value_schema=Schema.string()).columns(["id"])
    with pytest.raises(DataError, match="no id"):
        RecordBatch("t", 0, [0], [None], ["x"]).columns(["id"])


def test_tombstones_the_next_offset_and_a_choice_of_records() -> None:
    batch = structs()
    assert batch.tombstones == [1]
    assert RecordBatch("t", 0, [0, 1], [b"k", None], ["x", "y"]).keyless == [1]
    assert batch.next_offset == 15
    assert batch.topic_partition == TopicPartition("t", 0)
    taken = batch.take([0, 2])
    assert list(taken.offsets) == [10, 14]
    assert taken.columns(["id"]) == [[1, 3]]
    assert taken.keys == [b"1", b"3"]


def test_the_last_header_of_a_key_counts() -> None:
    headers = [Header("a", 1), Header("b", 2), Header("a", 3)]
    assert last_header(headers, "a") == Header("a", 3)
    assert last_header(headers, "c") is None
