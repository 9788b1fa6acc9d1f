"""Small questions to a broker on a plain connection, nothing kept open: the cluster's id, members that left.

The worker's own process holds no Kafka client, so that it can be small and its fork server's parent clean.
Only for brokers without TLS and SASL; elsewhere the id is unknown, and the group notices by itself who left.

Source: Kafka protocol, Metadata (API key 3), FindCoordinator (10), LeaveGroup (13, KIP-345).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from tidelock.protocol.messages.find_coordinator import FindCoordinatorRequest, FindCoordinatorResponse
from tidelock.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from tidelock.protocol.messages.metadata import MetadataRequest, MetadataResponse

TIMEOUT = 2.0
METADATA, FIND_COORDINATOR, LEAVE_GROUP = 4, 2, 3
"""Versions: not flexible, so the headers are the simplest; every broker since 2.4 has them."""
CLIENT = b"\x00\x08tidelock"
LARGEST_ANSWER = 1 << 20
CORRELATION_ID = 4  # bytes of it, at the head of an answer

Request = MetadataRequest | FindCoordinatorRequest | LeaveGroupRequest
TROUBLE = (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError)


async def cluster_id(bootstrap_servers: str) -> str | None:
    """Return the id of the cluster behind the first address that answers, or None."""
    answer = await _first(bootstrap_servers, MetadataRequest(topics=[]), METADATA)
    if answer is None:
        return None
    return MetadataResponse.decode(answer, METADATA, CORRELATION_ID)[0].cluster_id


async def remove_members(bootstrap_servers: str, group: str, instances: Sequence[str]) -> None:
    """Have static members that ended leave their group, so that it need not wait for their session to end.

    A courtesy: whatever goes wrong, the group finds out by itself.

    Args:
        bootstrap_servers: addresses by comma.
        group: the consumer group.
        instances: their `group.instance.id`.
    """
    question = FindCoordinatorRequest(key=group, key_type=0)
    answer = await _first(bootstrap_servers, question, FIND_COORDINATOR)
    if answer is None:
        return
    found = FindCoordinatorResponse.decode(answer, FIND_COORDINATOR, CORRELATION_ID)[0]
    if found.error_code == 0:
        members = [MemberIdentity(member_id="", group_instance_id=one) for one in instances]
        request = LeaveGroupRequest(group_id=group, members=members)
        await _first(f"{found.host}:{found.port}", request, LEAVE_GROUP)


async def _first(addresses: str, request: Request, version: int) -> bytes | None:
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        with contextlib.suppress(*TROUBLE):
            async with asyncio.timeout(TIMEOUT):
                return await _ask(host.strip("[]"), int(port), request, version)
    return None


async def _ask(host: str, port: int, request: Request, version: int) -> bytes:
    """Return the answer, with the correlation id at its head."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        body = bytearray(request.API_KEY.to_bytes(2, "big") + version.to_bytes(2, "big"))
        body += bytes((0, 0, 0, 1)) + CLIENT
        request.encode(version, body)
        writer.write(len(body).to_bytes(4, "big") + body)
        size = int.from_bytes(await reader.readexactly(4), "big")
        if not CORRELATION_ID <= size <= LARGEST_ANSWER:
            raise ValueError(f"an answer of {size} bytes")
        return await reader.readexactly(size)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
