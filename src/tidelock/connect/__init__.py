"""Kafka Connect in Python: plugin api, converters, connectors, the worker's runtime and its REST interface.

    StandaloneWorker(StandaloneSettings.parse(load_properties(file)), connectors=[...], sock=...)   # a
    Service

Plugins (`connectors`, `converters`) see only `api`. The names below are loaded when they are used: a command
that only reads settings does not pay for the worker. The design page is docs/design/connect.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidelock.connect.distributed.settings import DistributedSettings
    from tidelock.connect.distributed_worker import DistributedWorker
    from tidelock.connect.runtime.pipeline import Pipeline, nested, pipeline_of
    from tidelock.connect.runtime.redaction import shown_value
    from tidelock.connect.runtime.settings import StandaloneSettings
    from tidelock.connect.worker import StandaloneWorker

__all__ = [
    "DistributedSettings",
    "DistributedWorker",
    "Pipeline",
    "StandaloneSettings",
    "StandaloneWorker",
    "nested",
    "pipeline_of",
    "shown_value",
]

_HOMES = {
    "DistributedSettings": "tidelock.connect.distributed.settings",
    "DistributedWorker": "tidelock.connect.distributed_worker",
    "Pipeline": "tidelock.connect.runtime.pipeline",
    "StandaloneSettings": "tidelock.connect.runtime.settings",
    "StandaloneWorker": "tidelock.connect.worker",
    "nested": "tidelock.connect.runtime.pipeline",
    "pipeline_of": "tidelock.connect.runtime.pipeline",
    "shown_value": "tidelock.connect.runtime.redaction",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)
