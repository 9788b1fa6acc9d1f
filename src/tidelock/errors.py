"""Every error that tidelock raises on purpose.

    TidelockError                    code (stable), what, where, hint; retriable: can trying again help
    |- ConfigError(ValueError)       tidelock.config: all problems of one configuration at once
    |- UsageError                    the caller asked for something that cannot be: exit code 2
    |- UnreachableError              nobody answers there, or not in time: exit code 3
    |- NotFoundError                 the thing named does not exist: exit code 4
    |- RefusedError                  needs a confirmation or is forbidden here: exit code 5
    |- ConflictError                 in the way of something that exists: exit code 6
    |- LocalProtocolError            we broke the wire protocol (a bug of ours)
    |- RemoteProtocolError           the other side broke it

A part derives its own errors from these in its own modules. The text has up to three lines:
what happened, where, what to do. Codes are grouped by part: TID-1xx configuration and start-up,
2xx broker and protocol, 3xx discovery, 4xx calls, 5xx Connect, 6xx SQL and sync, 7xx command line.
This module imports nothing of the house.
"""

from __future__ import annotations

from typing import ClassVar


class TidelockError(Exception):
    """Something the user can understand and act on.

    Args:
        what: one sentence, no full stop at the end: what happened.
        where: the file, address, key or object it happened at.
        hint: what to do about it, as an imperative sentence or a command.
    """

    code: ClassVar[str] = "TID-100"
    exit_code: ClassVar[int] = 1
    retriable: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  at: {self.where}")
        if self.hint:
            lines.append(f"  do: {self.hint}")
        return "\n".join(lines)


class UsageError(TidelockError):
    """The request itself makes no sense: a wrong argument, a file of the wrong shape."""

    code = "TID-101"
    exit_code = 2


class UnreachableError(TidelockError):
    """Nobody answers at an address, or not before the timeout."""

    code = "TID-102"
    exit_code = 3
    retriable = True


class NotFoundError(TidelockError):
    """The named thing does not exist."""

    code = "TID-103"
    exit_code = 4


class RefusedError(TidelockError):
    """The request is understood and declined: it needs a confirmation, or is forbidden here."""

    code = "TID-104"
    exit_code = 5


class ConflictError(TidelockError):
    """Something that exists is in the way."""

    code = "TID-105"
    exit_code = 6


class LocalProtocolError(TidelockError):
    """We were about to break a wire protocol: a bug of ours, or a caller's misuse."""

    code = "TID-106"


class RemoteProtocolError(TidelockError):
    """The other side broke a wire protocol; the connection cannot be used any more."""

    code = "TID-107"
