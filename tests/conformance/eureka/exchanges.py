"""The requests, in the order in which they are sent to a registry that knows nobody."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

JSON, XML = "application/json", "application/xml"


class Exchange(NamedTuple):
    """One request; `settle` asks the recorder to wait until Java's response cache is renewed."""

    method: str
    path: str
    accept: str | None = None
    body: str = ""
    content_type: str | None = None
    compact: bool = False
    settle: bool = False

    @property
    def name(self) -> str:
        """What identifies the recorded answer, besides its place."""
        kind = f" {self.accept}" if self.accept else ""
        return f"{self.method} {self.path}{kind}{' compact' if self.compact else ''}"

    def headers(self) -> dict[str, str]:
        """The headers to send."""
        given = {"Accept": self.accept, "Content-Type": self.content_type}
        if self.compact:
            given["X-Eureka-Accept"] = "compact"
        return {name: value for name, value in given.items() if value is not None}


def instance(**changes: Any) -> dict[str, Any]:
    """A registration as Spring's client sends it; None leaves a field out."""
    fields: dict[str, Any] = {
        "instanceId": "h:orders:8080",
        "hostName": "h",
        "app": "ORDERS",
        "ipAddr": "10.0.0.1",
        "status": "UP",
        "overriddenStatus": "UNKNOWN",
        "port": {"$": 8080, "@enabled": "true"},
        "securePort": {"$": 443, "@enabled": "false"},
        "countryId": 1,
        "dataCenterInfo": {
            "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
            "name": "MyOwn",
        },
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90},
        "metadata": {"a_b": "c<&>\"'d"},
        "homePageUrl": "http://h:8080/",
        "statusPageUrl": "http://h:8080/actuator/info",
        "healthCheckUrl": "http://h:8080/actuator/health",
        "vipAddress": "orders,shop",
        "secureVipAddress": "sorders",
        "isCoordinatingDiscoveryServer": "false",
        "lastUpdatedTimestamp": "1700000000000",
        "lastDirtyTimestamp": "1700000000000",
        "actionType": "ADDED",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def post(app: str, body: str, content_type: str | None = JSON, accept: str | None = JSON) -> Exchange:
    """A registration."""
    return Exchange("POST", f"/eureka/apps/{app}", accept, body, content_type)


def register(under: str = "ORDERS", /, **changes: Any) -> Exchange:
    """A registration in JSON."""
    return post(under, json.dumps({"instance": instance(**changes)}))


MINIMAL = {
    "app": "js-users",
    "instanceId": "j1",
    "hostName": "127.0.0.1",
    "ipAddr": "127.0.0.1",
    "port": {"$": 3000, "@enabled": True},
    "vipAddress": "js-users",
    "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
}
AMAZON = {
    "@class": "com.netflix.appinfo.AmazonInfo",
    "name": "Amazon",
    "metadata": {"availability-zone": "eu-1", "instance-id": "i-1", "mac": "m"},
}
IN_XML = """<instance><instanceId>x1</instanceId><hostName>x</hostName><app>XML-APP</app>
<ipAddr>10.0.0.9</ipAddr>
<status>STARTING</status><overriddenstatus>UNKNOWN</overriddenstatus><port enabled="false">80</port>
<securePort enabled="true">8443</securePort><countryId>1</countryId>
<dataCenterInfo class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"><name>MyOwn</name>
</dataCenterInfo><leaseInfo><renewalIntervalInSecs>10</renewalIntervalInSecs><durationInSecs>40</durationInSecs></leaseInfo>
<metadata><a__b>c</a__b><d_-e>f</d_-e></metadata><vipAddress>xml</vipAddress></instance>"""


def readings(path: str, *, settle: bool = False) -> list[Exchange]:
    """The same GET in all four forms."""
    first, *rest = [(XML, False), (JSON, False), (XML, True), (JSON, True)]
    return [
        Exchange("GET", path, first[0], compact=first[1], settle=settle),
        *(Exchange("GET", path, accept, compact=compact) for accept, compact in rest),
    ]


ORDERS, USERS, CLOUD = "apps/ORDERS/h:orders:8080", "apps/JS-USERS/j1", "apps/CLOUD/i-1"

EXCHANGES: list[Exchange] = [
    # nobody is there
    *readings("/eureka/apps", settle=True),
    *readings("/eureka/vips/nobody"),
    Exchange("GET", "/eureka/apps/NOBODY", JSON),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    Exchange("GET", "/eureka/instances/nobody", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}", JSON),
    Exchange("DELETE", f"/eureka/{ORDERS}", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}/status?value=UP", JSON),
    Exchange("DELETE", f"/eureka/{ORDERS}/status", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}/metadata?a=b", JSON),
    # what is refused
    register(hostName=None),
    register(ipAddr=None),
    register(dataCenterInfo=None),
    register(app="OTHER"),
    post("ORDERS", ""),
    post("ORDERS", "{"),
    post("ORDERS", json.dumps({"instance": instance()}), "text/plain"),
    # who comes
    register(),
    register("js-users", **{name: None for name in instance() if name not in MINIMAL}, **MINIMAL),
    register("cloud", app="CLOUD", instanceId="i-1", dataCenterInfo=AMAZON, metadata={}, vipAddress="cloud"),
    post("xml-app", IN_XML, XML),
    *readings("/eureka/apps", settle=True),
    *readings("/eureka/apps/delta"),
    *readings("/eureka/apps/ORDERS"),
    *readings("/eureka/apps/js-users/"),
    *readings("/eureka/vips/shop"),
    *readings("/eureka/svips/sorders"),
    *readings(f"/eureka/{ORDERS}"),
    *readings(f"/eureka/{USERS}"),
    *readings(f"/eureka/{CLOUD}"),
    *readings("/eureka/instances/x1"),
    Exchange("GET", "/eureka/apps/ORDERS/h%3Aorders%3A8080", JSON),
    Exchange("GET", f"/eureka/{ORDERS}"),
    # heartbeats
    Exchange("PUT", f"/eureka/{ORDERS}?status=UP&lastDirtyTimestamp=1700000000000", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}?status=UP&lastDirtyTimestamp=1600000000000", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}?status=UP&lastDirtyTimestamp=1800000000000", JSON),
    Exchange("PUT", f"/eureka/{USERS}", JSON),
    # operators
    Exchange("PUT", f"/eureka/{ORDERS}/status?value=OUT_OF_SERVICE&lastDirtyTimestamp=1700000000000", JSON),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    Exchange("GET", f"/eureka/{ORDERS}", XML),
    *readings("/eureka/apps/delta", settle=True),
    register(),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}", JSON),
    Exchange("DELETE", f"/eureka/{ORDERS}/status", JSON),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}", JSON),
    register(),
    Exchange("PUT", f"/eureka/{ORDERS}", JSON),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    register(status="OUT_OF_SERVICE"),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    register(status="DOWN"),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    Exchange("PUT", f"/eureka/{ORDERS}/metadata?k=v", JSON),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    register(lastDirtyTimestamp="1600000000000", status="UP"),
    Exchange("GET", f"/eureka/{ORDERS}", JSON),
    register("early", app="EARLY", instanceId="e", overriddenStatus="OUT_OF_SERVICE"),
    Exchange("GET", "/eureka/apps/EARLY/e", JSON),
    # who goes
    Exchange("DELETE", f"/eureka/{USERS}", JSON),
    Exchange("DELETE", f"/eureka/{USERS}", JSON),
    Exchange("GET", f"/eureka/{USERS}", JSON),
    *readings("/eureka/apps/delta", settle=True),
    *readings("/eureka/apps"),
]

_TIMESTAMPS = re.compile(
    r'((?:Timestamp|timestamp)"?\s*[:>]\s*"?)(\d{12,})|(<(?:\w*Timestamp)>)(\d{12,})(</)'
)


def normal(text: str) -> str:
    """Return a body without what differs from run to run: timestamps of the server."""

    def masked(match: re.Match[str]) -> str:
        kept = match[2] or match[4]
        shown = kept if kept == "1700000000000" else "0"
        return f"{match[1]}{shown}" if match[1] else f"{match[3]}{shown}{match[5]}"

    return _TIMESTAMPS.sub(masked, text)
