"""One-file pipelines: what a document becomes, and every problem of its shape at once."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidelock.config import ConfigError
from tidelock.connect.runtime.pipeline import Pipeline, nested, pipeline_of
from tidelock.properties import parse_properties

SHOP = """
[worker]
offset.flush.interval.ms = 500

[source]
connector.class = "FileStreamSource"
file = "orders.txt"
topic = "orders"
batch.size = 10

[transforms.wrap]
type = "HoistField$Value"
field = "line"

[transforms.stamp]
type = "InsertField$Value"
static.field = "shop"
static.value = "s-1"

[sink]
connector.class = "FileStreamSink"
file = "copy.txt"
errors.retry = [1, 2]
[sink.transforms.drop]
type = "Filter"
predicate = "empty"
[sink.predicates.empty]
type = "RecordIsTombstone"
"""


def toml(text: str, name: str = "shop") -> Pipeline:
    return pipeline_of(tomllib.loads(text), name)


def test_a_file_becomes_connectors_with_the_keys_of_their_properties() -> None:
    made = toml(SHOP)
    assert made.name == "shop"
    assert made.worker == {"offset.flush.interval.ms": "500"}
    source, sink = made.connectors
    assert source == {
        "name": "shop-source",
        "connector.class": "FileStreamSource",
        "file": "orders.txt",
        "topic": "orders",
        "batch.size": "10",
        "transforms": "wrap,stamp",
        "transforms.wrap.type": "HoistField$Value",
        "transforms.wrap.field": "line",
        "transforms.stamp.type": "InsertField$Value",
        "transforms.stamp.static.field": "shop",
        "transforms.stamp.static.value": "s-1",
    }
    assert sink == {
        "name": "shop-sink",
        "connector.class": "FileStreamSink",
        "file": "copy.txt",
        "errors.retry": "1,2",
        "topics": "orders",
        "transforms": "drop",
        "transforms.drop.type": "Filter",
        "transforms.drop.predicate": "empty",
        "predicates": "empty",
        "predicates.empty.type": "RecordIsTombstone",
    }


def test_the_same_in_a_properties_file() -> None:
    text = """
    source.connector.class=FileStreamSource
    source.topic=orders
    transforms=b,a
    transforms.a.type=X
    transforms.b.type=Y
    sink.connector.class=FileStreamSink
    worker.bootstrap.servers=h:1
    """
    made = pipeline_of(nested(parse_properties(text)), "shop")
    assert made.worker == {"bootstrap.servers": "h:1"}
    assert made.connectors[0]["transforms"] == "b,a"
    assert made.connectors[0]["transforms.a.type"] == "X"
    assert made.connectors[1] == {
        "name": "shop-sink",
        "connector.class": "FileStreamSink",
        "topics": "orders",
    }


def test_a_chain_belongs_to_the_sink_where_there_is_no_source() -> None:
    made = toml('[sink]\ntopics = "a"\n[transforms.x]\ntype = "Y"')
    assert made.connectors[0]["transforms.x.type"] == "Y"


def test_several_of_a_kind_are_numbered_and_a_sink_reads_all_of_their_topics() -> None:
    made = toml(
        '[[source]]\ntopic = "a.b"\n[[source]]\nname = "db"\n"topic.prefix" = "shop-"\n'
        '[[sink]]\n[[sink]]\ntopics = "x"'
    )
    assert [one["name"] for one in made.connectors] == ["shop-source-1", "db", "shop-sink-1", "shop-sink-2"]
    assert made.connectors[2]["topics.regex"] == r"a\.b|shop\-.*"
    assert made.connectors[3]["topics"] == "x"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "sorce = 1",
            "sorce: is none of name, worker, source, sink, transforms, predicates; did you mean source?",
        ),
        ("source = 1\nworker = 2", "source: must be a table\n  - worker"),
        ("transforms = 'a'\nsource = {}", "transforms: must be a table"),
        ("", "neither a source nor a sink"),
        ("name = '../x'\nsource = {}", "name: names a folder too"),
        ("[[source]]\nname = 'a'\n[[source]]\nname = 'a'", "name: two connectors have this name"),
    ],
)
def test_problems_are_told_with_their_key(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        toml(text)
    found = str(caught.value)
    for part in says.split("\n  - "):
        assert part in found


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["", "name", "source", "sink", "transforms", "predicates", "worker", "topic", "a.b"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(documents.filter(lambda one: isinstance(one, dict)))
def test_any_document_is_a_pipeline_or_a_list_of_problems(document: dict[str, Any]) -> None:
    try:
        made = pipeline_of(document, "file")
    except ConfigError:
        return
    assert made.connectors
    assert all(isinstance(value, str) for one in made.connectors for value in one.values())
