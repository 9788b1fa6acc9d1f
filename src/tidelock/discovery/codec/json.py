"""Eureka's JSON, as Netflix's and Spring's servers write it and as clients in the wild send it. No IO.

May import `fields`. Every reader raises `BadDocumentError` and nothing else.

Source: Netflix `EurekaJacksonCodec`, `EurekaJsonJacksonCodec` (compact).
"""

from __future__ import annotations

import msgspec

from tidelock.discovery.codec.fields import (
    Applications,
    BadDocumentError,
    Tree,
    applications_from,
    compact_tree_of,
    tree_of,
)
from tidelock.discovery.instance import Instance

CONTENT_TYPE = "application/json"


def read_tree(body: bytes, root: str) -> Tree:
    """Return the object below `root`; the root may be missing, as some clients leave it out.

    Raises:
        BadDocumentError: not JSON, or not an object.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadDocumentError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadDocumentError("a JSON object is expected")
    inner = document.get(root, document)
    if not isinstance(inner, dict):
        raise BadDocumentError("an object is expected", where=root)
    return inner


def read_applications(body: bytes) -> Applications:
    """Read a list document."""
    return applications_from(read_tree(body, "applications"))


def write_applications(document: Applications, *, is_compact: bool = False) -> bytes:
    """Return a list document."""
    versions = {"versions__delta": str(document.version), "apps__hashcode": document.hashcode}
    applications = [_application(*item, is_compact) for item in document.instances.items()]
    if is_compact:
        empty = {"registeredApplicationsEmpty": not applications}
        return msgspec.json.encode({"applications": {"application": applications, **empty, **versions}})
    return msgspec.json.encode({"applications": {**versions, "application": applications}})


def write_application(name: str, instances: list[Instance], *, is_compact: bool = False) -> bytes:
    """Return the document of one application."""
    return msgspec.json.encode({"application": _application(name, instances, is_compact)})


def write_instance(instance: Instance) -> bytes:
    """Return the document of one instance; always full, as on the Java servers."""
    return msgspec.json.encode({"instance": tree_of(instance)})


def _application(name: str, instances: list[Instance], is_compact: bool) -> Tree:
    tree = compact_tree_of if is_compact else tree_of
    return {"name": name, "instance": [tree(instance) for instance in instances]}
