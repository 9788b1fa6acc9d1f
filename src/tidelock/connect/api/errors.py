"""Errors that a connector, a converter or a task raises, and what the worker does with each.

    ConnectError                      the task fails; its trace is shown in the status
    |- RetriableError                 the worker keeps the batch and calls put() (or poll()) again later
    |- DataError                      a record cannot be read, converted or written: the record's fault
    |- PluginNotFound                 no such connector or converter

Anything else that a plugin raises fails the task as ConnectError does. Imports tidelock.errors only.

Source: Kafka `org.apache.kafka.connect.errors`.
"""

from __future__ import annotations

from tidelock.errors import NotFoundError, TidelockError


class ConnectError(TidelockError):
    """A connector cannot go on."""

    code = "TID-500"


class RetriableError(ConnectError):
    """Trying the same batch again may help: a lock, a database that is away for a moment.

    Set `SinkTaskContext.retry_after` to say when; without it the worker backs off by itself.
    """

    code = "TID-501"
    retriable = True


class DataError(ConnectError):
    """A record's bytes or values do not fit: malformed JSON, a missing field, a value out of range.

    Args:
        index: which record of the batch it was; the worker adds topic, partition and offset.
    """

    code = "TID-502"

    def __init__(
        self, what: str, *, where: str | None = None, hint: str | None = None, index: int | None = None
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.index = index


class PluginNotFound(NotFoundError):
    """No connector or converter answers to a class name."""

    code = "TID-503"
