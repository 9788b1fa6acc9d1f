"""The API keys this build has codecs for: names, versions, and the message classes, imported on demand.

What a broker advertises is its own business; this table only says what can be decoded and encoded. Imports
the generated catalog, which is data; a message module is imported at its first use.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple, cast

from tidelock.protocol.messages.catalog import CATALOG
from tidelock.protocol.primitives import MalformedMessage, Message

API_VERSIONS = 18


class Api(NamedTuple):
    """One API: its key, Kafka's name for it, and the versions that the codecs cover."""

    key: int
    name: str
    module: str
    min_version: int
    max_version: int
    flexible_since: int


APIS: dict[int, Api] = {row[0]: Api(*row) for row in CATALOG}
API_NAMES: dict[int, str] = {key: api.name for key, api in APIS.items()}

_classes: dict[tuple[int, str], type[Message]] = {}


def request_class(key: int) -> type[Message]:
    """Return the request class of an API key.

    Raises:
        MalformedMessage: no codec for this key.
    """
    return _classes.get((key, "Request")) or _load(key, "Request")


def response_class(key: int) -> type[Message]:
    """Return the response class of an API key.

    Raises:
        MalformedMessage: no codec for this key.
    """
    return _classes.get((key, "Response")) or _load(key, "Response")


def find(key: int) -> Api:
    """Return the row of an API key.

    Raises:
        MalformedMessage: no codec for this key.
    """
    api = APIS.get(key)
    if api is None:
        raise MalformedMessage(f"no API has the key {key}")
    return api


def request_header_version(key: int, version: int) -> int:
    """2 for flexible versions, else 1 (KIP-482)."""
    return 2 if version >= find(key).flexible_since else 1


def response_header_version(key: int, version: int) -> int:
    """1 for flexible versions, else 0; ApiVersions always 0, so that any client can read it (KIP-511)."""
    return 1 if version >= find(key).flexible_since and key != API_VERSIONS else 0


def _load(key: int, kind: str) -> type[Message]:
    api = find(key)
    module = importlib.import_module(f"tidelock.protocol.messages.{api.module}")
    found = cast("type[Message]", getattr(module, api.name + kind))
    _classes[key, kind] = found
    return found
