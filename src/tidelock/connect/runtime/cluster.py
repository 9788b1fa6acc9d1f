"""Asks a broker for the cluster's id: one Metadata request on a plain connection, nothing kept open.

The worker's own process holds no Kafka client, so that it can be small and its fork server's parent clean.

Source: Kafka protocol, Metadata (API key 3).
"""

from __future__ import annotations

import asyncio
import contextlib

from tidelock.protocol.messages.metadata import MetadataRequest, MetadataResponse

TIMEOUT = 2.0
VERSION = 4  # not flexible, so the headers are the simplest; every broker since 1.0 has it
HEADER = b"\x00\x03\x00\x04\x00\x00\x00\x01\x00\x08tidelock"  # key, version, correlation id, client id


async def cluster_id(bootstrap_servers: str) -> str | None:
    """Return the id of the cluster behind the first address that answers, or None."""
    for address in bootstrap_servers.split(","):
        host, _, port = address.strip().rpartition(":")
        with contextlib.suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(TIMEOUT):
                found = await _ask(host.strip("[]"), int(port))
            if found is not None:
                return found
    return None


async def _ask(host: str, port: int) -> str | None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        body = bytearray(HEADER)
        MetadataRequest(topics=[]).encode(VERSION, body)
        writer.write(len(body).to_bytes(4, "big") + body)
        size = int.from_bytes(await reader.readexactly(4), "big")
        answer = await reader.readexactly(min(size, 1 << 20))
        response, _ = MetadataResponse.decode(answer, VERSION, 4)
        return response.cluster_id
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
