"""A record as a consumer hands it out. Imports nothing."""

from __future__ import annotations

from typing import Protocol


class Message(Protocol):
    """What a consumer hands out; confluent_kafka's Message is one."""

    def topic(self) -> str: ...  # noqa: D102  # the field's word says it
    def partition(self) -> int: ...  # noqa: D102
    def offset(self) -> int: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...  # noqa: D102
