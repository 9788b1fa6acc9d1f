"""Self-preservation: when expired leases are kept, because the registry's own network may be what broke.

Netflix compares heartbeats of the last whole minute with 85 % of an expected number, which keeps dead
instances for ever in registries of less than a dozen. Our rule counts leases instead: preservation is on
while at least `minimum` leases **and** at least `share` of all leases ended without a heartbeat, counting
those that were evicted within the last minute. An expired lease whose host refuses a connection is proof of
a crash, not of a broken network: it is evicted in any case and not counted. May import nothing of the
house.

Source: Netflix `PeerAwareInstanceRegistryImpl.isLeaseExpirationEnabled` (the rule we replace).
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = 60.0
"""Seconds for which an eviction counts; Netflix counts heartbeats in buckets of a minute."""


@dataclass(frozen=True, slots=True)
class Preservation:
    """The verdict over one registry at one time.

    Args:
        expired: leases over without a heartbeat: those still listed and those evicted within WINDOW.
        leases: all leases, counted alike.
        minimum: fewer than this never count as a broken network.
        share: 0..1; a smaller part never does.
        is_enabled: `eureka.server.enableSelfPreservation`.
    """

    expired: int
    leases: int
    minimum: int = 3
    share: float = 0.15
    is_enabled: bool = True

    @property
    def is_active(self) -> bool:
        """Whether expired leases are kept."""
        return self.is_enabled and self.expired >= self.minimum and self.expired >= self.share * self.leases

    def explain(self) -> str:
        """Say in words, with the two numbers, what is happening and why."""
        if not self.leases:
            return "Nobody is registered, so there is nothing to preserve."
        count = f"{self.expired} of {self.leases} leases ({self.expired / self.leases:.0%})"
        limits = f"it starts at {self.minimum} leases and {self.share:.0%} of all"
        if not self.is_enabled:
            return f"Self-preservation is switched off. {count} ended without a heartbeat and were evicted."
        if self.is_active:
            return (
                f"Self-preservation is ON: {count} ended without a heartbeat ({limits}). So many at once "
                "look like a broken network, so they stay listed, except where the host refuses to connect. "
                "It ends when they renew, leave, or refuse."
            )
        if not self.expired:
            return (
                f"Self-preservation is not active: all {self.leases} leases are renewed in time ({limits})."
            )
        return (
            f"Self-preservation is not active: {count} ended without a heartbeat and were evicted ({limits})."
        )
