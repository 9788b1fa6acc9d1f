"""The list of connectors shows what there is to show."""

from __future__ import annotations

import asyncio
from typing import Any

from tidelock.connect.rest.connectors import ConnectorsResource
from tidelock.connect.rest.routing import Request
from tidelock.connect.runtime.errors import UnknownConnector


class Herder:
    """Two connectors; `new` was made a moment ago, and no worker has told its state yet."""

    def connectors(self) -> list[str]:
        return ["old", "new"]

    def status(self, name: str) -> dict[str, Any]:
        if name == "new":
            raise UnknownConnector(f"No status found for connector {name}")
        return {"name": name, "tasks": []}

    def info(self, name: str) -> dict[str, Any]:
        return {"name": name}


def listed(query: bytes) -> Any:
    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    resource = ConnectorsResource(Herder())  # type: ignore[arg-type]  # all that a list asks of it
    return asyncio.run(resource.list(Request({"query_string": query, "headers": []}, receive, ()))).body


def test_names_need_no_status() -> None:
    assert listed(b"") == ["old", "new"]


def test_one_without_a_status_yet_does_not_hide_the_others() -> None:
    assert listed(b"expand=status") == {"old": {"status": {"name": "old", "tasks": []}}}


def test_what_is_asked_for_is_shown() -> None:
    assert listed(b"expand=info") == {
        "old": {"info": {"name": "old"}},
        "new": {"info": {"name": "new"}},
    }
