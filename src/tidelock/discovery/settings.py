"""Settings of the registry, of its client and of an instance, under Netflix's and Spring's own keys.

Names are taken in Spring's relaxed forms: `eureka.server.eviction-interval-timer-in-ms` is the same key as
`eureka.server.evictionIntervalTimerInMs`. Defaults differ from Java's where those serve large data centres
at the price of minutes (30 s heartbeats, 60 s eviction, 30 s fetches); docs/compat/eureka.md lists the
differences. Pure: takes mappings. May import `instance`, `registry` (its Policy) and config.

Source: Netflix `EurekaServerConfig`, `EurekaClientConfig`, `EurekaInstanceConfig`; Spring Cloud Netflix
`EurekaServerConfigBean`, `EurekaClientConfigBean`, `EurekaInstanceConfigBean`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidelock.config import Importance, Problem, Settings, key
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.registry import Policy

DEFAULT_URL = "http://127.0.0.1:8761/eureka/"


class RelaxedSettings(Settings):
    """Settings whose keys may be spelt in Spring's relaxed forms: camel or kebab case, any case at all.

    A key may also come without the prefix that all keys of its class have in common, as Netflix's own
    property files leave it out: `evictionIntervalTimerInMs`.
    """

    @classmethod
    def examine(
        cls, given: Mapping[str, object], *, strict: bool = True
    ) -> tuple[dict[str, Any], list[Problem]]:
        """See Settings."""
        known: dict[str, str] = {}
        for item in cls.describe():
            known[_plain(item.name)] = item.name
            known[_plain(item.name.split(".", 2)[2])] = item.name
        renamed = {known.get(_plain(name), name): value for name, value in given.items()}
        return super().examine(renamed, strict=strict)


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


class RegistrySettings(RelaxedSettings):
    """The registry server (`eureka.server.*`, and its peers under the key that Java has them under)."""

    eviction_interval_ms: int = key(
        name="eureka.server.evictionIntervalTimerInMs",
        default=1000,
        at_least=10,
        doc="How often expired leases are evicted; 60000 in Java.",
    )
    enable_self_preservation: bool = key(
        name="eureka.server.enableSelfPreservation",
        default=True,
        importance=Importance.HIGH,
        doc="Keep expired leases when so many expire at once that the network looks broken.",
    )
    renewal_percent_threshold: float = key(
        name="eureka.server.renewalPercentThreshold",
        default=0.85,
        at_least=0.0,
        at_most=1.0,
        doc="Self-preservation starts when fewer than this part of all leases are renewed.",
    )
    self_preservation_minimum: int = key(
        name="eureka.server.selfPreservationMinimum",
        default=3,
        at_least=1,
        doc="Self-preservation also needs at least so many expired leases. Not in Java.",
    )
    probe_expired: bool = key(
        name="eureka.server.probeExpired",
        default=True,
        doc="Connect to instances under suspicion or self-preservation; who refuses is evicted. Not in Java.",
    )
    delta_retention_ms: int = key(
        name="eureka.server.retentionTimeInMSInDeltaQueue",
        default=180_000,
        at_least=1,
        doc="How long a change stays in the delta document.",
    )
    disable_delta: bool = key(
        name="eureka.server.disableDelta", default=False, doc="Answer 403 to requests for the delta."
    )
    peers: tuple[str, ...] = key(
        name="eureka.client.serviceUrl.defaultZone",
        default=(),
        importance=Importance.HIGH,
        doc="Peers: registries that tell each other everything; URLs end in /eureka/. May name this one.",
    )
    my_url: str | None = key(
        name="eureka.server.myUrl",
        default=None,
        doc="This registry's own URL among the peers', where that is not host and port that it listens on.",
    )
    allowed_hosts: tuple[str, ...] = key(
        name="eureka.server.allowedHosts",
        default=(),
        doc="Further host names that requests may address while listening on loopback. Not in Java.",
    )

    def policy(self) -> Policy:
        """Return what the rules need of these settings."""
        return Policy(
            eviction_interval=self.eviction_interval_ms / 1000,
            delta_retention=self.delta_retention_ms / 1000,
            minimum=self.self_preservation_minimum,
            share=round(1 - self.renewal_percent_threshold, 9),
            preserve=self.enable_self_preservation,
        )


class DiscoverySettings(RelaxedSettings):
    """The client of a registry (`eureka.client.*`); works against any Eureka server."""

    service_url: tuple[str, ...] = key(
        name="eureka.client.serviceUrl.defaultZone",
        default=(DEFAULT_URL,),
        importance=Importance.HIGH,
        doc="Registries, tried in this order; each URL ends in /eureka/. May carry user:password@.",
    )
    register_with_eureka: bool = key(
        name="eureka.client.registerWithEureka", default=True, doc="Whether to register instances at all."
    )
    fetch_registry: bool = key(
        name="eureka.client.fetchRegistry", default=True, doc="Whether to keep a copy of the registry."
    )
    registry_fetch_interval: float = key(
        name="eureka.client.registryFetchIntervalSeconds",
        default=2.0,
        at_least=0.01,
        doc="Seconds between two fetches of the delta; 30 in Java.",
    )
    disable_delta: bool = key(
        name="eureka.client.disableDelta", default=False, doc="Always fetch the whole registry."
    )
    watch: bool = key(
        name="eureka.client.shouldWatch",
        default=True,
        doc="Let registries of ours push changes, and tell them at once when this process dies. Not in Java.",
    )
    filter_only_up: bool = key(
        name="eureka.client.filterOnlyUpInstances",
        default=True,
        doc="Whether look-ups leave out instances that are not UP.",
    )
    unregister_on_shutdown: bool = key(
        name="eureka.client.shouldUnregisterOnShutdown",
        default=True,
        doc="Whether to cancel the leases when the client stops.",
    )
    connect_timeout: float = key(
        name="eureka.client.eurekaServerConnectTimeoutSeconds",
        default=2.0,
        at_least=0.01,
        doc="Seconds for a connection to a registry; 5 in Java.",
    )
    read_timeout: float = key(
        name="eureka.client.eurekaServerReadTimeoutSeconds",
        default=8.0,
        at_least=0.01,
        doc="Seconds for a registry's answer.",
    )


class InstanceSettings(RelaxedSettings):
    """What an instance says about itself (`eureka.instance.*`)."""

    instance_id: str | None = key(
        name="eureka.instance.instanceId",
        default=None,
        doc="Unique in its application; host:app:port if absent.",
    )
    hostname: str = key(
        name="eureka.instance.hostname", default="127.0.0.1", doc="The name that callers connect to."
    )
    ip_address: str = key(name="eureka.instance.ipAddress", default="127.0.0.1", doc="The numeric address.")
    prefer_ip_address: bool = key(
        name="eureka.instance.preferIpAddress", default=False, doc="Register the address as the host name."
    )
    renewal_interval: float = key(
        name="eureka.instance.leaseRenewalIntervalInSeconds",
        default=5.0,
        at_least=0.05,
        doc="Seconds between two heartbeats; 30 in Java.",
    )
    lease_duration: float = key(
        name="eureka.instance.leaseExpirationDurationInSeconds",
        default=15.0,
        at_least=0.1,
        doc="Seconds without a heartbeat that end the lease; 90 in Java, which waits twice as long.",
    )

    def instance(self, app: str, port: int, *, status: Status = Status.UP) -> Instance:
        """Return the instance that listens on `port`, with its URLs in the layout of Spring's actuator."""
        host = self.ip_address if self.prefer_ip_address else self.hostname
        shown = f"[{host}]" if ":" in host else host
        root = f"http://{shown}:{port}"
        return Instance(
            app=app,
            instance_id=self.instance_id or f"{host}:{app.lower()}:{port}",
            host=host,
            ip=self.ip_address,
            port=port,
            status=status,
            vip=app.lower(),
            secure_vip=app.lower(),
            home_page_url=f"{root}/",
            status_page_url=f"{root}/actuator/info",
            health_check_url=f"{root}/actuator/health",
            renewal_interval=self.renewal_interval,
            duration=self.lease_duration,
        )
