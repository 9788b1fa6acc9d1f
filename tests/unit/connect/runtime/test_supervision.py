import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.waiting import eventually_async
from tidelock.connect.runtime import supervision
from tidelock.connect.runtime.processes import ForkServerError
from tidelock.connect.runtime.restart import RestartPolicy
from tidelock.connect.runtime.supervision import State, TaskStatus, TaskSupervisor
from tidelock.connect.runtime.watch import Action, Limits, TaskPolicy, judge
from tidelock.runtime import ManualClock

NO_LIMITS = Limits()
SPEC = {"connector": "c", "task": 0}


class FakeProcess:
    """A task process that does what the test says."""

    def __init__(self, pid: int, *, deaf: bool = False) -> None:
        self.pid = pid
        self.deaf = deaf
        self.is_killed = False
        self.told: list[str] = []
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    def tell(self, what: str, **details: Any) -> None:
        self.told.append(what)
        if what == "stop" and not self.deaf and not self.ended.done():
            self.ended.set_result(0)

    def kill(self) -> None:
        self.is_killed = True
        if not self.ended.done():
            self.ended.set_result(-9)

    async def attend(self, on_event: Callable[[dict[str, Any]], None], answer: Any) -> int | None:
        self.event = lambda name, **details: on_event({"event": name, **details})
        self.event("running")
        return await self.ended


class FakeForkServer:
    """Hands out the processes of the test."""

    def __init__(self) -> None:
        self.specs: list[Any] = []
        self.made: list[FakeProcess] = []
        self.next: deque[Any] = deque()

    async def spawn(self, spec: Any) -> Any:
        self.specs.append(spec)
        await asyncio.sleep(0)
        step = self.next.popleft() if self.next else FakeProcess(len(self.made) + 1)
        if isinstance(step, Exception):
            raise step
        self.made.append(step)
        return step


async def no_answer(question: dict[str, Any]) -> Any:
    return None


def supervised(
    policy: RestartPolicy,
    limits: Limits = NO_LIMITS,
    clock: ManualClock | None = None,
    *,
    survives_fencing: bool = False,
) -> tuple[TaskSupervisor, FakeForkServer]:
    server = FakeForkServer()
    supervisor = TaskSupervisor(
        TaskStatus(0, {}),
        SPEC,
        fork_server=server,  # type: ignore[arg-type]  # a fake
        policy=TaskPolicy(policy, limits, survives_fencing),
        answer=no_answer,
        clock=clock or ManualClock(),
    )
    return supervisor, server


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def until(condition: Callable[[], object]) -> None:
    async def asked() -> object:
        return condition()

    await eventually_async(asked, 5.0, interval=0.001)


FAST = RestartPolicy("crash", delay=0.001)


@pytest.mark.parametrize("survives", [True, False])
def test_a_task_that_lost_its_transactional_id_comes_back_where_it_asks_for_leave_first(
    survives: bool,
) -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST, survives_fencing=survives)
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        server.made[0].event("failed", trace="another has it", fenced=True)
        server.made[0].ended.set_result(1)
        if survives:
            await until(lambda: supervisor.status.restarts == 1)
            await until(lambda: supervisor.status.state is State.RUNNING)
            assert supervisor.status.last_error == "another has it"
        else:
            await until(lambda: supervisor.status.state is State.FAILED)
            assert supervisor.status.trace == "another has it"
        await supervisor.stop(1.0)
        assert len(server.made) == (2 if survives else 1)

    run(story)


def test_a_process_that_is_killed_is_failed_at_once_and_comes_back() -> None:
    async def story() -> None:
        supervisor, server = supervised(RestartPolicy("crash", delay=0.05))
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        server.made[0].ended.set_result(-9)
        await until(lambda: supervisor.status.state is State.FAILED)
        assert supervisor.status.trace == "the task's process was ended by SIGKILL"
        await until(lambda: supervisor.status.state is State.RUNNING)
        assert (supervisor.status.restarts, supervisor.status.trace, supervisor.status.pid) == (1, None, 2)
        assert supervisor.status.last_error == "the task's process was ended by SIGKILL"
        await supervisor.stop(1.0)

    run(story)


def test_an_error_stays_with_its_trace() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        supervisor.start(paused=False)
        await until(lambda: server.made and supervisor.status.state is State.RUNNING)
        server.made[0].event("failed", trace="ValueError: no")
        server.made[0].ended.set_result(1)
        await until(lambda: supervisor.status.state is State.FAILED)
        await asyncio.sleep(0.01)
        assert (supervisor.status.trace, len(server.made)) == ("ValueError: no", 1)
        await supervisor.stop(1.0)

    run(story)


def test_stopping_asks_first_and_kills_a_deaf_one() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        server.next.append(FakeProcess(1, deaf=True))
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        await supervisor.stop(0.02)
        assert server.made[0].told == ["stop"]
        assert server.made[0].ended.result() == -9
        assert len(server.made) == 1

    run(story)


def test_stopping_while_it_waits_for_its_next_start_starts_nothing() -> None:
    async def story() -> None:
        supervisor, server = supervised(RestartPolicy("crash", delay=60.0))
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        server.made[0].ended.set_result(-9)
        await until(lambda: supervisor.status.state is State.FAILED)
        await supervisor.stop(1.0)
        assert len(server.made) == 1

    run(story)


def test_a_fork_server_that_fails_counts_as_a_crash() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        server.next.append(ForkServerError("out of memory"))
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        assert supervisor.status.last_error == "out of memory"
        await supervisor.stop(1.0)

    run(story)


def test_the_process_learns_whether_to_begin_paused_and_what_changed_meanwhile() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        supervisor.start(paused=True)
        await until(lambda: server.made)
        assert server.specs[0]["paused"] is True
        await until(lambda: server.made[0].told == ["pause"])  # it said running; it is told again
        server.made[0].event("paused")
        assert supervisor.status.state is State.PAUSED
        supervisor.pause(paused=False)
        assert server.made[0].told[-1] == "resume"
        await supervisor.stop(1.0)

    run(story)


def test_topics_and_progress_are_kept() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        server.made[0].event("topic", topic="orders")
        server.made[0].event("progress", records=7)
        assert (supervisor.status.topics, supervisor.status.records) == ({"orders"}, 7)
        await supervisor.stop(1.0)

    run(story)


def test_the_status_says_why_nothing_moves_until_it_does_again() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        server.made[0].event("waiting", trace="TID-501 the database is away")
        assert (supervisor.status.state, supervisor.status.trace) == (
            State.RUNNING,
            "TID-501 the database is away",
        )
        server.made[0].event("running")
        assert supervisor.status.trace is None
        await supervisor.stop(1.0)

    run(story)


def test_a_failure_on_the_workers_side_ends_the_process_and_counts_as_a_crash() -> None:
    async def story() -> None:
        supervisor, server = supervised(FAST)
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        server.made[0].ended.set_exception(RuntimeError("a bug"))
        await until(lambda: len(server.made) == 2 and supervisor.status.state is State.RUNNING)
        assert server.made[0].is_killed
        assert supervisor.status.last_error == "the worker lost its task: RuntimeError: a bug"
        await supervisor.stop(1.0)

    run(story)


MB = 1 << 20


def test_what_is_done_about_a_task_that_is_large_or_silent() -> None:
    limits = Limits(memory=100 * MB, report=5.0, kill=20.0)
    assert judge(limits, memory=100 * MB, silent=4.9)[0] is Action.NOTHING
    assert judge(limits, memory=None, silent=5.0) == (Action.REPORT, "no progress for 5 s")
    assert judge(limits, memory=MB, silent=20.0)[0] is Action.KILL
    action, why = judge(limits, memory=101 * MB, silent=0.0)
    assert action is Action.KILL
    assert "held 101 MiB, task.memory.max.bytes is 100 MiB" in why
    assert judge(NO_LIMITS, memory=1 << 50, silent=1e9)[0] is Action.NOTHING


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "INTERVAL", 0.001)


@pytest.mark.usefixtures("_looks_often")
def test_a_silent_task_is_reported_with_its_place_until_it_goes_on() -> None:
    async def story() -> None:
        clock = ManualClock()
        supervisor, server = supervised(RestartPolicy("crash"), Limits(report=60.0), clock)
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        clock.advance(61.0)
        await until(lambda: "where" in server.made[0].told)
        server.made[0].event("where", stack="File x, line 3")
        assert supervisor.status.trace == "no progress for 61 s; it is in:\nFile x, line 3"
        assert supervisor.status.state is State.RUNNING
        server.made[0].event("progress", records=1, rate=2.0)
        assert (supervisor.status.trace, supervisor.status.progress) == (None, {"rate": 2.0})
        await supervisor.stop(1.0)

    run(story)


@pytest.mark.usefixtures("_looks_often")
def test_a_task_that_stays_silent_is_killed_where_its_connector_wants_that() -> None:
    async def story() -> None:
        clock = ManualClock()
        supervisor, server = supervised(RestartPolicy("crash", delay=0.001), Limits(kill=60.0), clock)
        supervisor.start(paused=False)
        await until(lambda: supervisor.status.state is State.RUNNING)
        clock.advance(60.0)
        await until(lambda: len(server.made) == 2)
        assert "no progress for 60 s" in (supervisor.status.last_error or "")
        await supervisor.stop(1.0)

    run(story)
