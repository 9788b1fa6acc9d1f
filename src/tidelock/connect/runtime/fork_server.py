"""The fork server: a process that has imported everything a task needs, and forks one process per task.

    python -m tidelock.connect.runtime.fork_server FD

It is single-threaded, never makes a Kafka client or a database connection, and freezes its heap before the
first fork, so a task costs 1-3 MB of private memory and starts in milliseconds. Requests come over the Unix
socket FD: four bytes of length and JSON, with the task's end of its wire attached; the answers are lines,
{"pid": n} and later {"exited": pid, "status": n}. End of file means that the worker is gone: it ends, and so
do the tasks by themselves.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import selectors
import signal
import socket
import sys
from typing import Any

from tidelock.client import library
from tidelock.config import Settings
from tidelock.connect.runtime.channel import encode
from tidelock.connect.runtime.task_process import run_task

HEADER = 4
OURS = "tidelock."
SHARED = (  # what every task needs, so that all share its pages; no client is made here
    "confluent_kafka",
    "confluent_kafka.admin",  # the library imports it with the first assignment of partitions
    "encodings.idna",
    "tidelock.connect.converters.json",
    "tidelock.connect.converters.simple_header",
    "tidelock.connect.converters.string",
)


def main(descriptor: int) -> None:
    """Serve until the worker closes its end."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to everybody; the worker ends us, last
        signal.signal(number, signal.SIG_IGN)
    channel = socket.socket(fileno=descriptor)
    wakeup, waker = socket.socketpair()
    for end in (wakeup, waker):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    for module in SHARED:
        importlib.import_module(module)
    library.warm_up()
    _freeze()
    channel.sendall(encode({"ready": os.getpid()}))
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(wakeup, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is wakeup:
                    _drain(wakeup)
                elif not _serve_one(channel, (wakeup, waker)):
                    return
            _reap(channel)


def _serve_one(channel: socket.socket, private: tuple[socket.socket, ...]) -> bool:
    """Fork for one request; False at the end of the channel."""
    head, descriptors, _, _ = socket.recv_fds(channel, HEADER, 1)
    if not head:
        return False
    head += _exactly(channel, HEADER - len(head))
    spec: dict[str, Any] = importlib.import_module("json").loads(
        _exactly(channel, int.from_bytes(head, "big"))
    )
    [descriptor] = descriptors
    module = spec["module"]
    if module.startswith(OURS) and module not in sys.modules:
        importlib.import_module(module)  # once for all tasks; a third party's only in its own process
        _freeze()
    pid = os.fork()
    if pid == 0:
        _become_task(spec, descriptor, (channel, *private))
    os.close(descriptor)
    channel.sendall(encode({"pid": pid}))
    return True


def _freeze() -> None:
    """Make what each task would make for itself, and keep the collector from writing to all of it."""
    _describe(Settings)
    gc.collect()
    gc.freeze()


def _describe(kind: type[Settings]) -> None:
    for one in kind.__subclasses__():
        one.describe()
        _describe(one)


def _become_task(spec: dict[str, Any], descriptor: int, private: tuple[socket.socket, ...]) -> None:
    """In the child: leave everything of the server behind, run, end. Never returns."""
    code = 70  # EX_SOFTWARE, if even the supervisor's own code fails
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for one in private:
            one.close()
        with contextlib.suppress(OSError):
            _set_title(f"{spec['kind']}-{spec['task']}")
        code = run_task(spec, socket.socket(fileno=descriptor))
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _set_title(title: str) -> None:
    """Name the process in ps and top, where the system allows it (15 bytes)."""
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(f"tl-{title}"[:15])


def _reap(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        channel.sendall(encode({"exited": pid, "status": os.waitstatus_to_exitcode(status)}))


def _drain(wakeup: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while wakeup.recv(4096):
            pass


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = channel.recv(size - len(parts))
        if not part:
            raise EOFError("the worker ended in the middle of a request")
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the worker is gone
        main(int(sys.argv[1]))
