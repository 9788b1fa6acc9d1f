from tests.unit.discovery.making import EPOCH, an_instance, at
from tidelock.discovery.instance import Status
from tidelock.discovery.lease import Lease


def test_it_lasts_exactly_its_duration_from_the_last_heartbeat() -> None:
    lease = Lease.granted(an_instance(duration=90.0), at(0))
    assert not lease.is_expired(at(90))
    assert lease.is_expired(at(90.001))
    lease.renew(at(80))
    assert not lease.is_expired(at(170))
    assert lease.is_expired(at(170.001))


def test_time_given_back_never_exceeds_a_fresh_heartbeat() -> None:
    lease = Lease.granted(an_instance(duration=10.0), at(0))
    lease.extend(5, at(8))
    assert lease.lapses_at == 15
    lease.extend(100, at(9))
    assert lease.lapses_at == 19


def test_it_shows_its_own_timestamps_and_override() -> None:
    lease = Lease.granted(an_instance(), at(1))
    lease.renew(at(2))
    lease.mark_up(at(3))
    lease.mark_up(at(4))
    lease.override = Status.OUT_OF_SERVICE
    shown = lease.shown()
    ms = int(EPOCH * 1000)
    assert shown.registration_timestamp == ms + 1000
    assert shown.last_renewal_timestamp == ms + 2000
    assert shown.service_up_timestamp == ms + 3000
    assert shown.eviction_timestamp == 0
    assert shown.overridden is Status.OUT_OF_SERVICE
