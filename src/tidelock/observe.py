"""Events: what happened, as frozen dataclasses that logs, metrics and traces subscribe to.

A part emits one event per request, batch or state change, never per record. Without a subscriber an
emit is one dictionary look-up. Subscribers must not block; one that raises is reported through
`logging` and does not reach the emitter. Rules (sans-IO code) return what happened; shells emit it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger(__name__)

E = TypeVar("E")

_subscribers: dict[type[Any], list[Callable[[Any], None]]] = {}


def subscribe(event_type: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
    """Call `handler` with each event of exactly this type; returns the function that ends it."""
    handlers = _subscribers.setdefault(event_type, [])
    handlers.append(handler)

    def unsubscribe() -> None:
        if handler in handlers:
            handlers.remove(handler)

    return unsubscribe


def is_heard(event_type: type[Any]) -> bool:
    """Whether anybody subscribes; who tells of every call need not make an event for nobody."""
    return bool(_subscribers.get(event_type))


def emit(event: object) -> None:
    """Hand an event to its subscribers."""
    handlers = _subscribers.get(type(event))
    if not handlers:
        return
    for handler in tuple(handlers):
        try:
            handler(event)
        except Exception:  # an observer's fault must not become the observed part's fault
            log.exception("an event subscriber failed", extra={"event": type(event).__name__})
