"""Keeping databases in step: outbox, relay, verify; a thin composition over Connect's runtime.

    Outbox(...).add(tx, topic=..., key=..., value=...)      an event in the caller's own transaction
    Relay(engine, "localhost:9092").start()                 outbox -> topic, each row once, in key order
    verify("orders", [source, ...], target)                 proof, row by row

The design page is docs/design/sync.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.sync.comparison import verify
    from tidelock.sync.outbox import Outbox
    from tidelock.sync.relay import Relay, RelayPublished, RelaySettings, RelayStatus
    from tidelock.sync.report import ColumnDifference, Difference, Finding, Report

_HOMES = {
    "outbox": ("Outbox",),
    "relay": ("Relay", "RelayPublished", "RelaySettings", "RelayStatus"),
    "report": ("ColumnDifference", "Difference", "Finding", "Report"),
    "comparison": ("verify",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "ColumnDifference",
    "Difference",
    "Finding",
    "Outbox",
    "Relay",
    "RelayPublished",
    "RelaySettings",
    "RelayStatus",
    "Report",
    "verify",
]


def __getattr__(name: str) -> Any:
    # Lazy: each door needs other libraries (SQLAlchemy, librdkafka) and nobody needs all.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
