"""What a group rule decides: records to make durable, and answers to give once they are.

The coordinator appends `records`, applies them, and only then delivers `answers`. If the append fails it
delivers each answer's `refused` form instead. Pure: imports sibling records only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tidelock.broker.groups.records import GroupRecord


@dataclass(frozen=True, slots=True)
class Joined:
    """The answer to a JoinGroup; `members` is filled for the leader only."""

    error_code: int = 0
    member_id: str = ""
    generation: int = -1
    protocol_type: str | None = None
    protocol: str | None = None
    leader: str = ""
    members: tuple[tuple[str, str | None, bytes], ...] = ()
    skip_assignment: bool = False

    def refused(self, error_code: int) -> Joined:
        """The same answer when it cannot be given."""
        return Joined(error_code, self.member_id)


@dataclass(frozen=True, slots=True)
class Synced:
    """The answer to a SyncGroup."""

    error_code: int = 0
    protocol_type: str | None = None
    protocol: str | None = None
    assignment: bytes = b""

    def refused(self, error_code: int) -> Synced:
        """The same answer when it cannot be given."""
        return replace(Synced(), error_code=error_code)


@dataclass(slots=True)
class Outcome:
    """Effects of one decision, in the order records, answers.

    Args:
        answers: (waiter, answer); the waiter is the parked request that the rule was given.
    """

    records: list[GroupRecord] = field(default_factory=list)
    answers: list[tuple[object, Joined | Synced]] = field(default_factory=list)

    def answer(self, waiter: object, answer: Joined | Synced) -> None:
        """Add an answer."""
        self.answers.append((waiter, answer))
