"""Keeps one task running: starts its process, follows its events, starts it again when the policy says so.

The state that REST shows changes here and nowhere else. A process that ends without having said why counts as
a crash; its state is FAILED at once, with the signal or exit code as trace. asyncio; the clock is an
argument.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidelock.connect.runtime.processes import ForkServer, ForkServerError, TaskProcess
from tidelock.connect.runtime.restart import RestartHistory
from tidelock.connect.runtime.watch import INTERVAL, Action, TaskPolicy, judge, private_memory
from tidelock.runtime import Clock

log = logging.getLogger(__name__)

KILL_TIMEOUT = 5.0


class State(enum.Enum):
    """What a connector or task can be in (Kafka's AbstractStatus.State)."""

    UNASSIGNED = "UNASSIGNED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    FAILED = "FAILED"
    RESTARTING = "RESTARTING"


@dataclass(slots=True)
class TaskStatus:
    """What is known of one task."""

    number: int
    props: Mapping[str, str]
    state: State = State.UNASSIGNED
    trace: str | None = None
    pid: int | None = None
    records: int = 0
    progress: Mapping[str, Any] = field(default_factory=dict)
    heard_at: float = 0.0
    memory: int | None = None
    restarts: int = 0
    last_error: str | None = None
    topics: set[str] = field(default_factory=set)


class TaskSupervisor:
    """One task of a connector.

    Args:
        status: kept up to date.
        spec: for the process (see task_process.run_task), without `paused`.
        fork_server: makes the processes.
        policy: when to start again, and what it may have.
        answer: answers the task's questions about offsets.
        clock: monotonic time.
    """

    def __init__(
        self,
        status: TaskStatus,
        spec: Mapping[str, Any],
        *,
        fork_server: ForkServer,
        policy: TaskPolicy,
        answer: Callable[[dict[str, Any]], Awaitable[Any]],
        clock: Clock,
    ) -> None:
        self.status = status
        self._spec = spec
        self._fork_server = fork_server
        self._policy = policy
        self._answer = answer
        self._clock = clock
        self._history = RestartHistory()
        self._process: TaskProcess | None = None
        self._is_paused = False
        self._is_stopping = False
        self._is_waiting = False  # for the time of the next start
        self._said: str | None = None  # what the process said before it ended
        self._is_fenced = False  # it said that somebody else has its transactional id
        self._killed_because: str | None = None
        self._is_stalled = False
        self._job: asyncio.Task[None] | None = None

    def start(self, *, paused: bool) -> None:
        """Start the task's process, and again whenever the policy says so."""
        self._is_paused, self._is_stopping, self._is_waiting = paused, False, False
        name = f"task {self._spec['connector']}-{self.status.number}"
        self._job = asyncio.create_task(self._run(), name=name)

    def pause(self, *, paused: bool) -> None:
        """Have the task pause or go on."""
        self._is_paused = paused
        if self._process is not None:
            self._process.tell("pause" if paused else "resume")

    def set_log_level(self, logger: str, level: int) -> None:
        """Set the level of the task's loggers."""
        if self._process is not None:
            self._process.tell("log_level", logger=logger, level=level)

    async def stop(self, grace: float) -> None:
        """Have the task commit and end; kill it when it takes longer than `grace` seconds."""
        self._is_stopping = True
        job, self._job = self._job, None
        if job is None:
            return
        if self._is_waiting:
            job.cancel()
        elif self._process is not None:
            self._process.tell("stop")
        done, _ = await asyncio.wait((job,), timeout=grace)
        if not done and self._process is not None:
            log.warning("%s did not stop within %.0f s and is killed", job.get_name(), grace)
            self._process.kill()
            await asyncio.wait((job,), timeout=KILL_TIMEOUT)
        job.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await job
        self.status.pid = None

    async def _run(self) -> None:
        while True:
            self._history = self._history.started(self._clock.monotonic())
            crashed = await self._run_process()
            if self._is_stopping:
                return
            self.status.state = State.FAILED
            self.status.last_error = self.status.trace
            now = self._clock.monotonic()
            self._history, delay = self._history.ended(self._policy.restart, now, crashed=crashed)
            if delay is None:
                return
            self._is_waiting = True
            await asyncio.sleep(delay)
            self._is_waiting = False
            self.status.state = State.RESTARTING
            self.status.restarts += 1

    async def _run_process(self) -> bool:
        """Run the process once; returns whether it ended without saying why."""
        self._said, self._killed_because, self._is_fenced = None, None, False
        try:
            process = await self._fork_server.spawn({**self._spec, "paused": self._is_paused})
        except ForkServerError as error:
            self.status.trace = str(error)
            return True
        self._process, self.status.pid = process, process.pid
        if self._is_stopping:
            process.tell("stop")
        self.status.heard_at, self._is_stalled = self._clock.monotonic(), False
        watching = asyncio.create_task(self._watch(process))
        try:
            code = await process.attend(self._on_event, self._answer)
        except Exception as error:  # this is the task's supervisor: whatever it is, no process may be left
            log.exception("task %s-%s: the worker lost it", self._spec["connector"], self.status.number)
            process.kill()
            self.status.trace = f"the worker lost its task: {type(error).__name__}: {error}"
            return True
        except asyncio.CancelledError:
            process.kill()
            raise
        finally:
            watching.cancel()
            self._process, self.status.pid, self.status.memory = None, None, None
        return self._has_crashed(code)

    async def _watch(self, process: TaskProcess) -> None:
        """Look at the process from outside, now and then, until it is killed or this is cancelled."""
        while True:
            now = self._clock.monotonic()
            await asyncio.sleep(INTERVAL - now % INTERVAL)  # all tasks in one go: a worker may have hundreds
            self.status.memory = private_memory(process.pid)
            silent = self._clock.monotonic() - self.status.heard_at
            limits = self._policy.limits
            action, why = judge(limits, memory=self.status.memory, silent=silent)
            if action is Action.KILL:
                log.error("task %s-%s: %s", self._spec["connector"], self.status.number, why)
                self._killed_because = why
                process.kill()
                return
            if action is Action.REPORT and not self._is_stalled:
                log.warning("task %s-%s: %s", self._spec["connector"], self.status.number, why)
                self._is_stalled, self.status.trace = True, why
                process.tell("where")

    def _has_crashed(self, code: int | None) -> bool:
        if self._said is not None:
            self.status.trace = self._said
            return self._is_fenced and self._policy.survives_fencing
        if not self._is_stopping:
            self.status.trace = self._killed_because or _describe_exit(code)
            log.error("task %s-%s: %s", self._spec["connector"], self.status.number, self.status.trace)
        return True

    def _on_event(self, message: dict[str, Any]) -> None:
        event = message["event"]
        if event == "where":
            self.status.trace = f"{self.status.trace}; it is in:\n{message['stack']}"
            return
        self.status.heard_at = self._clock.monotonic()
        if self._is_stalled:
            self._is_stalled, self.status.trace = False, None
        if event == "running" or event == "paused":
            self.status.state = State.RUNNING if event == "running" else State.PAUSED
            self.status.trace = None
            if self._process is not None and (event == "paused") != self._is_paused:
                self._process.tell("pause" if self._is_paused else "resume")
        elif event == "waiting":
            self.status.trace = message["trace"]  # why nothing moves; the state stays what it is
        elif event == "failed":
            self._said, self._is_fenced = message["trace"], message.get("fenced", False)
        elif event == "topic":
            self.status.topics.add(message["topic"])
        elif event == "progress":
            self.status.records = message["records"]
            self.status.progress = {
                name: value for name, value in message.items() if name not in ("event", "records")
            }


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "the task's process ended"
    if code < 0:
        try:
            return f"the task's process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"the task's process was ended by signal {-code}"
    return f"the task's process ended with exit code {code}"
