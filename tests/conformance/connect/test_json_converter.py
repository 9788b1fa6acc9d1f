"""JsonConverter beside the original: 211 payloads, what Kafka's own class made of them is stored as data.

`STRICTER` lists every payload that the original turns into something else than what was written (text into 0,
a number into null, a large number wrapped around) and that ours refuses; docs/compat/connect.md says so.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.connect.described import describe, expected
from tidelock.connect.api import DataError
from tidelock.connect.converters.json import JsonConverter

CASES = json.loads((Path(__file__).parent / "cases" / "json_converter.golden.json").read_text("utf-8"))


def typed(kind: str, payload: str) -> str:
    return f'{{"schema":{{"type":"{kind}","optional":false}},"payload":{payload}}}'


STRICTER = {
    typed("int32", '"5"'),
    typed("int32", "1.7"),
    typed("int32", "2147483648"),
    typed("int32", "[1]"),
    typed("int8", "300"),
    typed("int64", "9223372036854775808"),
    typed("string", "5"),
    typed("string", "true"),
    typed("string", '{"a":1}'),
    typed("boolean", "1"),
    typed("boolean", '"true"'),
    typed("double", '"1.5"'),
    typed("double", "true"),
    typed("float", "1e+39"),
    typed("bytes", "5"),
    '{"schema":{"type":"array","optional":false,"items":{"type":"int32","optional":false}},"payload":{"a":1}}',
    '{"schema":{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Time","version":1},"payload":86400000}',
    '{"schema":{"type":"int32"},"payload":5} x',
    "5 6",
    '{"big":1e400}',
}
# Read as what it says; the original reads 0.0 back from the text that it writes itself, and wraps the number.
RICHER = {typed("double", '"NaN"'): float("nan"), "9223372036854775808": 9223372036854775808, "": None}


def converter(case: dict[str, Any]) -> JsonConverter:
    made = JsonConverter()
    made.configure(case["config"], is_key=False)
    return made


def payload_of(case: dict[str, Any]) -> bytes | None:
    text = case["payload"]
    return None if text is None else text.encode()


def usual() -> Iterator[Any]:
    special = STRICTER | RICHER.keys()
    for number, case in enumerate(CASES):
        if case["payload"] not in special or (
            case["config"].get("schemas.enable") != "false" and case["payload"] == ""
        ):
            yield pytest.param(case, id=f"{number}")


@pytest.mark.parametrize("case", list(usual()))
def test_we_read_and_write_as_the_original(case: dict[str, Any]) -> None:
    ours = converter(case)
    if "decode_error" in case:
        with pytest.raises(DataError):
            ours.decode("t", [payload_of(case)])
        return
    for _ in range(2):  # the second time the prefix is known
        [run] = ours.decode("t", [payload_of(case)])
        assert describe(run.schema, run.values[0]) == expected(case["value"])
    [written] = ours.encode("t", run.schema, list(run.values))
    if "encode_error" in case:  # the original wants exactly the scale; ours writes what fits it exactly
        [again] = ours.decode("t", [written])
        assert again.values[0] == run.values[0]
    elif case["encoded"] is None:
        assert written is None
    else:
        assert parsed(written.decode()) == parsed(case["encoded"])


def parsed(text: str) -> Any:
    """JSON with numbers by value, and the order of keys where it is not Java's HashMap that made it."""
    given = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    if isinstance(given, dict) and given.keys() == {"schema", "payload"}:
        in_order = json.loads(text, object_pairs_hook=list)
        return [name for name, _ in in_order], in_order[0], given["payload"]
    return given


@pytest.mark.parametrize("payload", sorted(STRICTER))
def test_what_the_original_would_alter_is_refused(payload: str) -> None:
    [case] = [one for one in CASES if one["payload"] == payload]
    assert "decode_error" not in case
    with pytest.raises(DataError):
        converter(case).decode("t", [payload_of(case)])


@pytest.mark.parametrize("payload", sorted(RICHER))
def test_what_the_original_would_lose_is_kept(payload: str) -> None:
    case = next(one for one in CASES if one["payload"] == payload)
    [run] = converter(case).decode("t", [payload_of(case)])
    assert repr(run.values[0]) == repr(RICHER[payload])


def test_the_stored_answers_are_for_the_stored_cases() -> None:
    asked = json.loads((Path(__file__).parent / "cases" / "json_converter.json").read_text("utf-8"))
    assert [{"config": one["config"], "payload": one["payload"]} for one in CASES] == asked
    assert len(CASES) == 211
