"""The generated codecs: what they do on the edges; byte equality with others is in tests/property."""

import subprocess
import sys
from pathlib import Path

import pytest

from tidelock.protocol.messages.fetch import (
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from tidelock.protocol.messages.heartbeat import HeartbeatRequest
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidelock.protocol.primitives import MalformedMessage, UnencodableMessage

ROOT = Path(__file__).resolve().parents[3]


def test_the_modules_are_what_the_generator_writes() -> None:
    command = [sys.executable, str(ROOT / "tools" / "gen_messages.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_null_and_empty_are_different_where_the_version_knows_both() -> None:
    for version, null, empty in [(1, b"\xff\xff\xff\xff", bytes(4)), (9, b"\x00", b"\x01")]:
        for topics, wire in [(None, null), ([], empty)]:
            out = bytearray()
            MetadataRequest(topics=topics).encode(version, out)
            assert out.startswith(wire)
            assert MetadataRequest.decode(out, version)[0].topics == topics


def test_an_argument_not_given_is_a_list_of_its_own() -> None:
    MetadataRequest().topics.append(MetadataRequestTopic())
    assert MetadataRequest().topics == []


def test_null_where_the_version_has_no_null_is_refused_on_both_sides() -> None:
    with pytest.raises(UnencodableMessage, match="topics is None"):
        MetadataRequest(topics=None).encode(0, bytearray())
    with pytest.raises(MalformedMessage, match="topics must not be null"):
        MetadataRequest.decode(b"\xff\xff\xff\xff", 0)


@pytest.mark.parametrize("version", [-1, 99])
def test_a_version_that_does_not_exist_is_refused(version: int) -> None:
    with pytest.raises(MalformedMessage, match=f"no version {version}"):
        MetadataRequest.decode(b"", version)
    with pytest.raises(UnencodableMessage, match=f"no version {version}"):
        MetadataRequest().encode(version, bytearray())


@pytest.mark.parametrize("generation", [1 << 31, None, "1"])
def test_a_value_that_does_not_fit_is_refused(generation: object) -> None:
    request = HeartbeatRequest(group_id="g", generation_id=generation)  # type: ignore[arg-type]  # the point
    with pytest.raises(UnencodableMessage, match="HeartbeatRequest v4"):
        request.encode(4, bytearray())


@pytest.mark.parametrize("version", [0, 4])
def test_every_proper_prefix_of_a_message_is_malformed(version: int) -> None:
    out = bytearray()
    HeartbeatRequest(group_id="group", member_id="member" * 40, generation_id=3).encode(version, out)
    for cut in range(len(out)):
        with pytest.raises(MalformedMessage):
            HeartbeatRequest.decode(bytes(out[:cut]), version)


def test_an_array_that_announces_more_than_the_bytes_can_hold_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="more elements than there are bytes"):
        MetadataRequest.decode(b"\x7f\xff\xff\xff" + bytes(100), 1)


def test_text_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        MetadataRequest.decode(b"\x00\x00\x00\x01\x00\x02\xff\xfe", 0)


def test_a_tagged_field_must_be_as_long_as_it_says() -> None:
    out = bytearray()
    FetchRequest(cluster_id="abc").encode(12, out)
    assert FetchRequest.decode(out, 12)[0].cluster_id == "abc"
    where = out.rindex(b"\x04abc") - 1
    out[where] += 1
    with pytest.raises(MalformedMessage, match="not as long as it says"):
        FetchRequest.decode(bytes(out) + b"\x00", 12)


def test_records_are_a_view_of_the_buffer_and_other_bytes_are_not() -> None:
    partition = PartitionData(records=b"a batch of records")
    response = FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[partition])])
    frame = bytearray()
    response.encode(11, frame)
    records = FetchResponse.decode(frame, 11)[0].responses[0].partitions[0].records
    assert isinstance(records, memoryview)
    frame[frame.index(b"batch")] = ord("B")
    assert records == b"a Batch of records"
