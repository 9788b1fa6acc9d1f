"""What one instance's process is told, as the first line over its control socket."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict, dataclass

RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Assignment:
    """One instance.

    Args:
        app: `module:attribute`.
        name: the service's.
        host: the address to listen on.
        port: kept for it by the parent, which does not listen.
        registry: URL ending in /eureka/; None leaves it to the environment.
        is_factory: whether the attribute returns the application when it is called.
        drain: seconds to wait for callers to know that it leaves.
        grace: seconds for requests in flight at the end.
    """

    app: str
    name: str
    host: str
    port: int
    registry: str | None = None
    is_factory: bool = False
    drain: float = 1.0
    grace: float = 10.0

    def line(self) -> bytes:
        """Return it as the line that is sent."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, control: socket.socket) -> Assignment:
        """Read the line that the parent sends first.

        Raises:
            EOFError: the parent ended before.
        """
        line = b""
        while not line.endswith(b"\n"):
            chunk = control.recv(RECEIVE_BYTES)
            if not chunk:
                raise EOFError("the parent ended before it said what to serve")
            line += chunk
        return cls(**json.loads(line))
