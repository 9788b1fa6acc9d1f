"""What the registry knows about one running copy of a service: the instance and its status.

Frozen msgspec structs, shared by the lease table, the codecs, the client and everyone who calls instances.
A change makes a new object (`msgspec.structs.replace`). Timestamps are whole milliseconds since the Unix
epoch, because they travel like that; durations are seconds. This module imports nothing of the house, does
no IO and reads no clock. Invariant: an Instance that exists has an application name in upper case.

Source: Netflix `com.netflix.appinfo.InstanceInfo`, `LeaseInfo`, `DataCenterInfo`.
"""

from __future__ import annotations

import enum
import urllib.parse
from collections.abc import Iterable

import msgspec

MY_OWN_CLASS = "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"
AMAZON_CLASS = "com.netflix.appinfo.AmazonInfo"


class Status(enum.Enum):
    """The state an instance is in; only UP gets calls."""

    UP = "UP"
    DOWN = "DOWN"
    STARTING = "STARTING"
    OUT_OF_SERVICE = "OUT_OF_SERVICE"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def read(cls, text: str | None) -> Status:
        """Return the status for a text in any case; whatever is not one reads as UNKNOWN, as in Java."""
        return cls.__members__.get((text or "").strip().upper(), cls.UNKNOWN)


class Action(enum.Enum):
    """What the last change of an instance was, for readers of the delta document."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


class DataCenter(msgspec.Struct, frozen=True):
    """Where an instance runs: `MyOwn`, `Amazon` or `Netflix`, with the Java class that readers expect."""

    name: str = "MyOwn"
    java_class: str = MY_OWN_CLASS
    metadata: dict[str, str] = {}


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One running copy of a service, as registered.

    Args:
        app: the service's name; compared without case, kept in upper case.
        instance_id: unique within the app; case matters. Conventionally `host:app:port`.
        host: the name (or address) that callers connect to.
        ip: the numeric address, for those who prefer it.
        port: where it listens without TLS, when `port_enabled`.
        overridden: the status an operator set; UNKNOWN means none.
        vip: comma list of virtual names; usually the app in lower case.
        metadata: free text pairs; `zone` says in which zone it runs.
        renewal_interval: seconds between two heartbeats.
        duration: seconds without a heartbeat after which the lease is over.
        last_dirty_timestamp: when the instance itself last changed; 0 means it did not say.
    """

    app: str
    instance_id: str
    host: str
    ip: str
    port: int = 7001
    port_enabled: bool = True
    secure_port: int = 7002
    secure_port_enabled: bool = False
    status: Status = Status.UP
    overridden: Status = Status.UNKNOWN
    vip: str | None = None
    secure_vip: str | None = None
    metadata: dict[str, str] = {}
    data_center: DataCenter = DataCenter()
    app_group: str | None = None
    asg_name: str | None = None
    country_id: int = 1
    home_page_url: str | None = None
    status_page_url: str | None = None
    health_check_url: str | None = None
    secure_health_check_url: str | None = None
    is_coordinating: bool = False
    renewal_interval: float = 30.0
    duration: float = 90.0
    registration_timestamp: int = 0
    last_renewal_timestamp: int = 0
    eviction_timestamp: int = 0
    service_up_timestamp: int = 0
    last_dirty_timestamp: int = 0
    last_updated_timestamp: int = 0
    action: Action = Action.ADDED

    def __post_init__(self) -> None:
        if not self.app.isupper():
            msgspec.structs.force_setattr(self, "app", self.app.upper())

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to: the plain port, or the secure one when only that is enabled."""
        return self.host, self.secure_port if self.is_secure else self.port

    @property
    def is_secure(self) -> bool:
        """Whether callers must use TLS: the secure port is enabled and the plain one is not."""
        return self.secure_port_enabled and not self.port_enabled

    @property
    def url(self) -> str:
        """The root URL of the instance, without a slash at the end."""
        host, port = self.address
        if host.startswith("/"):  # a Unix domain socket, as a caller's own settings name it
            return f"http+unix://{urllib.parse.quote(host, safe='')}"
        shown = f"[{host}]" if ":" in host else host
        return f"{'https' if self.is_secure else 'http'}://{shown}:{port}"

    @property
    def is_up(self) -> bool:
        """Whether callers may use it."""
        return self.status is Status.UP

    @property
    def zone(self) -> str | None:
        """Its zone: `metadata.zone`, or Amazon's availability zone."""
        return self.metadata.get("zone") or self.data_center.metadata.get("availability-zone")

    @property
    def vips(self) -> tuple[str, ...]:
        """The virtual names of the plain port."""
        return _names(self.vip)

    @property
    def secure_vips(self) -> tuple[str, ...]:
        """The virtual names of the secure port."""
        return _names(self.secure_vip)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def hashcode(statuses: Iterable[Status]) -> str:
    """Return `apps__hashcode`: how many instances are in each status, e.g. `DOWN_1_UP_2_`; empty for none.

    Readers of deltas compare it with their own copy's to notice that they missed something.

    Source: Netflix `com.netflix.discovery.shared.Applications.getReconcileHashCode`.
    """
    counts: dict[str, int] = {}
    for status in statuses:
        counts[status.value] = counts.get(status.value, 0) + 1
    return "".join(f"{name}_{counts[name]}_" for name in sorted(counts))
