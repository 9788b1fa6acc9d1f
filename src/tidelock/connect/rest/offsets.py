"""`/connectors/{name}/offsets`: a source's as its connector knows them, a sink's as its group has them.

Source: Kafka `org.apache.kafka.connect.runtime.rest.resources.ConnectorsResource`, KIP-875.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidelock.connect.rest.routing import Reply, Request, Route
from tidelock.connect.runtime.errors import InvalidConfig
from tidelock.connect.runtime.herder import StandaloneHerder


class OffsetsResource:
    """The handlers; each method's docstring begins with what it answers."""

    def __init__(self, herder: StandaloneHerder) -> None:
        self._herder = herder

    def routes(self) -> Sequence[Route]:
        """Return the table of this resource."""
        path = "/connectors/*/offsets"
        return (
            Route("GET", path, self.offsets),
            Route("PATCH", path, self.alter),
            Route("DELETE", path, self.reset),
        )

    async def offsets(self, request: Request) -> Reply:
        """The offsets that are stored or committed."""
        return Reply(body={"offsets": await self._herder.offsets(request.segments[0])})

    async def alter(self, request: Request) -> Reply:
        """A message; the connector must be stopped."""
        given = await request.json()
        items = given.get("offsets") if isinstance(given, dict) else None
        if not isinstance(items, list) or not items:
            raise InvalidConfig("Partitions / offsets need to be provided for an alter offsets request")
        done = await self._herder.change_offsets(request.segments[0], [_pair(one) for one in items])
        return Reply(body={"message": _changed("altered", done)})

    async def reset(self, request: Request) -> Reply:
        """A message; the connector must be stopped."""
        done = await self._herder.change_offsets(request.segments[0], None)
        return Reply(body={"message": _changed("reset", done)})


def _pair(item: Any) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    partition, offset = (
        (item.get(name) for name in ("partition", "offset")) if isinstance(item, dict) else (0, 0)
    )
    if not isinstance(partition, dict | None) or not isinstance(offset, dict | None):
        raise InvalidConfig('each of offsets is {"partition": {...}, "offset": {...} or null}')
    return partition, offset


def _changed(what: str, is_known: bool) -> str:
    if is_known:
        return f"The offsets for this connector have been {what} successfully"
    return (
        f"The Connect framework-managed offsets for this connector have been {what} successfully. "
        "However, if this connector manages offsets externally, they will need to be manually "
        f"{what} in the system that the connector uses."
    )
