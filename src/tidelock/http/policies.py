"""Settings per service, by the keys that Spring users know; the rest of ours under `tidelock.http.client`.

    Policies.read(Path("calls.properties"))     # or .toml, with tables for the dotted names

    spring.cloud.openfeign.client.config.order-service.readTimeout = 800
    spring.cloud.loadbalancer.hint.order-service = canary
    resilience4j.circuitbreaker.instances.order-service.waitDurationInOpenState = 5s
    tidelock.http.client.default.hedge.enabled = true

What is said for `default` holds for every service that does not say otherwise. A client that is given no
policy reads the file that TIDELOCK_HTTP_CONFIG names. As in Spring, dashes and case in the last part do not
matter, and a duration is `500ms`, `2s`, `PT1M` or a number: milliseconds under Java's prefixes, seconds under
ours. Keys outside these prefixes are somebody else's and are not looked at; within them everything unknown or
wrong is reported, all at once.

Source: Spring Cloud OpenFeign `FeignClientProperties`, Spring Cloud LoadBalancer `LoadBalancerProperties`,
Resilience4j's Spring Boot starter.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from tidelock import config
from tidelock.config import ConfigError, Problem, Settings, nearest
from tidelock.config_file import read_pairs
from tidelock.errors import TidelockError
from tidelock.http.balance import BalanceSettings, EjectionSettings
from tidelock.http.breaker import BreakerSettings
from tidelock.http.hedging import HedgeSettings
from tidelock.http.policy import BulkheadSettings, CallSettings, Policy
from tidelock.http.retry import RetrySettings
from tidelock.runtime import environment

log = logging.getLogger(__name__)

DEFAULT = "default"
VARIABLE = "TIDELOCK_HTTP_CONFIG"

GROUPS: dict[str, type[Settings]] = {
    "call": CallSettings,
    "retry": RetrySettings,
    "breaker": BreakerSettings,
    "ejection": EjectionSettings,
    "balance": BalanceSettings,
    "hedge": HedgeSettings,
    "bulkhead": BulkheadSettings,
}
DURATIONS = frozenset(
    [
        *("timeout", "connectTimeout", "baseDelay", "maxDelay", "slowStart", "delay", "interval"),
        *("slowCallDurationThreshold", "waitDurationInOpenState", "baseEjectionTime", "maxEjectionTime"),
    ]
)
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ns|us|ms|s|m|h|d)?")
ISO_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
CHOICES = {
    (group, item.name, choice.lower()): choice
    for group, kind in GROUPS.items()
    for item in kind.describe()
    for choice in item.choices
}
"""The spelling of a choice, whatever its case: Spring binds enums without regard to it."""

SERVICE = r"(?:\[(?P<quoted>[^\]]+)\]|(?P<service>[^.\[\]]+))"


class Target(NamedTuple):
    """What a Java key sets: a group and key of ours, and how its text becomes ours if it is not the same."""

    group: str
    name: str
    convert: Callable[[str], str] | None = None


class Family(NamedTuple):
    """Keys of one prefix; the pattern finds the service and the `key` within `targets`.

    `unit` is what a duration without one is in, in seconds.
    """

    pattern: re.Pattern[str]
    targets: Mapping[str, Target]
    unit: float


def _plain(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _all_of(*groups: str, prefixed: bool = False) -> dict[str, Target]:
    return {
        f"{group}.{item.name}" if prefixed else item.name: Target(group, item.name)
        for group in groups
        for item in GROUPS[group].describe()
    }


def _one_more(text: str) -> str:
    return str(int(text) + 1) if text.strip().isdigit() else text


BALANCER = {
    "zone": Target("balance", "zone"),
    "subset.size": Target("balance", "subsetSize"),
    "subset.instanceId": Target("balance", "callerId"),
    "retry.enabled": Target("switch", "retry.enabled"),
    "retry.maxRetriesOnNextServiceInstance": Target("retry", "maxAttempts", _one_more),
    "retry.backoff.minBackoff": Target("retry", "baseDelay"),
    "retry.backoff.maxBackoff": Target("retry", "maxDelay"),
}
FEIGN = {"connectTimeout": Target("call", "connectTimeout"), "readTimeout": Target("call", "timeout")}
RETRY = {
    "maxAttempts": Target("retry", "maxAttempts"),
    "waitDuration": Target("retry", "baseDelay"),
    "exponentialMaxWaitDuration": Target("retry", "maxDelay"),
}
OURS = "tidelock.http.client"
WITHOUT_EFFECT = re.compile(
    r"spring\.cloud\.openfeign\.client\.config\.[^.]+\.(loggerLevel|logger-level|metrics\..+|micrometer\..+)"
    r"|spring\.cloud\.loadbalancer\.(clients\.[^.]+\.)?(enabled|cache\..+|health-?check\..+|stats\..+)"
    r"|resilience4j\.\w+\.(instances\.[^.]+|configs\.default)\.(?:register-?health-?indicator"
    r"|event-?consumer-?buffer-?size|enable-?exponential-?backoff|exponential-?backoff-?multiplier)",
    re.IGNORECASE,
)
"""Keys of Spring's that are taken and named in one warning: what they set is always so, or has no place."""


class Switches(Settings):
    """What turns rules off as a whole."""

    retry: bool = config.key(default=True, name="retry.enabled", doc="Whether a call may be repeated at all.")


def _families() -> tuple[Family, ...]:
    """Return all prefixes; where two match, the first is meant."""
    named = SERVICE + r"\.(?P<key>.+)"
    resilient = rf"(?:instances\.{SERVICE}|configs\.default)\.(?P<key>.+)|(?P<shared>configs)\..+"
    table: tuple[tuple[str, str, Mapping[str, Target], float], ...] = (
        ("spring.cloud.openfeign.client.config", named, FEIGN, 1e-3),
        ("spring.cloud.loadbalancer.hint", SERVICE + r"(?P<key>)", {"": Target("balance", "hint")}, 1e-3),
        ("spring.cloud.loadbalancer.clients", named, BALANCER, 1e-3),
        ("spring.cloud.loadbalancer", r"(?P<key>.+)", BALANCER, 1e-3),
        ("resilience4j.circuitbreaker", resilient, _all_of("breaker"), 1e-3),
        ("resilience4j.retry", resilient, RETRY, 1e-3),
        ("resilience4j.bulkhead", resilient, _all_of("bulkhead"), 1e-3),
        (OURS, named, _all_of(*GROUPS, prefixed=True), 1.0),
    )
    return tuple(
        Family(re.compile(rf"{re.escape(prefix)}\.(?:{rest})"), targets, unit)
        for prefix, rest, targets, unit in table
    )


FAMILIES = _families()


class Policies:
    """The settings of every service that a client calls.

    Attributes:
        default: for services that have none of their own.
    """

    def __init__(self, default: Policy, services: Mapping[str, Policy] | None = None) -> None:
        self.default = default
        self._services = {name.lower(): policy for name, policy in (services or {}).items()}

    @classmethod
    def of(cls, policy: Policy | Policies | None) -> Policies:
        """Return what a client was given as policies; None takes the file of TIDELOCK_HTTP_CONFIG, if any.

        Raises:
            ConfigError: something is wrong in that file.
            ConfigFileError: it cannot be read.
        """
        if isinstance(policy, Policies):
            return policy
        path = environment().get(VARIABLE) if policy is None else None
        if not path:
            return cls(policy or Policy())
        try:
            return cls.read(Path(path))
        except TidelockError as error:  # say where the path came from: perhaps not from who reads this
            error.where = f"{VARIABLE}={error.where}"
            error.hint = error.hint or "mend the file, or unset the variable"
            raise

    @classmethod
    def parse(cls, given: Mapping[str, str], *, where: str | None = None) -> Self:
        """Read the settings of all services.

        Args:
            given: dotted key -> text.
            where: the file, for the error text.

        Raises:
            ConfigError: with every problem under the prefixes above.
        """
        problems: list[Problem] = []
        idle = [name for name in given if WITHOUT_EFFECT.fullmatch(name)]
        if idle:
            log.warning("settings without effect here: %s", ", ".join(idle), extra={"where": where})
        settings: dict[str, dict[tuple[str, str], tuple[str, str]]] = {DEFAULT: {}}
        for key, text in given.items():
            found = None if key in idle else _resolved(key, text)
            if isinstance(found, Problem):
                problems.append(found)
            elif found is not None:
                service, target, value = found
                settings.setdefault(service, {})[target.group, target.name] = (value, key)
        policies = {
            service: _policy({**settings[DEFAULT], **own}, problems) for service, own in settings.items()
        }
        if problems:
            raise ConfigError(tuple(dict.fromkeys(problems)), where=where)
        return cls(policies.pop(DEFAULT), policies)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; see `parse` and `config_file.read_pairs`."""
        return cls.parse(dict(read_pairs(path)), where=str(path))

    def for_service(self, name: str) -> Policy:
        """Return the settings for a service; case does not matter, as in the registry."""
        return self._services.get(name.lower(), self.default)


def _resolved(key: str, text: str) -> tuple[str, Target, str] | Problem | None:
    """Return service, what is set, and to what; None when the key is somebody else's."""
    for family in FAMILIES:
        match = family.pattern.fullmatch(key)
        if match is None:
            continue
        groups = match.groupdict()
        if groups.get("shared"):
            return Problem(key, text, "is read for instances and for configs.default only")
        wanted = groups["key"]
        target = {_plain(name): each for name, each in family.targets.items()}.get(_plain(wanted))
        if target is None:
            near = nearest(wanted, tuple(family.targets))
            return Problem(key, text, "is not a known key", near and key.removesuffix(wanted) + near)
        value = target.convert(text) if target.convert else text
        value = CHOICES.get((target.group, target.name, value.strip().lower()), value)
        if target.name in DURATIONS:
            value = _seconds(value, family.unit)
        service = groups.get("service") or groups.get("quoted") or DEFAULT
        return service.lower(), target, value
    return None


def _seconds(text: str, unit: float) -> str:
    """Return a duration in seconds; what is none is left for the settings class to refuse."""
    match = DURATION.fullmatch(text.strip())
    if match is not None:
        return f"{float(match[1]) * (UNITS[match[2]] if match[2] else unit):.9g}"
    iso = ISO_DURATION.fullmatch(text.strip().upper())
    if iso is None or not any(iso.groups()):
        return text
    hours, minutes, seconds = (float(part or 0) for part in iso.groups())
    return f"{3600 * hours + 60 * minutes + seconds:.9g}"


def _policy(settings: Mapping[tuple[str, str], tuple[str, str]], problems: list[Problem]) -> Policy:
    groups: dict[str, Any] = {}
    kinds: dict[str, type[Settings]] = {**GROUPS, "switch": Switches}
    for group, kind in kinds.items():
        given = {name: value for (each, name), (value, _) in settings.items() if each == group}
        values, wrong = kind.examine(given)
        problems += [Problem(settings[group, one.key][1], one.value, one.why) for one in wrong]
        groups[group] = kind() if wrong else kind(**values)
    switches: Switches = groups.pop("switch")
    if not switches.retry:
        groups["retry"] = dataclasses.replace(groups["retry"], max_attempts=1)
    return Policy(**groups)
