import asyncio
import json
from typing import Any

from tidelock.connect.runtime.processes import TaskProcess
from tidelock.connect.runtime.stores import StoreError


class Lines:
    """A wire that keeps what was written."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.closed = False

    def write(self, line: bytes) -> None:
        self.written.append(json.loads(line))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_a_store_that_fails_is_an_answer_and_the_next_question_is_heard() -> None:
    async def answer(question: dict[str, Any]) -> Any:
        if question["id"] == 1:
            raise StoreError("cannot write the file: no space", where="/data/offsets", hint="make room")
        return [question["id"]]

    async def story() -> tuple[int | None, list[Any]]:
        reader, wire = asyncio.StreamReader(), Lines()
        exited: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        exited.set_result(0)
        process = TaskProcess(7, reader, wire, exited)  # type: ignore[arg-type]  # a fake wire
        for number in (1, 2):
            reader.feed_data(json.dumps({"ask": "store_offsets", "id": number}).encode() + b"\n")
        reader.feed_eof()
        return await process.attend(lambda event: None, answer), wire.written

    code, written = asyncio.run(story())
    error = {"what": "cannot write the file: no space", "where": "/data/offsets", "hint": "make room"}
    assert written == [{"reply": 1, "error": error}, {"reply": 2, "value": [2]}]
    assert code == 0
