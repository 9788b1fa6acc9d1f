"""Transforms, predicates and small converters beside the originals, whose answers are stored as data.

deviations.py holds what is different on purpose, each with its reason; docs/compat/connect.md says so too.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.connect.described import describe, describe_schema, expected, expected_schema
from tests.conformance.connect.deviations import Reason, deviation
from tests.conformance.connect.plugin_cases import all_cases
from tidelock.config import ConfigError
from tidelock.connect.api import DataError, Header, Predicate, Record, Schema, Transform
from tidelock.connect.converters.json import JsonConverter
from tidelock.connect.converters.simple_header import SimpleHeaderConverter
from tidelock.connect.runtime.plugins import Plugins

LINES = (Path(__file__).parent / "cases" / "plugins.golden.jsonl").read_text("utf-8").splitlines()
GOLDEN = [json.loads(line) for line in LINES]
TRANSFORMS = "org.apache.kafka.connect.transforms."


def typed(given: Any) -> tuple[Schema | None, Any]:
    if given is None:
        return None, None
    converter = JsonConverter()
    has_schema = "schema" in given
    converter.configure(
        {"schemas.enable": str(has_schema).lower(), "replace.null.with.default": "false"}, is_key=False
    )
    [run] = converter.decode("t", [json.dumps(given if has_schema else given["payload"]).encode()])
    return run.schema, run.values[0]


def record_of(case: dict[str, Any]) -> Record:
    key_schema, key = typed(case.get("key"))
    value_schema, value = typed(case.get("value"))
    headers = []
    for given in case.get("headers", ()):
        schema, item = typed(given)
        headers.append(Header(given["name"], item, schema))
    is_source = "source" in case
    return Record(
        case.get("topic", "orders"),
        partition=None if is_source else 3,
        offset=None if is_source else 42,
        key=key,
        key_schema=key_schema,
        value=value,
        value_schema=value_schema,
        timestamp=case.get("timestamp"),
        headers=headers,
    )


def pair(schema: Schema | None, value: Any) -> Any:
    return {"schema": describe_schema(schema), "value": describe(schema, value)}


def transformed(case: dict[str, Any]) -> dict[str, Any]:
    made: Transform = Plugins().transform(TRANSFORMS + case["class"]).load()()
    made.configure(case["config"])
    out = made.apply(record_of(case))
    if out is None:
        return {"dropped": True}
    return {
        "topic": out.topic,
        "partition": out.partition,
        "timestamp": out.timestamp,
        "key": pair(out.key_schema, out.key),
        "value": pair(out.value_schema, out.value),
        "headers": [{"name": one.key, "typed": pair(one.schema, one.value)} for one in out.headers],
    }


def held(case: dict[str, Any]) -> dict[str, Any]:
    made: Predicate = Plugins().predicate(f"{TRANSFORMS}predicates.{case['class']}").load()()
    made.configure(case["config"])
    return {"holds": made.test(record_of(case))}


def header(case: dict[str, Any]) -> dict[str, Any]:
    converter = SimpleHeaderConverter()
    [run] = converter.decode("t", [case["text"].encode()])
    [again] = converter.encode("t", run.schema, run.values)
    return {
        "typed": pair(run.schema, run.values[0]),
        "again": None if again is None else again.decode(),
    }


def text(case: dict[str, Any]) -> dict[str, Any]:
    schema, value = typed(case["value"])
    [made] = SimpleHeaderConverter().encode("t", schema, [value])
    return {"text": None if made is None else made.decode()}


def converter_of(case: dict[str, Any]) -> Any:
    made = Plugins().converter(f"org.apache.kafka.connect.converters.{case['class']}").load()()
    made.configure({}, is_key=False)
    return made


def decoded(case: dict[str, Any]) -> dict[str, Any]:
    payload = None if case["hex"] is None else bytes.fromhex(case["hex"])
    [run] = converter_of(case).decode("t", [payload])
    return {"typed": pair(run.schema, run.values[0])}


def encoded(case: dict[str, Any]) -> dict[str, Any]:
    schema, value = typed(case["value"])
    [made] = converter_of(case).encode("t", schema, [value])
    return {"hex": None if made is None else made.hex()}


KINDS = {
    "transform": transformed,
    "predicate": held,
    "header": header,
    "text": text,
    "decode": decoded,
    "encode": encoded,
}


def ours(case: dict[str, Any]) -> dict[str, Any]:
    try:
        return KINDS[case["kind"]](case)
    except ConfigError:
        return {"config_error": True}
    except DataError:
        return {"error": True}


def theirs(answer: dict[str, Any]) -> dict[str, Any]:
    for kind in ("config_error", "error"):
        if kind in answer:
            return {kind: True}
    made = dict(answer)
    for name in ("key", "value", "typed"):
        if name in made:
            made[name] = read(made[name])
    if "headers" in made:
        made["headers"] = [{**one, "typed": read(one["typed"])} for one in made["headers"]]
    return made


def read(described: dict[str, Any]) -> dict[str, Any]:
    return {"schema": expected_schema(described["schema"]), "value": expected(described["value"])}


def canonical(described: Any) -> str:
    return json.dumps(described, ensure_ascii=False, sort_keys=True, default=repr)


def params() -> Iterator[Any]:
    for number, one in enumerate(GOLDEN):
        name = one["case"].get("class", one["case"]["kind"])
        yield pytest.param(one["case"], one["answer"], id=f"{number}-{name}")


@pytest.mark.parametrize(("case", "answer"), list(params()))
def test_ours_does_what_the_original_does(case: dict[str, Any], answer: dict[str, Any]) -> None:
    made, wanted = ours(case), theirs(answer)
    found = deviation(case, wanted)
    if found is None:
        assert canonical(made) == canonical(wanted)
    else:
        assert canonical(made) == canonical(found[1])
        assert canonical(made) != canonical(wanted)


def test_every_deviation_is_seen() -> None:
    found = [deviation(one["case"], theirs(one["answer"])) for one in GOLDEN]
    assert {one[0] for one in found if one is not None} == set(Reason)


def test_the_stored_answers_are_for_the_cases_of_today() -> None:
    assert [one["case"] for one in GOLDEN] == json.loads(json.dumps(all_cases()))
    assert len(GOLDEN) > 900


def test_each_transform_is_there_as_in_kafka() -> None:
    for name in {one["case"]["class"] for one in GOLDEN if one["case"]["kind"] == "transform"}:
        plugin = Plugins().transform(TRANSFORMS + name)
        assert importlib.import_module(plugin.path.partition(":")[0]).__doc__
