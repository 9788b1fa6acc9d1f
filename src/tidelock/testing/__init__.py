"""For tests of services that use tidelock: typed doubles, applications in memory, contract tests. No sockets.

    orders = fake(Orders)
    orders.on(Orders.get).returns(Order(1))
    await orders.api.get(1)

    await connect(Orders, app).get(1)                   # an ASGI or Flask application, in this process
    await contract(Orders, app)                         # does it keep what the interface says?

May import http and what is below it; not a test framework. Names are imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.testing.contracts import contract
    from tidelock.testing.doubles import Call, Fake, Script, fake
    from tidelock.testing.memory import connect

__all__ = ["Call", "Fake", "Script", "connect", "contract", "fake"]

_HOME = {
    "Call": "doubles",
    "Fake": "doubles",
    "Script": "doubles",
    "connect": "memory",
    "contract": "contracts",
    "fake": "doubles",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
