import pytest

from tidelock.protocol import frame
from tidelock.protocol.frame import RequestHeader
from tidelock.protocol.messages.api_versions import ApiVersionsResponse
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from tidelock.protocol.primitives import MalformedMessage

METADATA = 3
API_VERSIONS = 18


@pytest.mark.parametrize("client_id", [None, "", "kcat", "클라이언트"])
@pytest.mark.parametrize("version", [8, 9])
def test_a_request_header_keeps_what_it_says(version: int, client_id: str | None) -> None:
    header = RequestHeader(METADATA, version, 7, client_id, 0)
    out = bytearray()
    frame.write_request_header(out, header)
    read = frame.read_request_header(out)
    assert read == header._replace(end=len(out))


def test_the_client_id_stays_a_classic_string_in_a_flexible_header() -> None:
    out = bytearray()
    frame.write_request_header(out, RequestHeader(METADATA, 12, 1, "ab", 0))
    assert out == b"\x00\x03\x00\x0c\x00\x00\x00\x01\x00\x02ab\x00"


def test_tagged_fields_of_a_request_header_are_skipped() -> None:
    wire = b"\x00\x03\x00\x0c\x00\x00\x00\x01\xff\xff\x01\x05\x02ab" + b"body"
    assert frame.read_request_header(wire).end == len(wire) - 4


@pytest.mark.parametrize("cut", range(14))
def test_a_request_header_that_is_cut_short_is_malformed(cut: int) -> None:
    out = bytearray()
    frame.write_request_header(out, RequestHeader(METADATA, 12, 1, "abc", 0))
    with pytest.raises(MalformedMessage):
        frame.read_request_header(bytes(out)[:cut])


def test_a_request_of_an_unknown_api_is_malformed() -> None:
    with pytest.raises(MalformedMessage, match="no API has the key 999"):
        frame.read_request_header(b"\x03\xe7\x00\x00\x00\x00\x00\x01\xff\xff")


def test_the_header_of_an_api_versions_response_is_version_0_always() -> None:
    out = frame.encode_response(ApiVersionsResponse(), 4, 9)
    assert out[4:8] == b"\x00\x00\x00\x09"
    assert frame.read_response_header(out, API_VERSIONS, 4, 4) == (9, 8)
    message, end = ApiVersionsResponse.decode(out, 4, 8)
    assert (message, end) == (ApiVersionsResponse(), len(out))


def test_a_response_header_that_is_cut_short_is_malformed() -> None:
    for cut in range(5):
        with pytest.raises(MalformedMessage):
            frame.read_response_header(bytes(4)[:cut], METADATA, 12)


def test_a_request_frame_starts_with_its_size() -> None:
    request = MetadataRequest(topics=[MetadataRequestTopic(name="orders")])
    out = frame.encode_request(request, 12, 5, "test")
    assert int.from_bytes(out[:4], "big") == len(out) - 4
    header = frame.read_request_header(out, 4)
    assert MetadataRequest.decode(out, header.api_version, header.end) == (request, len(out))
