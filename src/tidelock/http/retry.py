"""Retry rules: what may be sent again, when, and within which budget. No IO, no clock.

Three rules, in this order. *May* it be repeated: yes when nothing was sent, or when the call is idempotent
and the outcome is a broken connection or one of `RETRY_STATUSES`. *How often*: `max_attempts` in all. *Is
there budget*: every call deposits a fraction of a retry, so that a service that fails cannot be hit by more
than about 1.2 times the calls; an attempt of which nothing was sent costs nothing, since it did not load
anybody.

Source: Finagle `RetryBudget` (deposit, reserve per second); "full jitter" of the AWS Architecture Blog;
RFC 9110, 9.2.2 (idempotent methods) and 10.2.3 (Retry-After).
"""

from __future__ import annotations

import email.utils
from collections.abc import Callable

from tidelock.config import Settings, key
from tidelock.http.exchange import Response

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"})
"""RFC 9110, 9.2.2, and QUERY of draft-ietf-httpbis-safe-method-w-body."""

RETRY_STATUSES = frozenset({502, 503, 504})
"""The service, or a proxy before it, says that this instance cannot answer now; another may."""


class RetrySettings(Settings):
    """How calls are repeated; durations are seconds."""

    max_attempts: int = key(
        default=3, name="maxAttempts", at_least=1, doc="Attempts that may reach a server, the first included."
    )
    base_delay: float = key(
        default=0.025, name="baseDelay", at_least=0, doc="Upper bound of the first pause; doubles each time."
    )
    max_delay: float = key(default=1.0, name="maxDelay", at_least=0, doc="Upper bound of any pause.")
    budget_ratio: float = key(
        default=0.2, name="budgetRatio", at_least=0, at_most=1, doc="Retries per call in the long run."
    )
    budget_floor: float = key(
        default=3.0, name="budgetFloor", at_least=0, doc="Retries per second that are always allowed."
    )


class Budget:
    """How many retries a caller may still send to a service."""

    __slots__ = ("_floor", "_ratio", "_refilled_at", "_reserve", "_tokens")

    CAP = 100.0
    """Tokens; a long quiet time must not pay for a storm (Finagle: deposits expire after 10 s)."""

    START = 10.0
    """Tokens; an instance may die right after the start."""

    def __init__(self, ratio: float, floor: float) -> None:
        self._ratio = ratio
        self._floor = floor
        self._tokens = self.START if ratio else 0.0
        self._reserve = floor
        self._refilled_at = 0.0

    def deposit(self) -> None:
        """Count one logical call."""
        tokens = self._tokens + self._ratio
        self._tokens = tokens if tokens < self.CAP else self.CAP

    def withdraw(self, now: float) -> bool:
        """Take one retry, if there is one left.

        Args:
            now: monotonic seconds.
        """
        refill = (now - self._refilled_at) * self._floor
        self._reserve = min(self._floor, self._reserve + refill)
        self._refilled_at = now
        if self._reserve >= 1.0:
            self._reserve -= 1.0
            return True
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        return False

    @property
    def tokens(self) -> float:
        """Retries that are left, without the floor."""
        return self._tokens


def backoff(settings: RetrySettings, retry: int, draw: Callable[[], float]) -> float:
    """Return the pause before a retry in seconds: uniform between 0 and an exponentially growing bound.

    Args:
        settings: the bounds.
        retry: 1 for the first.
        draw: uniform in [0, 1).
    """
    bound = min(settings.max_delay, settings.base_delay * 2.0 ** min(retry - 1, 30))
    return bound * draw()


def retry_after(response: Response) -> float | None:
    """Return how many seconds the server asks to wait, or None when it does not ask.

    A date is read relative to the answer's own `Date`, so that the two machines' clocks need not agree.
    """
    text = response.header("retry-after")
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text[:9])
    try:
        then = email.utils.parsedate_to_datetime(text)
        sent = email.utils.parsedate_to_datetime(response.header("date") or "")
        return max(0.0, (then - sent).total_seconds())
    except (ValueError, TypeError):
        return None
