"""FastAPI's document of a mounted interface is the one of the same routes written by hand."""

from __future__ import annotations

from typing import Annotated, Any

import fastapi
import pydantic

from tidelock import http


class Item(pydantic.BaseModel):
    id: int
    tags: list[str] = pydantic.Field(default_factory=list)


class Missing(Exception):
    """410."""


@http.api("items", path="/items", errors={410: Missing})
class Items:
    @http.get("/{id}")
    async def get(self, id: int, *, deep: bool = False, tenant: http.Header[str] = "eu") -> Item:
        """Find an item."""
        raise NotImplementedError

    @http.put("/{id}")
    async def put(self, id: int, item: Item) -> Item | None:
        raise NotImplementedError

    @http.delete("/{id}")
    async def delete(self, id: int) -> None:
        raise NotImplementedError

    @http.get()
    async def find(self, owner: str, limit: int | None = None) -> list[Item]:
        raise NotImplementedError


class Here(Items):
    async def get(self, id: int, *, deep: bool = False, tenant: str = "eu") -> Item:
        return Item(id=id, tags=[tenant] * deep)

    async def put(self, id: int, item: Item) -> Item | None:
        return item if id == item.id else None

    async def delete(self, id: int) -> None:
        """Take an item away."""

    async def find(self, owner: str, limit: int | None = None) -> list[Item]:
        return [Item(id=limit or 0, tags=[owner])]


def by_hand() -> fastapi.FastAPI:
    app = fastapi.FastAPI()
    gone: dict[int | str, dict[str, Any]] = {410: {"description": "Missing"}}

    @app.get("/items/{id}", responses=gone)
    async def get(
        id: Annotated[int, fastapi.Path()],
        deep: bool = False,
        tenant: Annotated[str, fastapi.Header()] = "eu",
    ) -> Item:
        """Find an item."""
        return Item(id=id, tags=[tenant] * deep)

    @app.put("/items/{id}", responses=gone)
    async def put(id: int, item: Item) -> Item:
        if id != item.id:
            raise fastapi.HTTPException(404)  # which is what None means in an interface
        return item

    @app.delete("/items/{id}", responses=gone, status_code=204)
    async def delete(id: int) -> None:
        """Take an item away."""

    @app.get("/items", responses=gone)
    async def find(owner: str, limit: int | None = None) -> list[Item]:
        return [Item(id=limit or 0, tags=[owner])]

    return app


def test_the_documents_are_identical() -> None:
    mounted = fastapi.FastAPI()
    http.mount(mounted, Here())
    assert mounted.openapi() == by_hand().openapi()
