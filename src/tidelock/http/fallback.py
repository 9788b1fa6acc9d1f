"""Fallbacks: what answers when a service cannot. No IO.

`fallback` is an implementation of the interface (a cache, an empty answer); it is asked when nobody could
carry out the call: no instance, breaker open, no connection, no answer in time, 5xx. It is not asked when the
service answered and said no (4xx, the error map), nor when the call may have been carried out (InDoubt):
an answer from a cache would hide that. `fallback_factory` is called with every CallError, InDoubt and 4xx
included, and returns an implementation or None. A method that the implementation does not override has no
fallback.

Source: Spring Cloud OpenFeign `fallback`, `fallbackFactory`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tidelock.errors import UsageError
from tidelock.http.declarative import api_of, declared_function
from tidelock.http.errors import CallError, DecodeFailed, InDoubt, StatusError

Factory = Callable[[CallError], Any]


class Fallback:
    """Finds the method that answers instead.

    Args:
        interface: the interface.
        blocking: whether its methods must be plain functions.
        implementation: an object of a subclass of the interface, or None.
        factory: makes one for an error, or None.

    Raises:
        UsageError: the implementation is none, or of the other flavour.
    """

    def __init__(
        self, interface: type, blocking: bool, implementation: object | None, factory: Factory | None
    ) -> None:
        self._interface = interface
        self._blocking = blocking
        self._implementation = implementation
        self._factory = factory
        if implementation is not None:
            for name in api_of(interface).routes:
                self._method(implementation, name)

    def method(self, name: str, error: CallError) -> Callable[..., Any] | None:
        """Return what answers instead, or None when the error is to be raised.

        Raises:
            UsageError: the factory made something that is no implementation, or of the other flavour.
        """
        if self._factory is not None:
            made = self._factory(error)
            found = None if made is None else self._method(made, name)
            if found is not None:
                return found
        if self._implementation is not None and cannot_answer(error):
            return self._method(self._implementation, name)
        return None

    def _method(self, implementation: object, name: str) -> Callable[..., Any] | None:
        kind = type(implementation)
        if not issubclass(kind, self._interface):
            raise UsageError(f"the fallback {kind.__qualname__} is no {self._interface.__qualname__}")
        function = getattr(kind, name)
        if function is declared_function(self._interface, name):
            return None
        if inspect.iscoroutinefunction(function) is self._blocking:
            wanted = "a plain function" if self._blocking else "async"
            raise UsageError(f"the fallback {kind.__qualname__}.{name} is not {wanted}")
        found: Callable[..., Any] = getattr(implementation, name)
        return found


def cannot_answer(error: CallError) -> bool:
    """Whether nobody could carry out the call, as against: it was, it may have been, or it was refused."""
    if isinstance(error, StatusError):
        return error.status >= 500
    return not isinstance(error, (InDoubt, DecodeFailed))
