"""A Flask thread's event loop: closed with its thread, left alone while it runs."""

from __future__ import annotations

import asyncio

from tidelock.http.serve_flask import _Runner


def test_a_thread_s_loop_is_closed_with_it() -> None:
    kept = _Runner()
    loop = kept.runner.get_loop()
    del kept
    assert loop.is_closed()


def test_at_the_process_s_end_a_loop_at_work_is_left_alone() -> None:
    kept = _Runner()

    async def work() -> bool:
        kept.__del__()  # as the interpreter does when it ends before the thread
        return asyncio.get_running_loop().is_closed()

    assert kept.runner.run(work()) is False
