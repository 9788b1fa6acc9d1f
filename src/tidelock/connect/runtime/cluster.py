"""Small questions to a cluster, nothing kept open: its id, members that left.

The worker's own process holds no Kafka client, so that it can be small and its fork server's parent clean.
A courtesy each: where the cluster is away, or secured in a way that our own connections do not speak, the id
is unknown, and the group notices by itself who left.

Source: Kafka protocol, Metadata (API key 3), FindCoordinator (10), LeaveGroup (13, KIP-345).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from tidelock.client.wire import Cluster
from tidelock.connect.runtime.kafka import security_of
from tidelock.errors import TidelockError
from tidelock.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity

TIMEOUT = 5.0
LEAVE_GROUP = 3  # the first version that names several members


async def cluster_id(properties: Mapping[str, object]) -> str | None:
    """Return the id of the cluster, or None.

    Args:
        properties: the worker's keys, or those of one of its clients; addresses and security count.
    """
    with suppress(TidelockError, TimeoutError):
        async with _reached(properties) as cluster:
            await cluster.metadata()
            return cluster.id
    return None


async def remove_members(properties: Mapping[str, object], group: str, instances: Sequence[str]) -> None:
    """Have static members that ended leave their group, so that it need not wait for their session to end.

    Args:
        properties: see `cluster_id`.
        group: the consumer group.
        instances: their `group.instance.id`.
    """
    members = [MemberIdentity(member_id="", group_instance_id=one) for one in instances]
    request = LeaveGroupRequest(group_id=group, members=members)
    with suppress(TidelockError, TimeoutError):
        async with _reached(properties) as cluster:
            coordinator = await cluster.coordinator(group)
            await coordinator.call(request, LEAVE_GROUP, LeaveGroupResponse, TIMEOUT)


@asynccontextmanager
async def _reached(properties: Mapping[str, object]) -> AsyncIterator[Cluster]:
    bootstrap = str(properties.get("bootstrap.servers", "localhost:9092"))
    cluster = Cluster(bootstrap, "tidelock", timeout=TIMEOUT, security=security_of(properties))
    try:
        async with asyncio.timeout(TIMEOUT):
            yield cluster
    finally:
        await cluster.close()
