"""What a broker says of its configs: DescribeConfigs over a socket, as plain data."""

from __future__ import annotations

import socket
import struct
from typing import Any

from tidelock.protocol.frame import encode_request, read_response_header
from tidelock.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
)

VERSION = 4
TOPIC, BROKER, GROUP = 2, 4, 32


def describe(port: int, kind: int, name: str) -> dict[str, Any]:
    """Ask for every config of a resource, with synonyms."""
    resource = DescribeConfigsResource(resource_type=kind, resource_name=name, configuration_keys=None)
    request = DescribeConfigsRequest(resources=[resource], include_synonyms=True)
    frame = encode_request(request, VERSION, 1, "recorder")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(frame)
        stream = sock.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        data = stream.read(size)
    _, pos = read_response_header(data, DescribeConfigsRequest.API_KEY, VERSION)
    response, _ = DescribeConfigsResponse.decode(data, VERSION, pos)
    return {one.name: plain(one) for one in response.results[0].configs}


def plain(found: DescribeConfigsResourceResult) -> dict[str, Any]:
    """One config as data."""
    return {
        "value": found.value,
        "type": found.config_type,
        "read_only": found.read_only,
        "source": found.config_source,
        "sensitive": found.is_sensitive,
        "synonyms": [[one.name, one.value, one.source] for one in found.synonyms],
    }
