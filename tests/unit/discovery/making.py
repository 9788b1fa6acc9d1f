"""Instances and moments for tests."""

from typing import Any

from tidelock.discovery.instance import Instance
from tidelock.discovery.lease import Moment

EPOCH = 1_700_000_000.0


def an_instance(app: str = "orders", instance_id: str = "h:orders:80", **changes: Any) -> Instance:
    fields: dict[str, Any] = {"host": "h", "ip": "10.0.0.1", "port": 80, "vip": "orders"}
    return Instance(app=app, instance_id=instance_id, **{**fields, **changes})


def at(seconds: float) -> Moment:
    return Moment(seconds, EPOCH + seconds)
