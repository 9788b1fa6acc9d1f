"""For tests of services that use tidelock: typed doubles, applications in memory, contract tests. No sockets.

    orders = fake(Orders)
    orders.on(Orders.get).returns(Order(1))
    await orders.api.get(1)

    await connect(Orders, app).get(1)                   # an ASGI or Flask application, in this process
    await contract(Orders, app)                         # does it keep what the interface says?

    with virtual_time() as time:
        orders = connect(Orders, {"i-1": app, "i-2": app})  # two instances, called by all the client's rules
        with chaos(orders, latency="lognormal(20ms,0.5)", error=0.1, refuse=["i-2"], seed=1):
            time.run(story(orders))

    with registry() as eureka, broker() as kafka:       # real servers on free ports, until the block ends
        ...

pytest finds `tidelock_virtual_time`, `tidelock_fake`, `tidelock_registry` and `tidelock_broker` by itself
(`plugin`). May import every part but cli; not a test framework. Names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.testing.contracts import contract
    from tidelock.testing.doubles import Call, Fake, Script, fake
    from tidelock.testing.memory import connect
    from tidelock.testing.servers import RunningBroker, RunningRegistry, broker, registry
    from tidelock.testing.trouble import Chaos, chaos
    from tidelock.testing.virtual import VirtualTime, virtual_time

__all__ = [
    "Call",
    "Chaos",
    "Fake",
    "RunningBroker",
    "RunningRegistry",
    "Script",
    "VirtualTime",
    "broker",
    "chaos",
    "connect",
    "contract",
    "fake",
    "registry",
    "virtual_time",
]

_HOME = {
    "Call": "doubles",
    "Chaos": "trouble",
    "Fake": "doubles",
    "RunningBroker": "servers",
    "RunningRegistry": "servers",
    "Script": "doubles",
    "VirtualTime": "virtual",
    "broker": "servers",
    "chaos": "trouble",
    "connect": "memory",
    "contract": "contracts",
    "fake": "doubles",
    "registry": "servers",
    "virtual_time": "virtual",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
