"""The interface that the tests share: what a real one looks like, in the three kinds of models."""

from __future__ import annotations

import datetime
import uuid
from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import msgspec
import pydantic

from tidelock import http
from tidelock.http.declarative import Marker, Place


class Kind(Enum):
    BOOK = "book"
    TOY = "toy"


class Order(msgspec.Struct):
    id: int
    customer: str
    total: float = 0.0


@dataclass
class Line:
    sku: str
    quantity: int


class Customer(pydantic.BaseModel):
    name: str
    age: int = pydantic.Field(ge=0)


class OutOfStock(Exception):
    """409."""


class Gone(http.StatusError):
    """410."""

    code = "TID-999"


@http.api("order-service", path="/orders", timeout=2.0, errors={409: OutOfStock})
class Orders:
    @http.get("/{id}")
    async def get(self, id: int) -> Order | None:
        raise NotImplementedError

    @http.get()
    async def search(
        self,
        customer: str,
        page: int = 0,
        tags: list[str] | None = None,
        since: datetime.date | None = None,
        *,
        tenant: http.Header[str] = "eu",
        trace: Annotated[str | None, Marker(Place.HEADER, "X-Trace")] = None,
    ) -> list[Order]:
        raise NotImplementedError

    @http.post(idempotent=True, timeout=9.0, errors={410: Gone})
    async def place(self, order: Order) -> Order:
        raise NotImplementedError

    @http.post("/{id}/lines")
    async def add(self, id: int, lines: list[Line]) -> None:
        raise NotImplementedError

    @http.put("/{id}/customer")
    async def customer(self, id: uuid.UUID, customer: Customer, kind: Kind = Kind.BOOK) -> Customer:
        raise NotImplementedError

    @http.get("/{id}/label.pdf")
    async def label(self, id: str) -> bytes:
        raise NotImplementedError

    @http.delete("/{id}")
    async def cancel(self, id: int, idempotency_key: http.Header[str | None] = None) -> http.Response:
        raise NotImplementedError

    @http.patch("/ids")
    async def patch_ids(self, ids: http.Body[list[int]]) -> dict[str, int]:
        raise NotImplementedError
