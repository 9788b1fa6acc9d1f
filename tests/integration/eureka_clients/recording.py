"""A way to a registry that notes what is asked and how it is answered: `GET /eureka/apps/ 200`."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@contextlib.asynccontextmanager
async def recorded(url: str) -> AsyncIterator[tuple[str, list[tuple[str, str, int]]]]:
    """Yield a URL that leads to a registry, and the list of (method, path, status) that grows meanwhile."""
    host, _, port = url.removeprefix("http://").partition(":")
    seen: list[tuple[str, str, int]] = []
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        there, thither = await asyncio.open_connection(host, int(port))
        asked: list[tuple[str, str]] = []

        async def back() -> None:
            while data := await there.read(1 << 20):
                found = STATUS.match(data)
                if found is not None and asked:
                    method, target = asked.pop(0)
                    seen.append((method, target, int(found[1])))
                writer.write(data)
            writer.close()

        answers = asyncio.create_task(back())
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 20):
                found = REQUEST.match(data)
                if found is not None:
                    asked.append((found[1].decode(), found[2].decode()))
                thither.write(data)
        thither.close()
        with contextlib.suppress(OSError):
            await answers
        tasks.discard(task)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
