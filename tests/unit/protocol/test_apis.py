import pytest

from tidelock.protocol import apis
from tidelock.protocol.primitives import MalformedMessage


@pytest.mark.parametrize("api", apis.APIS.values(), ids=lambda api: api.name)
def test_every_api_in_the_table_has_the_classes_it_promises(api: apis.Api) -> None:
    for kind, message in [
        ("Request", apis.request_class(api.key)),
        ("Response", apis.response_class(api.key)),
    ]:
        assert message.__name__ == api.name + kind
        assert api.key == message.API_KEY
        assert (api.min_version, api.max_version) == (message.MIN_VERSION, message.MAX_VERSION)
        assert api.flexible_since == message.FLEXIBLE_SINCE
        versions = set(range(api.min_version, api.max_version + 1))
        assert set(message.READERS) == set(message.WRITERS) == versions


def test_an_unknown_key_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        apis.request_class(999)
    with pytest.raises(MalformedMessage):
        apis.response_class(-1)


def test_headers_are_flexible_from_the_version_on_where_the_body_is() -> None:
    assert [apis.request_header_version(3, version) for version in (8, 9)] == [1, 2]
    assert [apis.response_header_version(3, version) for version in (8, 9)] == [0, 1]
    assert [apis.response_header_version(18, version) for version in (2, 3, 4)] == [0, 0, 0]
    assert apis.request_header_version(47, 0) == 1
