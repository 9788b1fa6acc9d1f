"""What can go wrong while databases are kept in step.

    SyncError                TID-620
    |- RelayBusy             TID-621  another relay works on this outbox
    |- LogUnavailable        TID-622  the broker does not answer; nothing is lost, the outbox grows
    |- RecordRejected        TID-623  the broker refuses one record, and so holds up what is behind it
    |- NotComparable         TID-624  two tables cannot be compared as asked

Imports tidelock.errors only.
"""

from __future__ import annotations

from tidelock.errors import ConflictError, TidelockError, UnreachableError, UsageError


class SyncError(TidelockError):
    """Keeping databases in step failed."""

    code = "TID-620"


class RelayBusy(ConflictError, SyncError):
    """Another relay holds this outbox; there is one at a time, so that order is kept."""

    code = "TID-621"
    retriable = True


class LogUnavailable(UnreachableError, SyncError):
    """The broker does not answer; records stay in the outbox until it does."""

    code = "TID-622"


class RecordRejected(SyncError):
    """The broker refuses a record for good (too large, no permission); those behind it wait."""

    code = "TID-623"


class NotComparable(UsageError, SyncError):
    """Two tables cannot be compared as asked: no key, a key that is not unique."""

    code = "TID-624"
