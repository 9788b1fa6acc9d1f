"""The embedded Kafka-protocol broker: single node, durable, byte-compatible log files.

One event loop owns all state. `server` and `connection` move bytes, `node` dispatches requests, `apis` has
one file per API key, `state` is what they share, `groups` and `log` are rules without IO; `disk` is the
only module that touches files. The design page is docs/design/broker.md.

The two public names are imported on first use: settings are needed without the server, and the server is
what costs time to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.broker.server import Broker
    from tidelock.broker.settings import BrokerSettings

__all__ = ["Broker", "BrokerSettings"]


def __getattr__(name: str) -> Any:
    if name == "Broker":
        from tidelock.broker.server import Broker  # on first use, see above

        return Broker
    if name == "BrokerSettings":
        from tidelock.broker.settings import BrokerSettings  # on first use, see above

        return BrokerSettings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
