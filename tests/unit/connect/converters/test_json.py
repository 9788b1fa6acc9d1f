import json

import pytest

from tidelock.config import ConfigError
from tidelock.connect.api import DataError, Schema, Struct
from tidelock.connect.converters.json import JsonConverter

ROW = Schema.struct({"id": Schema.int64(), "note": Schema.string(optional=True)}, name="row")
OTHER = Schema.struct({"id": Schema.string()})


def converter(**config: str) -> JsonConverter:
    made = JsonConverter()
    made.configure({name.replace("_", "."): value for name, value in config.items()}, is_key=False)
    return made


def rows(*ids: int) -> list[Struct]:
    return [Struct(ROW, {"id": number}) for number in ids]


def test_a_batch_splits_where_the_schema_changes_and_nulls_stay_in_their_run() -> None:
    json_converter = converter()
    ours = json_converter.encode("t", ROW, rows(1, 2))
    theirs = json_converter.encode("t", OTHER, [Struct(OTHER, {"id": "x"})])
    runs = json_converter.decode("t", [None, ours[0], None, ours[1], theirs[0], None])
    assert [(run.schema, len(run.values)) for run in runs] == [(ROW, 4), (OTHER, 2)]
    assert [value and value["id"] for value in runs[0].values] == [None, 1, None, 2]
    assert runs[1].values[1] is None


def test_the_same_schema_in_other_words_is_the_same_run() -> None:
    a = b'{"schema":{"type":"int32","optional":true},"payload":1}'
    b = b'{"schema":{"optional":true,"type":"int32"},"payload":2}'
    [run] = converter().decode("t", [a, b, a])
    assert list(run.values) == [1, 2, 1]


def test_a_payload_that_only_begins_like_the_last_one_is_read_in_full() -> None:
    json_converter = converter()
    good = b'{"schema":{"type":"int32"},"payload":1}'
    with pytest.raises(DataError) as caught:
        json_converter.decode("t", [good, b'{"schema":{"type":"int32"},"payload":1,"x":2}'])
    assert caught.value.index == 1
    assert "schemas.enable" in (caught.value.hint or "")


def test_a_payload_before_its_schema_is_never_taken_for_a_prefix() -> None:
    json_converter = converter()
    first = b'{"payload":null,"schema":null}'
    [run] = json_converter.decode("t", [first, first])
    assert list(run.values) == [None, None]


def test_a_record_read_the_slow_way_stands_in_its_place() -> None:
    prefix = b'{"schema":{"type":"struct","fields":[{"type":"int32","field":"n"}]},"payload":'
    [run] = converter().decode("t", [prefix + b'{"n":1}}', prefix + b'{"n":2.0}}', prefix + b'{"n":3}}'])
    assert [value["n"] for value in run.values] == [1, 2, 3]


def test_an_error_names_the_field_and_the_record() -> None:
    prefix = b'{"schema":{"type":"struct","fields":[{"type":"int32","field":"n"}]},"payload":'
    with pytest.raises(DataError, match="INT32 field 'n' got text") as caught:
        converter().decode("t", [prefix + b'{"n":1}}', None, prefix + b'{"n":"x"}}'])
    assert caught.value.index == 2


def test_an_exact_number_survives_the_slow_way() -> None:
    payload = (
        b'{"schema":{"type":"struct","fields":[{"type":"int32","field":"n"},{"type":"bytes","field":"d",'
        b'"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"23"}}]},'
        b'"payload":{"n":1.0,"d":1.10000000000000000000001}}'
    )
    [run] = converter().decode("t", [payload])
    assert str(run.values[0]["d"]) == "1.10000000000000000000001"


def test_few_schemas_are_kept_and_forgotten_ones_are_made_again() -> None:
    json_converter = converter(schemas_cache_size="1")
    one, other = b'{"schema":{"type":"int32"},"payload":1}', b'{"schema":{"type":"int64"},"payload":2}'
    runs = json_converter.decode("t", [one, other, one, other])
    assert [list(run.values) for run in runs] == [[1], [2], [1], [2]]


def test_plain_json_has_no_schema_and_writes_structs_as_objects() -> None:
    json_converter = converter(schemas_enable="false")
    [run] = json_converter.decode("t", [b'{"a":1.5}', None, b"[]"])
    assert run.schema is None
    assert list(run.values) == [{"a": 1.5}, None, []]
    assert json_converter.encode("t", ROW, rows(7)) == [b'{"id":7,"note":null}']
    with pytest.raises(DataError, match="set has no JSON form"):
        json_converter.encode("t", None, [{"a": {1}}])


def test_a_value_that_does_not_fit_its_schema_is_not_written() -> None:
    bad = [Struct(ROW, {"id": 1}), Struct(ROW, {"id": 1 << 63})]
    with pytest.raises(DataError, match="out of range") as caught:
        converter().encode("t", ROW, bad)
    assert caught.value.index == 1
    with pytest.raises(DataError, match="required"):
        converter().encode("t", ROW, [Struct(ROW, {})])


def test_what_json_cannot_say_is_text_as_kafka_writes_it() -> None:
    written = converter(schemas_enable="false").encode("t", Schema.float64(), [float("inf"), 1.0])
    assert [json.loads(one or b"") for one in written] == ["Infinity", 1.0]


def test_wrong_settings_are_all_reported() -> None:
    with pytest.raises(ConfigError) as caught:
        converter(decimal_format="HEX", schemas_cache_size="0", schemas_enable="maybe")
    assert {problem.key for problem in caught.value.problems} == {
        "decimal.format",
        "schemas.cache.size",
        "schemas.enable",
    }


@pytest.mark.parametrize(("replace", "default"), [("true", "x"), ("false", None)])
def test_a_null_inside_a_default_is_replaced_as_one_in_a_value_is(replace: str, default: str | None) -> None:
    schema = (
        b'{"type":"array","items":{"type":"string","optional":true,"default":"x"},"optional":true,'
        b'"default":[%s]}' % (b'"x"' if default else b"null")
    )
    json_converter = converter(replace_null_with_default=replace)
    (run,) = json_converter.decode(
        "t", [b'{"schema":' + schema.replace(b'["x"]', b"[null]") + b',"payload":null}']
    )
    assert run.schema is not None
    assert run.schema.default == [default]
    (written,) = json_converter.encode("t", run.schema, [[None]])
    assert written is not None
    assert written.startswith(b'{"schema":' + schema)
