"""The processes of the story and what can be asked of them: platform, order services, user-service.

The acts speak to this module only; it knows addresses, environment variables and how to wait. Everything it
starts is stopped by `close`, in order, whatever happened before.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL

from tidelock.cli.demo.database import OrdersTable
from tidelock.cli.demo.memory import MemoryWatch
from tidelock.cli.demo.services import DemoProcess, free_port
from tidelock.errors import TidelockError
from tidelock.http import CallError, CircuitOpen, Client, Policy, StaticSource
from tidelock.http.balance import EjectionSettings
from tidelock.http.breaker import BreakerSettings
from tidelock.runtime import LOOPBACK, Clock

ORDER_SERVICES = ("order-service-1", "order-service-2")
USER_SERVICE = "user-service"
START_TIMEOUT = 30.0
PATIENT = Policy(
    breaker=BreakerSettings(wait_duration_in_open_state=0.001),
    ejection=EjectionSettings(base_ejection_time=0.001, max_ejection_time=0.01),
)
"""The story asks processes that it knows to be down, again and again, until they are back."""
POLL = 0.05


class NotInTimeError(TidelockError):
    """Something the story waits for did not happen in time."""

    code = "TID-714"


class UnexpectedAnswerError(TidelockError):
    """A process of the demo answered with an error; its log says why."""

    code = "TID-715"


class World:
    """All processes of one run.

    Args:
        folder: the claimed data folder.
        common: the one common database.
        clock: for time-outs and moments.
    """

    def __init__(self, folder: Path, common: URL, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        self.began = clock.monotonic()
        self.common_url = common
        self.common = OrdersTable(common)
        self.client = Client(StaticSource({}), policy=PATIENT)
        self.memory = MemoryWatch()
        self.addresses: dict[str, Any] = {}
        self._ports = {name: free_port() for name in (*ORDER_SERVICES, USER_SERVICE)}
        self.platform = self._process("platform", [*self._platform_command()], {})
        self.services = {name: self._order_service(name) for name in ORDER_SERVICES}
        self.user_service = self._process(
            USER_SERVICE, ["user_service.py"], {"PORT": str(self._ports[USER_SERVICE])}
        )

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return self.clock.monotonic() - self.began

    @property
    def source_urls(self) -> list[str]:
        """The instances' own databases, as SQLAlchemy URLs."""
        return [f"sqlite:///{path}" for path in self.source_files]

    @property
    def source_files(self) -> list[Path]:
        """The files of the instances' own databases."""
        return [self.folder / f"{name}.db" for name in ORDER_SERVICES]

    async def start(self) -> None:
        """Start platform, both order services (without the queue) and user-service."""
        self.platform.start()
        ready = self.folder / "ready.json"
        await self.until("the platform is up", ready.exists, self.platform)
        self.addresses = json.loads(ready.read_text(encoding="utf-8"))
        eureka = self.addresses["registry"].rstrip("/")
        registry = {
            "EUREKA_CLIENT_SERVICEURL_DEFAULTZONE": eureka
            if eureka.endswith("eureka")
            else f"{eureka}/eureka"
        }
        for process in (*self.services.values(), self.user_service):
            process.configure(registry)
            process.start()
        for name in (*ORDER_SERVICES, USER_SERVICE):
            await self.until_healthy(name)
        await self.until_all_answer()

    async def connect_the_queue(self) -> None:
        """Restart the order services with outbox relay and common database."""
        queue = {
            "ORDERS_BROKER": self.addresses["broker"],
            "ORDERS_COMMON_DATABASE": self.common_url.render_as_string(hide_password=False),
        }
        for name, process in self.services.items():
            process.ask_to_stop()
            await asyncio.to_thread(process.wait_stopped)
            process.configure(queue)
            process.start()
            await self.until_healthy(name)
        await self.until_all_answer()

    async def close(self) -> None:
        """Stop everything, callers first; nothing of the demo runs afterwards."""
        for layer in ([self.user_service], list(self.services.values()), [self.platform]):
            for process in layer:
                process.ask_to_stop()
            for process in layer:
                await asyncio.to_thread(process.wait_stopped)
        await self.client.close()
        self.common.close()

    def look_at_memory(self) -> None:
        """Read every process's peak memory."""
        roots = {name: process.pid for name, process in self.services.items() if process.pid}
        roots[USER_SERVICE] = self.user_service.pid
        roots["tidelock up"] = self.platform.pid
        roots |= {name: int(pid) for name, pid in self.platform_pids().items()}
        self.memory.look({name: pid for name, pid in roots.items() if pid})

    def platform_pids(self) -> dict[str, int]:
        """Return the process of each part of the platform, as it is now."""
        try:
            state = json.loads((self.folder / "platform" / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): int(pid) for name, pid in state.get("pids", {}).items() if name != "up"}

    async def post_order(self, body: bytes) -> str | None:
        """Post one order to user-service; None when it was accepted, else the reason in a few words."""
        try:
            response = await self.client.post(f"{self.url(USER_SERVICE)}/orders", content=body, timeout=60.0)
        except CallError as error:
            return type(error).__name__
        return None if response.status in (200, 201) else f"status {response.status}"

    async def ask(self, url: str) -> Any:
        """GET a JSON document.

        Raises:
            UnexpectedAnswerError: another status than 200.
        """
        try:
            response = await self.client.get(url, timeout=10.0)
        except CircuitOpen:  # for a millisecond, see PATIENT
            await asyncio.sleep(POLL)
            response = await self.client.get(url, timeout=10.0)
        if response.status != 200:
            raise UnexpectedAnswerError(
                f"status {response.status}: {response.text[:200]}",
                where=url,
                hint=f"look into {self.folder / 'logs'}",
            )
        return json.loads(response.body)

    def url(self, name: str) -> str:
        """Return the address of one of the services."""
        return f"http://{LOOPBACK}:{self._ports[name]}"

    async def figures(self) -> dict[str, int]:
        """Return what user-service counted: retried, in doubt, settled."""
        found: dict[str, int] = await self.ask(f"{self.url(USER_SERVICE)}/figures")
        return found

    async def outbox_backlog(self) -> int:
        """Return the events that the running instances hold and the broker does not have yet."""
        waiting = 0
        for name, process in self.services.items():
            if process.is_running:
                waiting += int((await self.ask(f"{self.url(name)}/outbox"))["waiting"])
        return waiting

    async def until_healthy(self, name: str) -> None:
        """Wait until a service answers as UP."""
        process = self.services.get(name, self.user_service)

        async def healthy() -> bool:
            try:
                return bool((await self.ask(f"{self.url(name)}/actuator/health"))["status"] == "UP")
            except (CallError, UnexpectedAnswerError):
                return False

        await self.until(f"{name} is up", healthy, process)

    async def until_all_answer(self) -> None:
        """Wait until user-service has the news from the registry and reaches every order-service."""
        seen: set[str] = set()

        async def reached() -> bool:
            try:
                seen.add((await self.ask(f"{self.url(USER_SERVICE)}/orders/count"))["instance"])
            except (CallError, UnexpectedAnswerError):
                seen.clear()
            return seen == set(ORDER_SERVICES)

        await self.until("user-service reaches both instances", reached, self.user_service)

    async def until(
        self,
        what: str,
        condition: Callable[[], bool | Awaitable[bool]],
        *needed: DemoProcess,
        within: float = START_TIMEOUT,
    ) -> float:
        """Wait for a condition and return the seconds it took.

        Raises:
            NotInTimeError: it did not come true.
            ProcessEndedError: a process that it needs is gone.
        """
        began = self.clock.monotonic()
        while True:
            answer = condition()
            if answer if isinstance(answer, bool) else await answer:
                return self.clock.monotonic() - began
            for process in needed:
                process.check()
            if self.clock.monotonic() - began > within:
                raise NotInTimeError(
                    f"{what}: not after {within:.0f} s",
                    where=str(self.folder / "logs"),
                    hint="read the logs",
                )
            await asyncio.sleep(POLL)

    def _platform_command(self) -> list[str]:
        data, ready = self.folder / "platform", self.folder / "ready.json"
        parts = ["registry", "broker", "connect"]
        return [
            "-m",
            "tidelock.cli",
            "up",
            *parts,
            "--any-port",
            "--data",
            str(data),
            "--ready-file",
            str(ready),
        ]

    def _order_service(self, name: str) -> DemoProcess:
        variables = {
            "PORT": str(self._ports[name]),
            "ORDERS_NAME": name,
            "ORDERS_DATABASE": str(self.folder / f"{name}.db"),
        }
        return self._process(name, ["order_service.py"], variables)

    def _process(self, name: str, command: list[str], variables: dict[str, str]) -> DemoProcess:
        log = self.folder / "logs" / f"{name}.log"
        return DemoProcess(name, command, folder=self.folder, log=log, variables=variables)
