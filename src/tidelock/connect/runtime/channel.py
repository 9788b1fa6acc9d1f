"""The wire between the worker and its task processes: one JSON object per line over a Unix socket pair.

    worker -> task   {"do": "pause" | "resume" | "stop" | "where" | "log_level"} {"reply": 7, "value": ...}
                     {"reply": 7, "error": {"what": ..., "where": ..., "hint": ...}}
    task -> worker   {"event": "running" | "paused" | "waiting" | "failed" | "topic" | "progress", ...}
                     {"ask": "read_offsets" | "store_offsets" | "admit" | "confirm", "id": 7, ...}

Either side's end of file means that the other process is gone: the worker sees a death at once, and a task
never outlives its worker. This module has the task's side; processes.py has the worker's.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from tidelock.connect.api import ConnectError
from tidelock.connect.runtime.loggers import apply_level

STACK_LINES = 5
LIMIT = 1 << 26  # bytes of one line; a connector's whole configuration or a trace fits many times


def _main_stack() -> str:
    """Return where the main thread is now, the innermost lines."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    return "" if frame is None else "".join(traceback.format_stack(frame)[-STACK_LINES:])


class WorkerRefused(ConnectError):
    """The worker could not store or read a task's offsets, or does not let it begin; the text is its own."""

    code = "TID-512"


def encode(message: dict[str, Any]) -> bytes:
    """Return the line of a message."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Control:
    """A task's end of the wire: requests of the worker become flags that the task's loop looks at.

    Args:
        sock: this process's end.
        on_orphaned: called, in the reading thread, when the worker is gone.
        is_paused: begin paused.
    """

    def __init__(
        self, sock: socket.socket, on_orphaned: Callable[[], None], *, is_paused: bool = False
    ) -> None:
        self._sock = sock
        self._on_orphaned = on_orphaned
        self._sending = threading.Lock()
        self._replies: queue.Queue[Any] = queue.Queue()
        self._asked = 0
        self.stopping = threading.Event()
        self.is_paused = is_paused
        threading.Thread(target=self._read, name="control", daemon=True).start()

    def tell(self, event: str, **details: Any) -> None:
        """Send an event; a worker that is gone is noticed by the reading thread."""
        self._send({"event": event, **details})

    def ask(self, what: str, **details: Any) -> Any:
        """Ask the worker for something and wait for the answer.

        Raises:
            ConnectionError: the worker is gone.
            WorkerRefused: the worker could not do it.
        """
        self._asked += 1
        self._send({"ask": what, "id": self._asked, **details})
        answer = self._replies.get()
        if answer is None:
            raise ConnectionError("the worker is gone")
        if "error" in answer:
            raise WorkerRefused(**answer["error"])
        return answer["value"]

    def _send(self, message: dict[str, Any]) -> None:
        try:
            with self._sending:
                self._sock.sendall(encode(message))
        except OSError:
            self.stopping.set()

    def _read(self) -> None:
        try:
            with self._sock.makefile("rb") as lines:
                for line in lines:
                    self._take(json.loads(line))
        except OSError:
            pass  # a reset is the end of the worker as well
        self.stopping.set()
        self._replies.put(None)
        self._on_orphaned()

    def _take(self, message: dict[str, Any]) -> None:
        if "reply" in message:
            self._replies.put(message)
        elif message["do"] == "stop":
            self.stopping.set()
        elif message["do"] == "where":
            self.tell("where", stack=_main_stack())
        elif message["do"] == "log_level":
            apply_level(message["logger"], message["level"])
        else:
            self.is_paused = message["do"] == "pause"
