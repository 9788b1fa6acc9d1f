"""Who of the configured registries is a peer and who is this one."""

import pytest

from tidelock.discovery.peers import others
from tidelock.errors import UsageError


@pytest.mark.parametrize(
    ("urls", "own", "ports"),
    [
        (["http://127.0.0.1:1/eureka/", "http://127.0.0.1:2/eureka/"], ["http://127.0.0.1:1"], [2]),
        (["http://localhost:1/eureka/", "http://localhost:2/eureka"], ["http://127.0.0.1:1"], [2]),
        (["http://h:1/eureka/", "http://h:1/eureka/v2/"], ["http://127.0.0.1:1"], [1]),
        (["http://a:1/eureka/", "http://b:1/eureka/"], ["http://127.0.0.1:1", "http://A:1/eureka/"], [1]),
        ([], ["http://127.0.0.1:1"], []),
    ],
)
def test_peers_are_told_apart_by_host_and_port(urls: list[str], own: list[str], ports: list[int]) -> None:
    assert [target.port for target in others(urls, *own)] == ports


def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(UsageError):
        others(["h:1"])
