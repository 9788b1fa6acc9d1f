"""What one caller knows about one instance, and the keys by which instances say things. No IO, no clock."""

from __future__ import annotations

from collections.abc import Callable

from tidelock.discovery.instance import Instance

Draw = Callable[[], float]
"""Uniform in [0, 1)."""

CONTEXT_PATH = "context-path"
"""Metadata key: the path under which the instance serves everything, as in `http://host/base`."""

HINT = "hint"
"""Metadata key of Spring Cloud LoadBalancer: calls with the same hint prefer the instance."""

WEIGHT = "weight"
"""Metadata key of Spring Cloud LoadBalancer: a whole number, 1 where it is missing or is none."""


class Peer:
    """One instance as seen by one caller; changed only by `Peers` and, for `in_flight`, by the flow.

    Attributes:
        connect_timeout: seconds for a new connection to it.
        latency: what a picker has learned, in seconds; `measured_at` says when.
        window_calls, window_failures, window_until: what the failure percentage is taken from.
        ramp_from: monotonic seconds at which it began to warm up; None when it is warm.
    """

    __slots__ = (
        "address",
        "authority",
        "connect_timeout",
        "ejected_until",
        "ejections",
        "failures",
        "in_flight",
        "instance",
        "latency",
        "measured_at",
        "prefix",
        "ramp_from",
        "refused",
        "window_calls",
        "window_failures",
        "window_until",
    )

    def __init__(self, instance: Instance, connect_timeout: float = 1.0) -> None:
        self.instance = instance
        self.connect_timeout = connect_timeout
        host, port = instance.address
        self.address = (host, port, instance.is_secure)
        self.authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if host.startswith("/"):  # a socket's path is no host; servers expect some name
            self.authority = "localhost"
        self.prefix = instance.metadata.get(CONTEXT_PATH, "")
        self.in_flight = 0
        self.failures = 0
        self.ejections = 0
        self.ejected_until = 0.0
        self.refused = False
        self.latency = 0.0
        self.measured_at = 0.0
        self.ramp_from: float | None = None
        self.window_calls = self.window_failures = 0
        self.window_until = 0.0

    def ready(self, now: float) -> bool:
        """Whether it may get a call: not ejected, and on probation only when it has none."""
        return not self.ejections or (now >= self.ejected_until and not self.in_flight)

    @property
    def weight(self) -> int:
        """Its share of the calls relative to others, as its metadata says."""
        text = self.instance.metadata.get(WEIGHT, "1")
        return int(text[:9]) if text.isascii() and text.isdigit() else 1

    def renewed(self, instance: Instance) -> Peer:
        """Take over newer data; an instance that changed after it was ejected may prove itself at once."""
        if self.ejections and instance.last_dirty_timestamp != self.instance.last_dirty_timestamp:
            self.ejected_until = 0.0
        self.instance = instance
        self.prefix = instance.metadata.get(CONTEXT_PATH, "")
        return self
