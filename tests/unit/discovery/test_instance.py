import msgspec
import pytest

from tests.unit.discovery.making import an_instance
from tidelock.discovery.instance import DataCenter, Status, hashcode


def test_the_app_is_kept_in_upper_case() -> None:
    assert an_instance().app == "ORDERS"
    assert msgspec.structs.replace(an_instance(), app="Users").app == "USERS"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("UP", Status.UP),
        ("out_of_service", Status.OUT_OF_SERVICE),
        ("", Status.UNKNOWN),
        (None, Status.UNKNOWN),
        ("HAPPY", Status.UNKNOWN),
    ],
)
def test_a_status_reads_tolerantly(text: str | None, status: Status) -> None:
    assert Status.read(text) is status


def test_the_plain_port_is_called_while_it_is_enabled() -> None:
    both = an_instance(secure_port=443, secure_port_enabled=True)
    assert both.address == ("h", 80)
    assert both.url == "http://h:80"
    only = an_instance(secure_port=443, secure_port_enabled=True, port_enabled=False)
    assert only.address == ("h", 443)
    assert only.url == "https://h:443"


def test_a_v6_host_is_bracketed_in_the_url() -> None:
    assert an_instance(host="::1").url == "http://[::1]:80"


def test_the_zone_comes_from_the_metadata_or_from_amazon() -> None:
    assert an_instance().zone is None
    assert an_instance(metadata={"zone": "a"}).zone == "a"
    amazon = DataCenter("Amazon", metadata={"availability-zone": "eu-1"})
    assert an_instance(data_center=amazon).zone == "eu-1"


def test_vips_are_a_comma_list() -> None:
    assert an_instance(vip="a, b,").vips == ("a", "b")
    assert an_instance().secure_vips == ()


def test_the_hashcode_counts_statuses_in_alphabetical_order() -> None:
    assert hashcode([]) == ""
    assert hashcode([Status.UP, Status.DOWN, Status.UP]) == "DOWN_1_UP_2_"
