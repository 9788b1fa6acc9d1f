"""Which topics a consumer group's members are subscribed to, read from what they said when they joined."""

from __future__ import annotations

from struct import Struct

from tidelock.broker.groups.state import CONSUMER, Group
from tidelock.protocol.messages.consumer_protocol_subscription import ConsumerProtocolSubscription
from tidelock.protocol.primitives import MalformedMessage

_version = Struct(">h").unpack_from


def subscribed_topics(group: Group) -> set[str]:
    """The topics of every member under the group's protocol; a member that says nonsense counts for none.

    Source: Kafka `ClassicGroup.computeSubscribedTopics`.
    """
    if group.protocol_type != CONSUMER or group.protocol is None:
        return set()
    topics: set[str] = set()
    for member in group.members.values():
        topics.update(_topics(member.metadata(group.protocol)))
    return topics


def _topics(metadata: bytes) -> list[str]:
    if len(metadata) < 2:
        return []
    (version,) = _version(metadata)
    # A newer version only appends fields, so it can be read as the newest known one.
    known = max(0, min(version, ConsumerProtocolSubscription.MAX_VERSION))
    try:
        subscription, _ = ConsumerProtocolSubscription.decode(metadata, known, 2)
    except MalformedMessage:
        return []
    return list(subscription.topics)
