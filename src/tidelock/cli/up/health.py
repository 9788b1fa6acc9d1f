"""Does a part answer: one cheap question in its own protocol, and what its processes weigh."""

from __future__ import annotations

import socket
import struct
from typing import Any

from tidelock.cli.up import processes
from tidelock.cli.up.state import Running

TIMEOUT = 2.0
PATHS = {"registry": "/eureka/apps/delta", "connect": "/"}
_API_VERSIONS_V0 = struct.pack(
    ">ihhih", 10, 18, 0, 1, -1
)  # size, key, version, correlation id, null client id


def of(name: str, running: Running) -> dict[str, Any]:
    """Return the status of one part as a row; "up" is the supervising process itself."""
    pid = running.pids.get(name)
    alive = pid is not None and processes.is_alive(pid, running.started.get(name, 0))
    address = running.addresses.get(name)
    answers = alive and (address is None or does_answer(name, address))
    members = [] if pid is None else [pid] if name == "up" else list(processes.group_members(pid))
    memory = sum(processes.resident_bytes(member) for member in members)
    return {
        "part": name,
        "state": "UP" if answers else "DOWN",
        "pid": pid,
        "processes": len(members),
        "memory_mb": round(memory / 1e6, 1),
        "address": address,
    }


def does_answer(name: str, address: str) -> bool:
    """Ask a part something harmless; True when it gives a sensible answer in time."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=TIMEOUT) as connection:
            if name == "broker":
                connection.sendall(_API_VERSIONS_V0)
                return connection.recv(8)[4:8] == b"\x00\x00\x00\x01"
            request = f"GET {PATHS[name]} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            return connection.recv(16).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
