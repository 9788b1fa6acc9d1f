"""What is advertised is what is registered, and each file says so on its first line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import tidelock.broker.apis
from tests.support.node import MemoryBroker
from tidelock.broker.apis.registry import SERVED, ServedApi, handler
from tidelock.protocol.apis import APIS
from tidelock.protocol.messages.api_versions import ApiVersionsRequest

FOLDER = Path(tidelock.broker.apis.__file__).parent


@pytest.mark.parametrize("api", SERVED, ids=lambda api: api.module)
def test_the_head_of_each_file_says_key_and_versions(api: ServedApi) -> None:
    doc = ast.get_docstring(ast.parse((FOLDER / f"{api.module}.py").read_text())) or ""
    least = max(api.min_version, api.least)
    versions = f"v{least}" if least == api.max_version else f"v{least}-{api.max_version}"
    name = APIS[api.key].name
    assert re.match(rf"{name} \({api.key}\), {versions}: ", doc), doc.splitlines()[0]


@pytest.mark.parametrize("api", SERVED, ids=lambda api: api.module)
def test_every_advertised_version_has_a_codec(api: ServedApi) -> None:
    codec = APIS[api.key]
    assert codec.min_version <= max(api.min_version, api.least)
    assert api.max_version <= codec.max_version
    assert callable(handler(api.key))


def test_keys_are_in_order_and_single() -> None:
    keys = [api.key for api in SERVED]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("version", range(5))
def test_api_versions_answers_from_the_registry(version: int) -> None:
    response = MemoryBroker().send(
        ApiVersionsRequest(client_software_name="t", client_software_version="1"), version
    )
    ranges = [(one.api_key, one.min_version, one.max_version) for one in response.api_keys]
    assert ranges == [(api.key, api.min_version, api.max_version) for api in SERVED]
    if version >= 3:
        assert response.finalized_features_epoch >= 0
        levels = {one.name: one.max_version_level for one in response.finalized_features}
        assert levels == {"metadata.version": 29, "transaction.version": 2}
        assert ("transaction.version" in [one.name for one in response.supported_features]) == (version >= 4)


def test_the_compatibility_table_is_complete() -> None:
    page = Path(__file__).resolve().parents[4] / "docs" / "compat" / "kafka.md"
    rows = re.findall(r"^\| (\d+) \| (\w+) \| ([\d-]+) \|", page.read_text(), re.MULTILINE)

    def versions(api: ServedApi) -> str:
        low, high = api.min_version, api.max_version
        return str(high) if low == high else f"{low}-{high}"

    assert rows == [(str(api.key), APIS[api.key].name, versions(api)) for api in SERVED]
