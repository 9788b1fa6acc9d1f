"""One interface on four frameworks, called by two clients, with three kinds of models: all cases agree."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.flavours import Flavour
from tests.support.frameworks import FRAMEWORKS, served
from tests.support.shelves import KINDS, Models, Taken, cases, interface
from tidelock import http


async def outcome(call: Any) -> Any:
    try:
        return await call
    except Taken as error:
        return f"Taken: {error}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_generated_case_gives_what_the_implementation_gives(framework: str, kind: str) -> None:
    models = Models(kind)
    shelves, here = interface(models)
    implementation = here()

    async def run(client: http.Client) -> None:
        async with client:
            connected: Any = client.connect(shelves)
            for seed in range(3):
                for name, args, named in cases(models, seed):
                    expected = await outcome(getattr(implementation, name)(*args, **named))
                    got = await outcome(getattr(connected, name)(*args, **named))
                    assert got == expected, (name, args, named)

    with served(framework, implementation) as url:
        source = http.StaticSource({"shelves": url})
        for flavour in (Flavour("asyncio"), Flavour("blocking")):
            flavour(run(flavour.client(source)))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_pages_are_followed_to_the_end(framework: str) -> None:
    models = Models("struct")
    shelves, here = interface(models)

    async def run(url: str) -> None:
        async with http.Client(http.StaticSource({"shelves": url})) as client:
            connected = client.connect(shelves)
            assert [box.id async for box in connected.pages(3)] == list(range(7))
            assert [len(each) async for each in connected.pages(3).pages()] == [3, 3, 1]
            first = await connected.pages(100).first()
            assert (len(first.items), first.next) == (7, None)

    with served(framework, here()) as url:
        asyncio.run(run(url))
        with http.connect_blocking(shelves, source=http.StaticSource({"shelves": url})) as connected:
            assert [box.id for box in connected.pages(2)] == list(range(7))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_does_not_fit_is_refused_with_the_reason(framework: str) -> None:
    shelves, here = interface(Models("struct"))
    assert shelves is not here
    with served(framework, here()) as url, http.BlockingClient() as client:
        wrong = client.get(f"{url}/boxes/find?limit=x&owner=o")
        assert (wrong.status, wrong.json()) == (
            422,
            {"detail": "the query: Expected `int`, got `str` - at `$.limit`"},
        )
        assert client.get(f"{url}/boxes/find").status == 422
        assert client.get(f"{url}/boxes/joined?tags=a&ids=1|x").status == 422
        assert client.get(f"{url}/boxes/x").status == 422
        assert client.put(f"{url}/boxes/1", content=b"{").status == 400
        assert (
            client.post(f"{url}/boxes/upload", content=b"x", headers={"content-type": "text/x"}).status == 400
        )
        assert client.post(f"{url}/boxes/login", content=b"roles=a").status == 422
        assert client.post(f"{url}/boxes/login", content=b"x" * 9_000_000).status == 413
        assert client.request("PATCH", f"{url}/boxes/1").status == 405
