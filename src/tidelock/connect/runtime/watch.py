"""What the worker watches of a task from outside: how much memory it has, and whether its loop still turns.

A task tells its progress twice a second. One that says nothing for a while is stuck in somebody's code: that
is reported, with the place, and it is killed where the connector wants that. One that holds too much memory
is killed before the system kills a neighbour in its place. `judge` is pure; `private_memory` reads /proc.
"""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, field
from pathlib import Path

from tidelock.connect.runtime.restart import RestartPolicy
from tidelock.connect.runtime.settings import ConnectorSettings

INTERVAL = 0.5
"""Seconds between looks."""
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a task may have; 0 is no limit.

    Attributes:
        memory: bytes that are its own.
        report: seconds without a sign of life until the status says so.
        kill: seconds without a sign of life until it is killed.
    """

    memory: int = 0
    report: float = 0.0
    kill: float = 0.0

    @classmethod
    def of(cls, settings: ConnectorSettings) -> Limits:
        """Read a connector's keys."""
        return cls(
            settings.task_memory_max_bytes,
            settings.errors_stall_report_ms / 1000,
            settings.errors_stall_kill_ms / 1000,
        )


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """What the worker does about a task that ends or misbehaves.

    Attributes:
        survives_fencing: whether one that lost its transactional id counts as crashed: it asks for leave
            before it takes the id again, so only the task that the group wants gets it.
    """

    restart: RestartPolicy = field(default_factory=RestartPolicy)
    limits: Limits = field(default_factory=Limits)
    survives_fencing: bool = False


class Action(enum.Enum):
    """What to do."""

    NOTHING = enum.auto()
    REPORT = enum.auto()
    KILL = enum.auto()


def judge(limits: Limits, *, memory: int | None, silent: float) -> tuple[Action, str]:
    """Return what to do about a task, and why.

    Args:
        limits: the connector's.
        memory: its own bytes; None where nobody knows.
        silent: seconds since its last sign of life.
    """
    if memory is not None and 0 < limits.memory < memory:
        why = f"the task was ended: it held {_mib(memory)}, task.memory.max.bytes is {_mib(limits.memory)}"
        return Action.KILL, why
    if 0 < limits.kill <= silent:
        why = f"the task was ended: no progress for {silent:.0f} s, errors.stall.kill.ms allows no more"
        return Action.KILL, why
    if 0 < limits.report <= silent:
        return Action.REPORT, f"no progress for {silent:.0f} s"
    return Action.NOTHING, ""


def private_memory(pid: int) -> int | None:
    """Return the bytes of memory of a process that no file backs; None where the system does not tell."""
    try:
        _size, resident, backed, *_rest = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (OSError, ValueError):
        return None
    return (int(resident) - int(backed)) * PAGE


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.0f} MiB"
