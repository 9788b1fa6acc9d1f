"""Which status an instance gets: the rules as one table, first match wins. No IO, no clock.

The registry asks on every registration and every heartbeat. What surprises users follows from the third rule:
an instance cannot put itself OUT_OF_SERVICE by registering again; only the status operation does that.
May import only `instance`.

Source: Netflix `com.netflix.eureka.registry.rule` (DownOrStartingRule, OverrideExistsRule, LeaseExistsRule,
AlwaysMatchInstanceStatusRule) in the order of `PeerAwareInstanceRegistryImpl`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tidelock.discovery.instance import Status

QUESTIONED = (Status.UP, Status.OUT_OF_SERVICE)
"""What an instance says about itself is believed, except these two: an operator may know better."""


class Question(NamedTuple):
    """What the rules look at."""

    sent: Status
    override: Status | None
    existing: Status | None
    is_replica: bool


class Rule(NamedTuple):
    """One row of the table."""

    name: str
    answer: Callable[[Question], Status | None]
    why: str


RULES: tuple[Rule, ...] = (
    Rule(
        "DownOrStarting",
        lambda q: q.sent if q.sent not in QUESTIONED else None,
        "DOWN, STARTING and UNKNOWN are believed: the instance knows that it cannot work",
    ),
    Rule(
        "OverrideExists",
        lambda q: q.override,
        "an operator's override beats what the instance says",
    ),
    Rule(
        "LeaseExists",
        lambda q: q.existing if not q.is_replica and q.existing in QUESTIONED else None,
        "the instance itself does not move between UP and OUT_OF_SERVICE; a peer's word does",
    ),
    Rule("AlwaysMatch", lambda q: q.sent, "nothing speaks against what the instance says"),
)


def decide(question: Question) -> Status:
    """Return the status that the first matching rule gives."""
    for rule in RULES:
        status = rule.answer(question)
        if status is not None:
            return status
    raise AssertionError("the last rule always matches")
