"""Runs one broker in a process of its own: `python -m tests.support.run_broker KEY=VALUE...`.

With `--uvloop` it runs on uvloop; with `--synced` it writes down what it syncs, and makes recovery
checkpoints often; with `--full` its disk has no room for records of topics named full-*; with `--turns=FILE`
it leaves there how long each turn of its loop took. Prints the bootstrap address once it accepts; stops on
SIGTERM. What a flag needs is imported with it: benchmarks measure this process's start.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tidelock.broker import server
from tidelock.broker.log import stored_log
from tidelock.broker.server import Broker
from tidelock.broker.settings import BrokerSettings
from tidelock.runtime import run_services


def main() -> None:
    arguments = sys.argv[1:]
    runner = asyncio.Runner()
    if "--uvloop" in arguments:
        import uvloop

        arguments.remove("--uvloop")
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    turns = [one for one in arguments if one.startswith("--turns=")]
    if turns:
        from tests.support.turns import TimedSelector, write_turns

        selector = TimedSelector()
        arguments.remove(turns[0])
        runner = asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector))
    if "--synced" in arguments:
        from tests.support.synced import SyncedFiles

        arguments.remove("--synced")
        server.RealFiles = SyncedFiles  # type: ignore[misc]  # the one place where a broker makes its files
        stored_log.RESUME_EVERY_BYTES = 1 << 16
    if "--full" in arguments:
        from tests.support.full_disk import FullFiles

        arguments.remove("--full")
        server.RealFiles = FullFiles  # type: ignore[misc]  # as above
    given = dict(argument.split("=", 1) for argument in arguments)
    broker = Broker(BrokerSettings.parse(given))

    async def ready() -> None:
        sys.stdout.write(broker.bootstrap + "\n")
        sys.stdout.flush()

    with runner:
        runner.run(run_services([broker], ready=ready))
    if turns:
        write_turns(Path(turns[0].partition("=")[2]), selector.turns)


if __name__ == "__main__":
    main()
