"""Spring's Eureka server as the registry's original; `make engines` builds it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.engines.spring import EUREKA


def find() -> Path:
    """Return the server's jar, or raise Unavailable with the reason a skipped test shows."""
    return EUREKA.find()


def server(
    port: int,
    *,
    peers: Sequence[str] = (),
    heap: str = "256m",
    warms_up: bool = False,
    cache_ms: int | None = None,
) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    """Run the server until the block ends.

    Args:
        port: where it listens on 127.0.0.1.
        peers: URLs of other registries.
        heap: -Xmx.
        warms_up: for rates, see `Project.started`.
        cache_ms: how old its lists may be; 30 s when None, Java's default.
    """
    environment = {"PEERS": ",".join(peers)} if peers else {}
    if cache_ms is not None:
        environment["EUREKA_SERVER_RESPONSECACHEUPDATEINTERVALMS"] = str(cache_ms)
    return EUREKA.started(port, environment, heap=heap, warms_up=warms_up)
