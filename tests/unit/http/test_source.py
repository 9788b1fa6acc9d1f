"""Sources without IO."""

from __future__ import annotations

import pytest

from tidelock.errors import LocalProtocolError, UsageError
from tidelock.http.source import EnvironmentSource, StaticSource, instance_at


def test_a_mapping_answers_in_any_case_and_always_with_the_same_object() -> None:
    source = StaticSource({"order-service": ["http://127.0.0.1:8001", "https://orders.example/base/"]})
    first, second = source.instances("ORDER-SERVICE")
    assert source.instances("order-service") is source.instances("Order-Service")
    assert first.address == ("127.0.0.1", 8001)
    assert (second.address, second.is_secure) == (("orders.example", 443), True)
    assert second.metadata == {"context-path": "/base"}
    assert source.instances("other") == ()


def test_variables_name_services() -> None:
    source = EnvironmentSource(
        {"TIDELOCK_SERVICES_ORDER_SERVICE": "http://a:1, http://[::1]:2", "PATH": "/bin"}
    )
    assert [each.address for each in source.instances("order-service")] == [("a", 1), ("::1", 2)]
    assert source.instances("path") == ()


@pytest.mark.parametrize(
    "url", ["", "orders", "ftp://a", "http://", "http://a:port", "http://a:99999", "http://a/?q=1"]
)
def test_what_is_no_address_is_refused_with_a_hint(url: str) -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:8001"):
        instance_at("orders", url)


def test_a_socket_of_this_machine_keeps_the_case_of_its_path() -> None:
    found = instance_at("orders", "http+unix://%2Frun%2FOrders.sock/base/")
    assert found.address == ("/run/Orders.sock", 0)
    assert found.metadata == {"context-path": "/base"}
    assert found.url == "http+unix://%2Frun%2FOrders.sock"
    for wrong in ("http+unix://orders.sock", "http+unix://%2Fo.sock/a?q=1", "http+unix://%2Fo%0A.sock"):
        with pytest.raises(UsageError, match="names no socket"):
            instance_at("orders", wrong)


@pytest.mark.parametrize("url", ["http+unix://%2Fo.sock/a b", "http://127.0.0.1:1/a b"])
def test_a_base_path_that_would_break_the_request_line_is_refused(url: str) -> None:
    with pytest.raises(LocalProtocolError, match="percent-encode"):
        instance_at("orders", url)
