"""The Python clients that `calls` compares with; run in the environment that `make peers` makes.

    .peers/bin/python -m bench.call_peers NAME CONCURRENCY PORT...

Each gets the same order and decodes it into a typed object, with a time limit of 2 s and without a limit on
connections; none has retries, breaker or balancing. May import `calling` and nothing of tidelock, which is
not installed there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pydantic

from bench.calling import Order, Peer, answer

PATH = "/orders/42"


class PydanticLine(pydantic.BaseModel):
    sku: str
    quantity: int
    price: float


class PydanticOrder(pydantic.BaseModel):
    id: int
    customer: str
    country: str
    total: float
    lines: list[PydanticLine]


def url(ports: list[int]) -> str:
    return f"http://127.0.0.1:{ports[0]}"


@contextlib.asynccontextmanager
async def aiohttp_session(**options: Any) -> AsyncIterator[Any]:
    import aiohttp

    timeout, connector = aiohttp.ClientTimeout(total=2.0), aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, **options) as session:
        yield session


@contextlib.asynccontextmanager
async def aiohttp_msgspec(ports: list[int]) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    decode, target = msgspec.json.Decoder(Order).decode, url(ports) + PATH
    async with aiohttp_session() as session:

        async def call() -> Order:
            async with session.get(target) as response:
                response.raise_for_status()
                return decode(await response.read())

        yield call


@contextlib.asynccontextmanager
async def meatie(ports: list[int]) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    from meatie import endpoint
    from meatie_aiohttp import Client

    class Orders(Client):  # type: ignore[misc]  # untyped
        @endpoint("/orders/{id}")
        async def get(self, id: int) -> PydanticOrder:
            raise NotImplementedError

    async with aiohttp_session(base_url=url(ports)) as session, Orders(session) as orders:
        yield lambda: orders.get(42)


@contextlib.asynccontextmanager
async def uplink_aiohttp(ports: list[int]) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    import uplink

    async with aiohttp_session() as session:
        orders = uplink_orders()(base_url=url(ports), client=uplink.AiohttpClient(session))
        yield lambda: orders.get(42)


@contextlib.contextmanager
def uplink_requests(ports: list[int]) -> Iterator[Callable[[], Any]]:
    orders = uplink_orders()(base_url=url(ports))
    yield lambda: orders.get(42)


def uplink_orders() -> Any:
    import uplink

    class Orders(uplink.Consumer):  # type: ignore[misc]  # untyped
        def get(self, id):  # type: ignore[no-untyped-def]  # uplink reads annotations
            pass

        get.__annotations__.update({"id": uplink.Path, "return": PydanticOrder})
        get = uplink.returns.json(uplink.get("/orders/{id}")(get))

    return Orders


@contextlib.asynccontextmanager
async def httpx2_pydantic(ports: list[int]) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    import httpx2

    target = url(ports) + PATH
    async with httpx2.AsyncClient(timeout=2.0, limits=httpx2.Limits(max_connections=None)) as client:

        async def call() -> PydanticOrder:
            response = await client.get(target)
            response.raise_for_status()
            return PydanticOrder.model_validate_json(response.content)

        yield call


@contextlib.contextmanager
def httpx2_blocking(ports: list[int]) -> Iterator[Callable[[], Any]]:
    import httpx2

    target, decode = url(ports) + PATH, msgspec.json.Decoder(Order).decode
    with httpx2.Client(timeout=2.0, limits=httpx2.Limits(max_connections=None)) as client:

        def call() -> Order:
            response = client.get(target)
            response.raise_for_status()
            return decode(response.content)

        yield call


@contextlib.asynccontextmanager
async def clientele(ports: list[int]) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    from clientele import api

    client = api.APIClient(base_url=url(ports))

    async def get(id: int, result: Any) -> Any:
        return result

    get.__annotations__.update({"id": int, "result": PydanticOrder, "return": PydanticOrder})
    call = client.get("/orders/{id}")(get)
    yield lambda: call(id=42)
    await client.aclose()


@contextlib.contextmanager
def clientele_blocking(ports: list[int]) -> Iterator[Callable[[], Any]]:
    from clientele import api

    client = api.APIClient(base_url=url(ports))

    def get(id: int, result: Any) -> Any:
        return result

    get.__annotations__.update({"id": int, "result": PydanticOrder, "return": PydanticOrder})
    call = client.get("/orders/{id}")(get)
    yield lambda: call(id=42)
    client.close()


PEERS = {
    "aiohttp + msgspec": Peer(aiohttp_msgspec),
    "meatie + aiohttp": Peer(meatie),
    "httpx2 + pydantic": Peer(httpx2_pydantic),
    "clientele": Peer(clientele),
    "uplink + aiohttp": Peer(uplink_aiohttp),
    "httpx2, blocking": Peer(httpx2_blocking, None),
    "clientele, blocking": Peer(clientele_blocking, None),
    "uplink + requests": Peer(uplink_requests, None),
}


if __name__ == "__main__":
    answer(PEERS)
