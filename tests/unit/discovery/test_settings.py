import pytest

from tidelock.config import ConfigError
from tidelock.discovery.registry import Policy
from tidelock.discovery.settings import DiscoverySettings, InstanceSettings, RegistrySettings


@pytest.mark.parametrize(
    "name",
    [
        "eureka.server.evictionIntervalTimerInMs",
        "eureka.server.eviction-interval-timer-in-ms",
        "EUREKA.SERVER.EVICTION_INTERVAL_TIMER_IN_MS",
        "evictionIntervalTimerInMs",
        "eviction-interval-timer-in-ms",
    ],
)
def test_keys_are_taken_in_spring_s_relaxed_forms(name: str) -> None:
    assert RegistrySettings.parse({name: "250"}).eviction_interval_ms == 250


def test_the_policy_is_in_seconds_and_shares() -> None:
    given = {
        "eureka.server.renewal-percent-threshold": "0.9",
        "eureka.server.evictionIntervalTimerInMs": "500",
    }
    assert RegistrySettings.parse(given).policy() == Policy(eviction_interval=0.5, share=0.1)
    assert RegistrySettings().policy() == Policy()


def test_all_problems_are_reported_with_the_nearest_key() -> None:
    given = {"eureka.server.enableSelfPreservatoin": "true", "eureka.server.renewalPercentThreshold": "2"}
    with pytest.raises(ConfigError) as caught:
        RegistrySettings.parse(given)
    text = str(caught.value)
    assert "did you mean eureka.server.enableSelfPreservation?" in text
    assert "above the maximum" in text


def test_service_urls_are_a_list() -> None:
    given = {"eureka.client.service-url.defaultZone": "http://a:1/eureka/, http://b:2/eureka"}
    assert DiscoverySettings.parse(given).service_url == ("http://a:1/eureka/", "http://b:2/eureka")


def test_an_instance_renews_thrice_within_its_lease() -> None:
    settings = InstanceSettings()
    assert settings.lease_duration == 3 * settings.renewal_interval


def test_an_instance_describes_itself_in_spring_s_layout() -> None:
    instance = InstanceSettings().instance("Order-Service", 8081)
    assert (instance.app, instance.instance_id) == ("ORDER-SERVICE", "127.0.0.1:order-service:8081")
    assert (instance.vip, instance.address) == ("order-service", ("127.0.0.1", 8081))
    assert instance.health_check_url == "http://127.0.0.1:8081/actuator/health"
    assert (instance.renewal_interval, instance.duration) == (5, 15)


def test_an_instance_can_prefer_its_address() -> None:
    given = {"eureka.instance.prefer-ip-address": "true", "eureka.instance.ip-address": "::1"}
    instance = InstanceSettings.parse(given).instance("a", 80)
    assert (instance.host, instance.home_page_url) == ("::1", "http://[::1]:80/")
