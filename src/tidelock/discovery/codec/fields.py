"""An instance as a tree of Eureka's field names, the form that JSON and XML share, and back. No IO.

Writing keeps Netflix's order of fields and its habit of texts where one expects numbers. Reading is
tolerant: numbers and booleans as texts, one object where a list is expected, missing optional fields,
unknown fields, both spellings of the override. What cannot be meant raises `BadDocumentError` with the path
of the field. Invariant: whatever `instance_from` returns, `tree_of` can write.

Source: Netflix `EurekaJacksonCodec`, `Converters`, `MiniInstanceInfoMixIn`, `InstanceInfo.Builder`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tidelock.discovery.instance import AMAZON_CLASS, MY_OWN_CLASS, Action, DataCenter, Instance, Status
from tidelock.errors import TidelockError

Tree = dict[str, Any]

FULL = "full"
"""A document that replaces what its reader holds."""

DELTA = "delta"
"""A document that is merged into what its reader holds."""

EMPTY_MAP: Mapping[str, str] = {"@class": "java.util.Collections$EmptyMap"}
INT_LIMIT = 1 << 31
LONG_LIMIT = 1 << 63
AMAZON_COMPACT = ("instance-id", "public-ipv4", "public-hostname", "local-ipv4", "availability-zone")


class BadDocumentError(TidelockError):
    """A document that is not what Eureka's clients and servers send; answered with 400."""

    code = "TID-301"


class Applications(msgspec.Struct, frozen=True):
    """A list document: everything, a delta, or the instances behind a virtual name.

    Args:
        hashcode: `apps__hashcode` of the **whole** registry, also in a delta.
        instances: by application.
        version: `versions__delta`; nobody may rely on it.
    """

    hashcode: str
    instances: dict[str, list[Instance]]
    version: int = 1


def tree_of(instance: Instance) -> Tree:
    """Return the full form, in Netflix's order; absent optional fields are left out."""
    tree: Tree = {
        "instanceId": instance.instance_id,
        "hostName": instance.host,
        "app": instance.app,
        "ipAddr": instance.ip,
        "status": instance.status.value,
        "overriddenStatus": instance.overridden.value,
        "port": _port(instance.port, instance.port_enabled),
        "securePort": _port(instance.secure_port, instance.secure_port_enabled),
        "countryId": instance.country_id,
        "dataCenterInfo": _data_center(instance.data_center),
        "leaseInfo": {
            "renewalIntervalInSecs": math.ceil(instance.renewal_interval),
            "durationInSecs": math.ceil(instance.duration),
            "registrationTimestamp": instance.registration_timestamp,
            "lastRenewalTimestamp": instance.last_renewal_timestamp,
            "evictionTimestamp": instance.eviction_timestamp,
            "serviceUpTimestamp": instance.service_up_timestamp,
        },
        "metadata": instance.metadata or EMPTY_MAP,
        "appGroupName": instance.app_group,
        "homePageUrl": instance.home_page_url,
        "statusPageUrl": instance.status_page_url,
        "healthCheckUrl": instance.health_check_url,
        "secureHealthCheckUrl": instance.secure_health_check_url,
        "vipAddress": instance.vip,
        "secureVipAddress": instance.secure_vip,
        "isCoordinatingDiscoveryServer": "true" if instance.is_coordinating else "false",
        "lastUpdatedTimestamp": str(instance.last_updated_timestamp),
        "lastDirtyTimestamp": str(instance.last_dirty_timestamp),
        "actionType": instance.action.value,
        "asgName": instance.asg_name,
    }
    return {name: value for name, value in tree.items() if value is not None}


def compact_tree_of(instance: Instance) -> Tree:
    """Return the compact form (`X-Eureka-Accept: compact`): what a caller needs, no lease, no metadata."""
    tree: Tree = {
        "instanceId": instance.instance_id,
        "app": instance.app,
        "ipAddr": instance.ip,
        "vipAddress": instance.vip,
        "secureVipAddress": instance.secure_vip,
        "dataCenterInfo": _data_center(instance.data_center, AMAZON_COMPACT),
        "hostName": instance.host,
        "status": instance.status.value,
        "lastUpdatedTimestamp": instance.last_updated_timestamp,
        "actionType": instance.action.value,
        "asgName": instance.asg_name,
        "port": _port(instance.port, instance.port_enabled),
        "securePort": _port(instance.secure_port, instance.secure_port_enabled),
    }
    return {name: value for name, value in tree.items() if value is not None}


def _port(number: int, is_enabled: bool) -> Tree:
    return {"$": number, "@enabled": "true" if is_enabled else "false"}


def _data_center(center: DataCenter, only: Sequence[str] | None = None) -> Tree:
    if center.name != "Amazon":
        return {"@class": MY_OWN_CLASS, "name": center.name}
    metadata = {key: text for key, text in center.metadata.items() if only is None or key in only}
    return {"@class": AMAZON_CLASS, "name": center.name, "metadata": metadata or EMPTY_MAP}


def instance_from(tree: object, where: str = "instance") -> Instance:
    """Read an instance from its tree.

    Args:
        tree: what JSON or XML gave.
        where: the path to it, for error texts.

    Raises:
        BadDocumentError: not an object, no `app`, or a field of the wrong kind.
    """
    fields = Reader(tree, where)
    app = fields.text("app")
    if not app:
        raise BadDocumentError("it has no app", where=where)
    metadata = fields.texts("metadata")
    host = fields.text("hostName") or ""
    lease = Reader(fields.part("leaseInfo") or {}, f"{where}.leaseInfo")
    port, secure = fields.port("port"), fields.port("securePort")
    return Instance(
        app=app,
        instance_id=fields.text("instanceId") or _id_from(metadata, host),
        host=host,
        ip=fields.text("ipAddr") or "",
        port=port.number("$", 7001, INT_LIMIT),
        port_enabled=port.flag("@enabled", default=True),
        secure_port=secure.number("$", 7002, INT_LIMIT),
        secure_port_enabled=secure.flag("@enabled", default=False),
        status=Status.read(fields.text("status")) if fields.has("status") else Status.UP,
        overridden=Status.read(fields.text("overriddenStatus") or fields.text("overriddenstatus")),
        vip=fields.text("vipAddress"),
        secure_vip=fields.text("secureVipAddress"),
        metadata=metadata,
        data_center=_data_center_from(fields, where),
        app_group=fields.text("appGroupName"),
        asg_name=fields.text("asgName"),
        country_id=fields.number("countryId", 1, INT_LIMIT),
        home_page_url=fields.text("homePageUrl"),
        status_page_url=fields.text("statusPageUrl"),
        health_check_url=fields.text("healthCheckUrl"),
        secure_health_check_url=fields.text("secureHealthCheckUrl"),
        is_coordinating=fields.flag("isCoordinatingDiscoveryServer", default=False),
        renewal_interval=_positive(lease.number("renewalIntervalInSecs", 0, INT_LIMIT), 30.0),
        duration=_positive(lease.number("durationInSecs", 0, INT_LIMIT), 90.0),
        registration_timestamp=lease.number("registrationTimestamp", 0),
        last_renewal_timestamp=lease.number("lastRenewalTimestamp", 0),
        eviction_timestamp=lease.number("evictionTimestamp", 0),
        service_up_timestamp=lease.number("serviceUpTimestamp", 0),
        last_dirty_timestamp=fields.number("lastDirtyTimestamp", 0),
        last_updated_timestamp=fields.number("lastUpdatedTimestamp", 0),
        action=Action.__members__.get(fields.text("actionType") or "", Action.ADDED),
    )


def _id_from(metadata: Mapping[str, str], host: str) -> str:
    """Return the id of an instance that named none; Spring's servers put the host before it."""
    named = metadata.get("instanceId", "")
    if not named.strip():
        return host
    return named if named.startswith(host) else f"{host}:{named}"


def missing_from(tree: object) -> str | None:
    """Return what a registration lacks, in Netflix's words and order, or None."""
    fields = Reader(tree, "instance")
    for name, what in (("hostName", "hostname"), ("ipAddr", "ip address"), ("app", "appName")):
        if not fields.text(name):
            return f"Missing {what}"
    center = fields.part("dataCenterInfo")
    if not center:
        return "Missing dataCenterInfo"
    return None if Reader(center, "dataCenterInfo").text("name") else "Missing dataCenterInfo Name"


def applications_from(tree: object) -> Applications:
    """Read a list document from the tree below `applications`."""
    fields = Reader(tree, "applications")
    instances: dict[str, list[Instance]] = {}
    for number, app in enumerate(_listed(fields.value("application"))):
        where = f"applications.application[{number}]"
        found = instances.setdefault((Reader(app, where).text("name") or "").upper(), [])
        for index, item in enumerate(_listed(Reader(app, where).value("instance"))):
            found.append(instance_from(item, f"{where}.instance[{index}]"))
    hashcode = fields.text("apps__hashcode") or ""
    return Applications(hashcode, instances, fields.number("versions__delta", 1))


def _listed(value: object) -> Sequence[object]:
    if value is None or value == "":
        return ()
    return value if isinstance(value, list) else (value,)


def _positive(value: int, default: float) -> float:
    return float(value) if value > 0 else default


def _data_center_from(fields: Reader, where: str) -> DataCenter:
    center = Reader(fields.part("dataCenterInfo") or {}, f"{where}.dataCenterInfo")
    name = center.text("name") or "MyOwn"
    if name.lower() == "amazon":
        return DataCenter("Amazon", AMAZON_CLASS, center.texts("metadata"))
    return DataCenter(name)


class Reader:
    """Looks fields up in one object and says where it was when something is wrong.

    Raises:
        BadDocumentError: from every method, when the value cannot be meant.
    """

    def __init__(self, tree: object, where: str) -> None:
        if not isinstance(tree, dict):
            raise BadDocumentError(f"an object is expected, not {_kind(tree)}", where=where)
        self._tree: Tree = tree
        self._where = where

    def value(self, name: str) -> object:
        """Return the value as it came, or None."""
        return self._tree.get(name)

    def has(self, name: str) -> bool:
        """Whether there is a value."""
        return self._tree.get(name) is not None

    def part(self, name: str) -> Tree | None:
        """Return a nested object, or None when absent or empty."""
        value = self._tree.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        if not isinstance(value, dict):
            raise self._wrong(name, "an object", value)
        return value

    def port(self, name: str) -> Reader:
        """Return a port's object; a bare number stands for one without `@enabled`."""
        value = self._tree.get(name)
        where = f"{self._where}.{name}"
        return Reader({"$": value} if isinstance(value, (str, int)) else self.part(name) or {}, where)

    def text(self, name: str) -> str | None:
        """Return a text; numbers and booleans are taken as they would be written."""
        value = self._tree.get(name)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return str(value)
        raise self._wrong(name, "a text", value)

    def number(self, name: str, default: int, limit: int = LONG_LIMIT) -> int:
        """Return a whole number in Java's range; empty texts count as absent."""
        value = self.text(name)
        if value is None or not value.strip():
            return default
        try:
            number = int(value)
        except ValueError:
            raise self._wrong(name, "a whole number", value) from None
        if not -limit <= number < limit:
            raise self._wrong(name, "a smaller number", value)
        return number

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean, given as such or as text; anything but `true` in any case is false."""
        value = self.text(name)
        return default if value is None else value.strip().lower() == "true"

    def texts(self, name: str) -> dict[str, str]:
        """Return a map of texts without Java's marker of an empty map; null values are dropped."""
        value = self.part(name) or {}
        inner = Reader(value, f"{self._where}.{name}")
        found = {key: inner.text(key) for key in value if key != "@class"}
        if found.get("class") == EMPTY_MAP["@class"]:
            del found["class"]
        return {key: text for key, text in found.items() if text is not None}

    def _wrong(self, name: str, wanted: str, value: object) -> BadDocumentError:
        shown = repr(value)[:40] if isinstance(value, str) else _kind(value)
        return BadDocumentError(f"{name}: {wanted} is expected, not {shown}", where=f"{self._where}.{name}")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
