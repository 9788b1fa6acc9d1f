"""One request as the APIs see it: who asks, which version, when; and how its answer is framed."""

from __future__ import annotations

from dataclasses import dataclass

from tidelock.broker.instant import Instant
from tidelock.broker.state import Chunks
from tidelock.protocol.frame import encode_response
from tidelock.protocol.primitives import Message


@dataclass(slots=True)
class Call:
    """The request's header and circumstances.

    Args:
        client_host: the peer's address, as DescribeGroups shows it, e.g. "/127.0.0.1".
    """

    version: int
    correlation_id: int
    client_id: str
    client_host: str
    now: Instant

    def framed(self, response: Message) -> Chunks:
        """The whole response frame in this request's version."""
        return [encode_response(response, self.version, self.correlation_id)]
