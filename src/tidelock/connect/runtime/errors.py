"""What the herder refuses; the REST interface answers each with its status.

Imports tidelock.errors only.

Source: Kafka `org.apache.kafka.connect.runtime.rest.errors.ConnectExceptionMapper`.
"""

from __future__ import annotations

import traceback
from typing import ClassVar

from tidelock.errors import ConflictError, NotFoundError, RefusedError, TidelockError, UsageError


class InvalidConfig(UsageError):
    """A connector's configuration has problems, or a request makes no sense: 400."""

    code = "TID-507"
    status: ClassVar[int] = 400


class UnknownConnector(NotFoundError):
    """No connector or task of that name: 404."""

    code = "TID-508"
    status: ClassVar[int] = 404


class ConnectorExists(ConflictError):
    """A connector of that name is there already: 409."""

    code = "TID-509"
    status: ClassVar[int] = 409


class TrackingDisabled(RefusedError):
    """The memory of topics is switched off: 403."""

    code = "TID-511"
    status: ClassVar[int] = 403


def trace_of(error: BaseException) -> str:
    """Return what the status shows: the three lines of our own errors, the traceback of all others."""
    if isinstance(error, TidelockError):
        return f"{error.code} {error}"
    return "".join(traceback.format_exception(error))
