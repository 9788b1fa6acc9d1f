"""Settings per service: Spring's keys and ours, units, defaults, and everything wrong at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidelock.config import ConfigError
from tidelock.errors import TidelockError
from tidelock.http.policies import GROUPS, Policies
from tidelock.http.policy import Policy

FEIGN = "spring.cloud.openfeign.client.config"
BREAKER = "resilience4j.circuitbreaker"


def test_a_service_has_its_own_and_the_default_for_the_rest() -> None:
    policies = Policies.parse(
        {
            f"{FEIGN}.default.connectTimeout": "250",
            f"{FEIGN}.default.readTimeout": "2000",
            f"{FEIGN}.order-service.readTimeout": "800ms",
        }
    )
    assert policies.default.call.timeout == 2.0
    assert policies.for_service("ORDER-SERVICE").call.timeout == 0.8
    assert policies.for_service("order-service").call.connect_timeout == 0.25
    assert policies.for_service("other").call.connect_timeout == 0.25


@pytest.mark.parametrize(
    ("key", "text", "group", "attribute", "value"),
    [
        (f"{FEIGN}.a.connect-timeout", "1500", "call", "connect_timeout", 1.5),
        (f"{FEIGN}.[a].readTimeout", "1m", "call", "timeout", 60.0),
        ("spring.cloud.loadbalancer.hint.a", "canary", "balance", "hint", "canary"),
        ("spring.cloud.loadbalancer.zone", "eu-1", "balance", "zone", "eu-1"),
        ("spring.cloud.loadbalancer.clients.a.subset.size", "7", "balance", "subset_size", 7),
        ("spring.cloud.loadbalancer.clients.a.retry.enabled", "false", "retry", "max_attempts", 1),
        ("spring.cloud.loadbalancer.clients.a.retry.enabled", "true", "retry", "max_attempts", 3),
        (
            "spring.cloud.loadbalancer.retry.max-retries-on-next-service-instance",
            "4",
            "retry",
            "max_attempts",
            5,
        ),
        ("spring.cloud.loadbalancer.retry.backoff.minBackoff", "5", "retry", "base_delay", 0.005),
        (f"{BREAKER}.instances.a.slidingWindowSize", "40", "breaker", "sliding_window_size", 40),
        (f"{BREAKER}.configs.default.wait-duration-in-open-state", "5s", "breaker", "until", 5.0),
        ("resilience4j.retry.instances.a.waitDuration", "500", "retry", "base_delay", 0.5),
        (
            "resilience4j.bulkhead.instances.a.maxConcurrentCalls",
            "25",
            "bulkhead",
            "max_concurrent_calls",
            25,
        ),
        ("tidelock.http.client.a.hedge.enabled", "true", "hedge", "enabled", True),
        ("tidelock.http.client.a.ejection.baseEjectionTime", "2", "ejection", "base_ejection_time", 2.0),
        ("tidelock.http.client.a.call.loadBalancer", "round-robin", "call", "load_balancer", "round-robin"),
    ],
)
def test_each_key_sets_one_setting(key: str, text: str, group: str, attribute: str, value: object) -> None:
    policy = Policies.parse({key: text}).for_service("a")
    attribute = {"until": "wait_duration_in_open_state"}.get(attribute, attribute)
    assert getattr(getattr(policy, group), attribute) == value
    untouched = {name for name in GROUPS if getattr(policy, name) == getattr(Policy(), name)}
    assert set(GROUPS) - untouched <= {group}


SWITCH = "spring.cloud.loadbalancer.retry.enabled"
NEXT = "spring.cloud.loadbalancer.retry.maxRetriesOnNextServiceInstance"


@pytest.mark.parametrize(
    ("given", "attempts"),
    [
        ([(SWITCH, "false"), (NEXT, "2")], 1),
        ([(NEXT, "2"), (SWITCH, "false")], 1),  # the order of lines decides nothing
        ([(SWITCH, "false"), ("spring.cloud.loadbalancer.clients.a.retry.enabled", "true")], 3),
        ([(SWITCH, "false"), ("spring.cloud.loadbalancer.clients.a.retry.enabled", "true"), (NEXT, "4")], 5),
        ([(SWITCH, "false"), ("resilience4j.retry.instances.a.maxAttempts", "4")], 1),
    ],
)
def test_retries_that_are_off_stay_off_until_the_service_turns_them_on(
    given: list[tuple[str, str]], attempts: int
) -> None:
    assert Policies.parse(dict(given)).for_service("a").retry.max_attempts == attempts


def test_what_spring_binds_is_read_and_what_has_no_meaning_here_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    policies = Policies.parse(
        {
            f"{BREAKER}.instances.a.waitDurationInOpenState": "PT1M30.5S",
            f"{BREAKER}.instances.a.slidingWindowType": "time_based",
            f"{FEIGN}.default.loggerLevel": "full",
            "spring.cloud.loadbalancer.cache.ttl": "2s",
            f"{BREAKER}.instances.a.registerHealthIndicator": "true",
        }
    )
    breaker = policies.for_service("a").breaker
    assert (breaker.wait_duration_in_open_state, breaker.sliding_window_type) == (90.5, "TIME_BASED")
    (told,) = caplog.messages
    assert all(name in told for name in ("loggerLevel", "cache.ttl", "registerHealthIndicator"))


def test_shared_configs_of_resilience4j_are_refused_not_dropped() -> None:
    with pytest.raises(ConfigError, match=r"configs\.default only"):
        Policies.parse({f"{BREAKER}.configs.shared.slidingWindowSize": "5"})
    with pytest.raises(ConfigError, match="not true or false"):
        Policies.parse({SWITCH: "maybe"})


def test_keys_of_others_are_left_alone() -> None:
    assert Policies.parse({"server.port": "8001", "spring.application.name": "x"}).default == Policy()


def test_all_problems_are_told_at_once_with_the_nearest_key() -> None:
    with pytest.raises(ConfigError) as caught:
        Policies.parse(
            {
                f"{FEIGN}.a.conectTimeout": "5",
                f"{FEIGN}.default.readTimeout": "soon",
                f"{BREAKER}.instances.b.slidingWindowSize": "0",
                "tidelock.http.client.a.call.loadBalancer": "best",
            },
            where="calls.toml",
        )
    told = {problem.key: problem for problem in caught.value.problems}
    assert len(caught.value.problems) == len(told) == 4
    assert told[f"{FEIGN}.a.conectTimeout"].nearest == f"{FEIGN}.a.connectTimeout"
    assert "not a number" in told[f"{FEIGN}.default.readTimeout"].why
    assert "minimum" in told[f"{BREAKER}.instances.b.slidingWindowSize"].why
    assert caught.value.where == "calls.toml"


def test_a_file_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calls.toml"
    path.write_text(f"[{FEIGN}.order-service]\nreadTimeout = 300\n", encoding="utf-8")
    monkeypatch.setenv("TIDELOCK_HTTP_CONFIG", str(path))
    assert Policies.of(None).for_service("order-service").call.timeout == 0.3
    assert Policies.of(Policy()).for_service("order-service") == Policy()  # what the program says wins


@pytest.mark.parametrize("content", [None, "[tidelock.http.client.a.call]\ntimeot = 1\n"])
def test_an_error_in_that_file_says_which_variable_named_it(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.toml"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("TIDELOCK_HTTP_CONFIG", str(path))
    with pytest.raises(TidelockError) as caught:
        Policies.of(None)
    assert caught.value.where == f"TIDELOCK_HTTP_CONFIG={path}"
    assert caught.value.hint
