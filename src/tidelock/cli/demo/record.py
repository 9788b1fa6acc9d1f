"""What one run of the demo recorded: samples over time, events such as kills, and one result per act.

Plain data between the acts that write it and the report and output that read it. All times are seconds since
the run began.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of the whole way at one moment."""

    at: float
    accepted: int
    in_database: int
    act: int

    @property
    def lag(self) -> int:
        """Orders that are accepted and not yet in the common database."""
        return max(0, self.accepted - self.in_database)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at one moment and belongs on the timeline."""

    at: float
    label: str
    is_kill: bool = False


@dataclass(slots=True)
class ActResult:
    """What one act showed."""

    act: int
    title: str
    ok: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    started: float = 0.0
    ended: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the object that `-o json` prints."""
        return {"act": self.act, "title": self.title, "ok": self.ok, "figures": self.figures}


@dataclass(slots=True)
class RunRecord:
    """One run, from start to proof."""

    orders_source: str
    orders: int
    order_lines: int
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    acts: list[ActResult] = field(default_factory=list)
    peak_memory: dict[str, int] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all five acts ran and each showed what it promises."""
        return len(self.acts) == 5 and all(act.ok for act in self.acts)
