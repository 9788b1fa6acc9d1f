"""The parts that `tidelock up` can run: names, well-known ports, and how the banner tells them.

Order matters: parts start together, stop from the last to the first, and take ports from `--port-base` in
this order. Imports nothing of the parts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidelock.errors import UsageError


class UnknownPartError(UsageError):
    """There is no part of that name to run."""

    code = "TID-702"


@dataclass(frozen=True, slots=True)
class Part:
    """One part that runs as a process of its own.

    Args:
        name: what the user calls it.
        port: the port of its Java counterpart.
        speaks: what the banner says in brackets.
        address: how its address is written, with `{host}` and `{port}`.
        page: what comes after the address in the banner, e.g. "/eureka".
        factory: "module:function" that builds the service in the child process.
    """

    name: str
    port: int
    speaks: str
    address: str
    factory: str
    page: str = ""


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            "registry",
            8761,
            "Eureka REST",
            "http://{host}:{port}",
            "tidelock.cli.up.services:registry",
            page="/eureka",
        ),
        Part("broker", 9092, "Kafka protocol, 1 node", "{host}:{port}", "tidelock.cli.up.services:broker"),
        Part(
            "connect",
            8083,
            "Kafka Connect REST",
            "http://{host}:{port}",
            "tidelock.cli.up.services:connect",
        ),
    )
}


def chosen(names: Sequence[str]) -> list[Part]:
    """Return the named parts in their order; all of them when none is named.

    Raises:
        UnknownPartError: with the nearest name.
    """
    for name in names:
        if name not in PARTS:
            from tidelock.config import nearest  # start-up time counts, and this is the rare way

            near = nearest(name, PARTS)
            raise UnknownPartError(
                f"there is no part {name!r}" + (f"; did you mean {near}?" if near else ""),
                hint=f"choose from {', '.join(PARTS)}",
            )
    return [part for part in PARTS.values() if not names or part.name in names]
