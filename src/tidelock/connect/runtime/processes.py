"""The worker's side of its task processes: the fork server, and one TaskProcess per task.

asyncio; every death is noticed at once by the end of file on the task's wire, and the fork server tells the
exit code. A fork server that dies is started again with the next task; the tasks it made go on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tidelock.connect.api import ConnectError
from tidelock.connect.runtime.channel import LIMIT, encode
from tidelock.errors import TidelockError

log = logging.getLogger(__name__)

START_TIMEOUT = 30.0
EXIT_STATUS_TIMEOUT = 1.0

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


class ForkServerError(ConnectError):
    """The process that makes the task processes does not start or answer."""

    code = "TID-505"


class TaskProcess:
    """One running task process.

    Args:
        pid: of the process.
        reader: the worker's end of its wire.
        writer: the same.
        exited: resolves to the exit code (negative: the signal), None where nobody can tell.
    """

    def __init__(
        self,
        pid: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        exited: asyncio.Future[int | None],
    ) -> None:
        self.pid = pid
        self._reader = reader
        self._writer = writer
        self._exited = exited

    def tell(self, what: str, **details: Any) -> None:
        """Send a wish: pause, resume, stop, where or log_level; without effect on a process that is gone."""
        self._send({"do": what, **details})

    async def attend(self, on_event: Callable[[dict[str, Any]], None], answer: Answer) -> int | None:
        """Take events and questions until the process ends; returns its exit code, if anybody knows it."""
        with contextlib.suppress(ConnectionError):
            while line := await self._reader.readline():
                message = json.loads(line)
                if "event" in message:
                    on_event(message)
                else:
                    self._send({"reply": message["id"], **await _answered(answer, message)})
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self._exited), EXIT_STATUS_TIMEOUT)
        return None

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            if not self._exited.done():
                os.kill(self.pid, signal.SIGKILL)

    def _send(self, message: dict[str, Any]) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(message))


async def _answered(answer: Answer, question: dict[str, Any]) -> dict[str, Any]:
    """Return an answer, or why there is none: the task that asked waits for one or the other."""
    try:
        return {"value": await answer(question)}
    except TidelockError as error:
        log.error("a task's question %s cannot be answered: %s", question["ask"], error)
        return {"error": {"what": error.what, "where": error.where, "hint": error.hint}}


class ForkServer:
    """Starts task processes; itself started with the first of them, or ahead by `start`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._made: asyncio.Queue[tuple[int, asyncio.Future[int | None]] | None] = asyncio.Queue()
        self._exits: dict[int, asyncio.Future[int | None]] = {}
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """Return when the server is ready to fork.

        Raises:
            ForkServerError: it does not start.
        """
        async with self._lock:
            await self._ensure()

    async def spawn(self, spec: Mapping[str, Any]) -> TaskProcess:
        """Fork a process for a task specification (see task_process.run_task).

        Raises:
            ForkServerError: no process could be made.
        """
        # A request that is given up half-way would leave its answer to the next one.
        return await asyncio.shield(self._spawn(spec))

    async def _spawn(self, spec: Mapping[str, Any]) -> TaskProcess:
        ours, theirs = socket.socketpair()
        try:
            async with self._lock:
                await self._ensure()
                assert self._channel is not None
                body = json.dumps(spec).encode()
                request = len(body).to_bytes(4, "big") + body
                await asyncio.to_thread(_send_with_descriptor, self._channel, request, theirs.fileno())
                made = await self._made.get()
        except OSError as error:
            ours.close()
            raise ForkServerError(f"the fork server does not answer: {error}") from error
        finally:
            theirs.close()
        if made is None:
            ours.close()
            raise ForkServerError("the fork server died; its output is above")
        pid, exited = made
        reader, writer = await asyncio.open_connection(sock=ours, limit=LIMIT)
        return TaskProcess(pid, reader, writer, exited)

    async def stop(self) -> None:
        """End the server; tasks that still run end by themselves when their wire closes."""
        async with self._lock:
            await self._close()

    async def _ensure(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        await self._close()
        ours, theirs = socket.socketpair()
        self._process = await asyncio.to_thread(_launch, theirs)
        theirs.close()
        self._channel = ours.dup()
        self._channel.setblocking(True)
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=LIMIT)
        try:
            ready = await asyncio.wait_for(self._reader.readline(), START_TIMEOUT)
        except TimeoutError:
            ready = b""
        if not ready:
            await self._close()
            raise ForkServerError("the fork server did not start; its output is above")
        self._made = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen(self._reader), name="fork server")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                if "pid" in message:
                    exited = self._exits[message["pid"]] = asyncio.get_running_loop().create_future()
                    self._made.put_nowait((message["pid"], exited))
                elif "exited" in message:
                    future = self._exits.pop(message["exited"], None)
                    if future is not None and not future.done():
                        future.set_result(message["status"])
        for future in self._exits.values():
            if not future.done():
                future.set_result(None)
        self._exits.clear()
        self._made.put_nowait(None)

    async def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
            self._listening = None
        if self._process is not None:
            process, self._process = self._process, None
            await asyncio.to_thread(_end, process)


def _launch(end: socket.socket) -> subprocess.Popen[bytes]:
    """Start a fresh interpreter, not a fork of this one with its threads and clients."""
    command = [sys.executable, "-m", "tidelock.connect.runtime.fork_server", str(end.fileno())]
    return subprocess.Popen(command, pass_fds=[end.fileno()], stdin=subprocess.DEVNULL)


def _send_with_descriptor(channel: socket.socket, request: bytes, descriptor: int) -> None:
    sent = socket.send_fds(channel, [request], [descriptor])
    if sent < len(request):
        channel.sendall(request[sent:])


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(2)  # the closed channel ends it
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
