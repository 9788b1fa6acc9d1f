"""Byte equality with two codecs that others wrote: kafka-python's and kio's, for every version both know."""

from __future__ import annotations

import importlib
import io
import uuid
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from kafka.protocol.api_data import ApiData
from kafka.protocol.api_message import ApiMessage
from kio import index as kio_index
from kio.serial import entity_reader, entity_writer

from tests.support.wire_values import sample, schema_of, versions

QUICK = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def kafka_python_classes() -> dict[str, Any]:
    for part in ("admin", "consumer", "metadata", "producer", "sasl"):
        importlib.import_module(f"kafka.protocol.{part}")
    importlib.import_module("kafka.protocol.consumer.metadata")
    found: dict[str, Any] = {}
    waiting = [*ApiMessage.__subclasses__(), *ApiData.__subclasses__()]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        found.setdefault(one.__name__, one)
    return found


def kio_class(name: str, version: int) -> Any:
    schema = schema_of(name)
    load = {"request": kio_index.load_request_schema, "response": kio_index.load_response_schema}
    try:
        return load[schema.kind](schema.api_key, version)
    except (kio_index.KioIndexError, KeyError):
        return None


ALL = list(versions())
WITH_KAFKA_PYTHON = [pair for pair in ALL if pair[0] in kafka_python_classes()]
WITH_KIO = [pair for pair in ALL if kio_class(*pair) is not None]


@pytest.mark.parametrize(("name", "version"), WITH_KAFKA_PYTHON)
@given(seed=st.integers(0, 1 << 32))
@QUICK
def test_kafka_python_reads_and_writes_the_same(name: str, version: int, seed: int) -> None:
    message = sample(schema_of(name), version, Random(seed))
    note(str(message))
    out = bytearray()
    if name == "ApiVersionsResponse":
        message.error_code = 0  # after an error they read version 0, whatever was asked for (KIP-511)
    if schema_of(name).kind == "data":
        out += version.to_bytes(2, "big")  # they count the version that precedes it as a part of it
    message.encode(version, out)
    theirs = kafka_python_classes()[name].decode(bytes(out), version=version)
    theirs._header = None  # their decoder leaves it out, their encoder asks for it
    assert bytes(theirs.encode(version=version)) == out
    same_fields(message, theirs, schema_of(name).root, version)


def same_fields(ours: Any, theirs: Any, struct: Any, version: int) -> None:
    for field in struct.fields:
        if field.name.endswith("authorized_operations"):
            continue  # they make a set of bits of it; the bytes are compared like all others
        if version in field.versions and not field.is_tagged(version):
            same(getattr(ours, field.name), getattr(theirs, field.name), field.struct, version)


def same(ours: Any, theirs: Any, struct: Any, version: int) -> None:
    if isinstance(ours, list) and struct is not None:
        assert len(ours) == len(theirs)
        for one, two in zip(ours, theirs, strict=True):
            same_fields(one, two, struct, version)
    elif ours is not None and struct is not None:
        same_fields(ours, theirs, struct, version)
    elif isinstance(theirs, uuid.UUID) or (theirs is None and ours == bytes(16)):
        assert ours == (bytes(16) if theirs is None else theirs.bytes)
    else:
        assert ours == (list(theirs) if isinstance(ours, list) else theirs)


@pytest.mark.parametrize(("name", "version"), WITH_KIO)
@given(seed=st.integers(0, 1 << 32))
@QUICK
def test_kio_reads_and_writes_the_same(name: str, version: int, seed: int) -> None:
    message = sample(schema_of(name), version, Random(seed))
    note(str(message))
    out = bytearray()
    message.encode(version, out)
    theirs = kio_class(name, version)
    entity, end = entity_reader(theirs)(bytes(out), 0)
    assert end == len(out)
    back = io.BytesIO()
    entity_writer(theirs)(back, entity)
    assert back.getvalue() == out


def test_the_oracles_know_most_of_what_we_know() -> None:
    keys = {key for name, _ in ALL if (key := schema_of(name).api_key) >= 0}
    assert keys - {schema_of(name).api_key for name, _ in WITH_KAFKA_PYTHON} == {68, 69}
    assert keys - {schema_of(name).api_key for name, _ in WITH_KIO} == set()
