"""A chain makes the same of a batch in columns as of its records one by one, and leaves failures to these."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.connect.api import Header, RecordBatch, Schema, StructRows, TopicPartition, Transform
from tidelock.connect.runtime.chain import Chain, Step, transformed
from tidelock.connect.runtime.failures import Skipped
from tidelock.connect.transforms.cast import CastValue
from tidelock.connect.transforms.extract_field import ExtractFieldKey, ExtractFieldValue
from tidelock.connect.transforms.insert_field import InsertFieldKey, InsertFieldValue
from tidelock.connect.transforms.mask_field import MaskFieldValue
from tidelock.connect.transforms.regex_router import RegexRouter
from tidelock.connect.transforms.replace_field import ReplaceFieldKey, ReplaceFieldValue
from tidelock.connect.transforms.set_schema_metadata import SetSchemaMetadataValue
from tidelock.connect.transforms.timestamp_converter import TimestampConverterValue
from tidelock.connect.transforms.value_to_key import ValueToKey

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
KINDS: tuple[tuple[Schema, Any], ...] = (
    (Schema.int8(optional=True), st.integers(-128, 127)),
    (Schema.int32(optional=True, default=7), st.integers(-(2**31), 2**31 - 1)),
    (Schema.int64(), st.integers(-(2**63), 2**63 - 1)),
    (Schema.float64(optional=True), st.floats(allow_nan=False)),
    (Schema.string(optional=True, default="none"), st.text(max_size=5) | st.integers(-300, 300).map(str)),
    (Schema.boolean(), st.booleans()),
    (
        Schema.timestamp(optional=True),
        st.integers(0, 7 * 10**12).map(lambda ms: EPOCH + dt.timedelta(milliseconds=ms)),
    ),
)
NAMES = "abcdefg"
STEPS: tuple[tuple[type[Transform], dict[str, str]], ...] = (
    (ReplaceFieldValue, {"exclude": "a", "renames": "b:x,c:b"}),
    (ReplaceFieldValue, {"include": "a,b,c", "replace.null.with.default": "false"}),
    (ReplaceFieldKey, {"renames": "id:key"}),
    (InsertFieldValue, {"topic.field": "t", "partition.field": "p!", "offset.field": "o?"}),
    (InsertFieldValue, {"timestamp.field": "when", "static.field": "s", "static.value": "shop"}),
    (InsertFieldKey, {"static.field": "from", "static.value": "here"}),
    (CastValue, {"spec": "a:int64,b:string"}),
    (CastValue, {"spec": "c:int16,d:string,f:int8"}),
    (CastValue, {"spec": "e:int32"}),
    (MaskFieldValue, {"fields": "a,e"}),
    (MaskFieldValue, {"fields": "b", "replacement": "12"}),
    (SetSchemaMetadataValue, {"schema.name": "Other", "schema.version": "3"}),
    (TimestampConverterValue, {"field": "g", "target.type": "unix"}),
    (TimestampConverterValue, {"field": "c", "target.type": "string", "format": "yyyy-MM-dd"}),
    (RegexRouter, {"regex": "t(.*)", "replacement": "new-t$1"}),
    (ValueToKey, {"fields": "a,c"}),
    (ExtractFieldKey, {"field": "id"}),
    (ExtractFieldValue, {"field": "b"}),
)


def null_or(schema: Schema, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values if schema.optional else values


@st.composite
def batches(draw: st.DrawFn) -> RecordBatch:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=3, max_size=len(NAMES)))
    schema = Schema.struct([(name, kind) for name, (kind, _) in zip(NAMES, kinds, strict=False)], name="V")
    row = st.tuples(*(null_or(kind, values) for kind, values in kinds))
    rows = draw(st.lists(row, min_size=1, max_size=5))
    key = Schema.struct([("id", Schema.int64())])
    count = len(rows)
    return RecordBatch(
        "t1",
        2,
        [5 + 2 * place for place in range(count)],
        StructRows(key, [(place,) for place in range(count)]),
        StructRows(schema, rows),
        key,
        schema,
        timestamps=draw(
            st.none() | st.lists(st.none() | st.integers(0, 10**12), min_size=count, max_size=count)
        ),
        headers=draw(st.none() | st.just([[Header("h", 1)]] * count)),
    )


def chain_of(steps: list[tuple[type[Transform], dict[str, str]]]) -> Chain:
    made = []
    for kind, props in steps:
        transform = kind()
        transform.configure(props)
        made.append(Step(kind.__name__, transform))
    return Chain(made)


def described(batch: RecordBatch) -> list[tuple[Any, ...]]:
    return [
        (one.topic, batch.topic_partition, one.offset, one.key, one.value, one.timestamp, list(one.headers))
        for one in batch
    ]


@given(batch=batches(), steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=4))
def test_columns_and_records_agree(
    batch: RecordBatch, steps: list[tuple[type[Transform], dict[str, str]]]
) -> None:
    failures: list[Skipped] = []
    one_by_one = list(transformed(chain_of(steps).apply, batch, failures.append))
    whole = chain_of(steps).apply_batch(batch)
    if whole is None:
        return
    assert not failures
    [expected] = one_by_one
    assert described(whole) == described(expected)
    assert (whole.key_schema, whole.value_schema) == (expected.key_schema, expected.value_schema)
    again = whole.take(range(len(whole)))
    assert described(again) == described(whole)


@pytest.mark.parametrize(("kind", "props"), STEPS, ids=lambda one: getattr(one, "__name__", ""))
def test_every_step_is_taken_in_columns_where_no_record_fails(
    kind: type[Transform], props: dict[str, str]
) -> None:
    types = [Schema.int8(), Schema.int32(), Schema.timestamp(), Schema.float64(), Schema.string()]
    types += [Schema.boolean(), Schema.timestamp()]
    schema = Schema.struct(list(zip(NAMES, types, strict=True)))
    when = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    if kind is CastValue and props["spec"].startswith("c"):
        schema = Schema.struct([*zip(NAMES[:2], types[:2], strict=True), ("c", Schema.int32())])
    rows = [(1, 2, when if len(schema.fields) > 3 else 3, 0.5, "6", True, when)[: len(schema.fields)]]
    key = Schema.struct([("id", Schema.int64())])
    batch = RecordBatch("t1", 0, [9], StructRows(key, [(4,)]), StructRows(schema, rows), key, schema)
    whole = chain_of([(kind, props)]).apply_batch(batch)
    assert whole is not None
    assert whole.topic_partition == TopicPartition("t1", 0)
    [expected] = transformed(chain_of([(kind, props)]).apply, batch, _never)
    assert described(whole) == described(expected)


def test_a_tombstone_or_a_predicate_sends_records_one_by_one() -> None:
    schema = Schema.struct([("a", Schema.int32())])
    batch = RecordBatch("t", 0, [0, 1], [None] * 2, StructRows(schema, [(1,), None]), None, schema)
    chain = chain_of([(InsertFieldValue, {"static.field": "s", "static.value": "x"})])
    assert chain.apply_batch(batch) is None
    made = [one for batch in transformed(chain.apply, batch, _never) for one in batch.values]
    assert [None if one is None else one.as_dict() for one in made] == [{"a": 1, "s": "x"}, None]


def _never(skipped: Skipped) -> None:
    raise AssertionError(skipped)
