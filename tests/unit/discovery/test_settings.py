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
    ],
)
def test_keys_are_taken_in_spring_s_relaxed_forms(name: str) -> None:
    assert RegistrySettings.relaxed({name: "250"}).eviction_interval_ms == 250


def test_the_policy_is_in_seconds_and_shares() -> None:
    given = {
        "eureka.server.renewal-percent-threshold": "0.9",
        "eureka.server.evictionIntervalTimerInMs": "500",
    }
    assert RegistrySettings.relaxed(given).policy() == Policy(eviction_interval=0.5, share=0.1)
    assert RegistrySettings().policy() == Policy()


def test_all_problems_are_reported_with_the_nearest_key() -> None:
    given = {"eureka.server.enableSelfPreservatoin": "true", "eureka.server.renewalPercentThreshold": "2"}
    with pytest.raises(ConfigError) as caught:
        RegistrySettings.relaxed(given)
    text = str(caught.value)
    assert "did you mean eureka.server.enableSelfPreservation?" in text
    assert "above the maximum" in text


def test_service_urls_are_a_list() -> None:
    given = {"eureka.client.service-url.defaultZone": "http://a:1/eureka/, http://b:2/eureka"}
    assert DiscoverySettings.relaxed(given).service_url == ("http://a:1/eureka/", "http://b:2/eureka")


def test_an_instance_renews_thrice_within_its_lease() -> None:
    settings = InstanceSettings()
    assert settings.lease_duration == 3 * settings.renewal_interval
