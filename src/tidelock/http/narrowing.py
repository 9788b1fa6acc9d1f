"""Who is asked at all: a subset of many, the hinted, the near, the warm, the one that a key belongs to. Pure.

Each rule takes candidates and returns candidates, never none of some.

Source: Spring Cloud LoadBalancer `HintBasedServiceInstanceListSupplier`; Envoy zone-aware routing (spill-over
by healthy share, overprovisioning factor 1.4) and slow start; Thaler and Ravishankar, "Using name-based
mappings to increase hit rates" (highest random weight); Google, "Site Reliability Engineering", chapter 20
(subsetting).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tidelock.discovery.instance import Instance
from tidelock.http.peer import HINT, Draw, Peer

OVERPROVISIONING = 1.4
"""A zone with 72 % of its instances healthy still takes all its calls (Envoy's default)."""

FIRST_SHARE = 0.1
"""Of its share that a new instance gets at once (Envoy's `min_weight_percent`)."""


def subset(instances: Sequence[Instance], caller: str, size: int) -> Sequence[Instance]:
    """Return `size` instances, always the same for a caller and evenly spread over callers; 0 means all.

    When an instance goes, only its place is filled anew.
    """
    if not size or len(instances) <= size:
        return instances
    return sorted(instances, key=lambda each: _score(caller, each.instance_id), reverse=True)[:size]


def hinted(candidates: Sequence[Peer], hint: str) -> Sequence[Peer]:
    """Return those whose metadata has this hint; all of them when none has."""
    return [peer for peer in candidates if peer.instance.metadata.get(HINT) == hint] or candidates


def nearest(candidates: Sequence[Peer], everyone: Iterable[Peer], zone: str, draw: Draw) -> Sequence[Peer]:
    """Return those of the zone, or, as its healthy share falls below 72 %, more and more often the others.

    Args:
        candidates: who may be asked; at least one.
        everyone: all instances, to know how many of the zone's are missing.
        zone: the caller's.
        draw: uniform in [0, 1).
    """
    near = [peer for peer in candidates if peer.instance.zone == zone]
    if not near or len(near) == len(candidates):
        return candidates
    known = sum(peer.instance.zone == zone for peer in everyone)
    share = OVERPROVISIONING * len(near) / known
    if share >= 1.0 or draw() < share:
        return near
    return [peer for peer in candidates if peer.instance.zone != zone]


def warm(candidates: Sequence[Peer], seconds: float, now: float, draw: Draw) -> Sequence[Peer]:
    """Leave out those that warm up, each with a chance that falls from 90 % to nothing over `seconds`."""
    kept = [peer for peer in candidates if peer.ramp_from is None or draw() < _share(peer, seconds, now)]
    return kept or candidates


def is_warm(peer: Peer, seconds: float, now: float) -> bool:
    """Whether an instance gets its full share."""
    return peer.ramp_from is None or now >= peer.ramp_from + seconds


def owner(candidates: Sequence[Peer], key: str) -> Peer:
    """Return the one that a key belongs to; when one goes, only its keys move."""
    return max(candidates, key=lambda peer: _score(key, peer.instance.instance_id))


def _share(peer: Peer, seconds: float, now: float) -> float:
    if is_warm(peer, seconds, now) or peer.ramp_from is None:
        return 1.0
    return max(FIRST_SHARE, (now - peer.ramp_from) / seconds)


def _score(key: str, name: str) -> bytes:
    return hashlib.blake2b(f"{len(key)}:{key}{name}".encode(), digest_size=8).digest()
