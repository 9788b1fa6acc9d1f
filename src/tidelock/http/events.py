"""What a caller tells: a call is over, an instance is ejected, a breaker changed its state.

Metrics, logs and pages subscribe with `observe`.
"""

from __future__ import annotations

import msgspec

from tidelock.discovery.instance import Instance
from tidelock.http.breaker import State


class Called(msgspec.Struct, frozen=True, gc=False):
    """Event: a logical call is over.

    Attributes:
        service: as the caller says it.
        method: as "GET /orders/{id}".
        instance: of the last attempt; None when none was made.
        attempts: how many were made.
        status: of the answer; None when there was none.
        error: the code of the error, as "TID-403"; None when there was an answer.
        seconds: from the call to its end.
    """

    service: str
    method: str
    instance: Instance | None
    attempts: int
    status: int | None
    error: str | None
    seconds: float


class Ejected(msgspec.Struct, frozen=True):
    """Event: an instance gets no calls for `seconds`."""

    service: str
    instance: Instance
    reason: str
    seconds: float


class BreakerChanged(msgspec.Struct, frozen=True):
    """Event: a circuit breaker changed its state."""

    service: str
    method: str
    state: State
