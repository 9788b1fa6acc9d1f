"""What every mode is: a condition after a position, and a position per row. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tidelock.connect.connectors.jdbc.source.position import Position


@dataclass(frozen=True, slots=True)
class Condition:
    """What a statement asks for.

    Attributes:
        where: SQL with named parameters.
        values: the parameters: whole numbers and instants.
        order: SQL.
    """

    where: str
    values: Mapping[str, int | dt.datetime]
    order: str

    def up_to(self, identity: str, settled: int) -> Condition:
        """Return the condition without rows beyond an id."""
        return Condition(
            f"{self.where} AND {identity} <= :settled", {**self.values, "settled": settled}, self.order
        )


class Mode(Protocol):
    """One way to read a table.

    Attributes:
        places: SQL of the values that make a position, in the order that `position` takes them.
        has_time: whether the time of the database bounds what may be read.
    """

    @property
    def places(self) -> Sequence[str]:
        """See Attributes."""

    @property
    def has_time(self) -> bool:
        """See Attributes."""

    def condition(self, after: Position, until: dt.datetime | None) -> Condition:
        """Return what to ask for: rows after a position, and with a time before `until`."""

    def position(self, values: Sequence[Any]) -> Position:
        """Return the position of a row from the values of `places`."""

    def split(self, found: Sequence[Position], limit: int) -> int | None:
        """Return how many rows may be taken of `limit` + 1 that were asked for; None: ask without a limit."""
