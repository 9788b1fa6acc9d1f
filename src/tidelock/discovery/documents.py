"""The documents that readers fetch, encoded once per change and kept as bytes. No IO, no clock.

A registry is read far more often than it changes: each document is built at its first read after a change
and served from memory until the next. Nothing is older than the last change (Netflix's servers answer from
a cache of 30 s). Heartbeats are no change, so `lastRenewalTimestamp` in a list is the one of the last
change; look-ups of one instance are built anew. May import `registry` and `codec`. Invariant: only
documents with at least one instance, and the two whole-registry ones, take memory.
"""

from __future__ import annotations

import enum
import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

from tidelock.discovery.codec import json, xml
from tidelock.discovery.codec.fields import Applications
from tidelock.discovery.instance import Instance, hashcode
from tidelock.discovery.lease import Moment
from tidelock.discovery.registry import Registry

GZIP_LEVEL = 1
GZIP_FROM = 512
"""Bytes; below it a packet is a packet."""


class Form(enum.Enum):
    """The four forms of a document: (writes JSON, is compact)."""

    JSON = (True, False)
    JSON_COMPACT = (True, True)
    XML = (False, False)
    XML_COMPACT = (False, True)

    @property
    def content_type(self) -> str:
        """The MIME type it is served with."""
        return json.CONTENT_TYPE if self.value[0] else xml.CONTENT_TYPE

    def applications(self, document: Applications) -> bytes:
        """Encode a list document."""
        is_json, is_compact = self.value
        write = json.write_applications if is_json else xml.write_applications
        return write(document, is_compact=is_compact)

    def application(self, name: str, instances: list[Instance]) -> bytes:
        """Encode one application."""
        is_json, is_compact = self.value
        write = json.write_application if is_json else xml.write_application
        return write(name, instances, is_compact=is_compact)

    def instance(self, instance: Instance) -> bytes:
        """Encode one instance; compact is ignored here, as on the Java servers."""
        return json.write_instance(instance) if self.value[0] else xml.write_instance(instance)


@dataclass(frozen=True, slots=True)
class Packed:
    """An encoded document."""

    body: bytes
    is_gzipped: bool = False


@dataclass(slots=True)
class Documents:
    """All documents over one registry."""

    registry: Registry
    _version: int = -1
    _delta_until: float = 0.0
    _packed: dict[tuple[str, str, Form, bool], Packed] = field(default_factory=dict)

    def everything(self, form: Form, *, may_gzip: bool = False) -> Packed:
        """Return all applications."""
        registry = self.registry

        def build() -> bytes:
            return form.applications(Applications(registry.hashcode(), registry.applications()))

        return self._kept(("apps", "", form, may_gzip), build)

    def delta(self, form: Form, now: Moment, *, may_gzip: bool = False) -> Packed:
        """Return what changed within the retention time, under the hash code of everything."""
        registry = self.registry
        if now.monotonic > self._delta_until:
            self._packed = {at: packed for at, packed in self._packed.items() if at[0] != "delta"}

        def build() -> bytes:
            grouped: dict[str, list[Instance]] = {}
            for instance in registry.delta(now):
                grouped.setdefault(instance.app, []).append(instance)
            starts = registry.delta_starts()
            retention = registry.policy.delta_retention
            self._delta_until = (now.monotonic if starts is None else starts) + retention
            return form.applications(Applications(registry.hashcode(), grouped, registry.version))

        return self._kept(("delta", "", form, may_gzip), build)

    def application(self, name: str, form: Form, *, may_gzip: bool = False) -> Packed | None:
        """Return one application, or None when there is none of that name."""
        instances = self.registry.application(name)
        if not instances:
            return None
        key = ("app", instances[0].app, form, may_gzip)
        return self._kept(key, lambda: form.application(instances[0].app, instances))

    def vip(self, name: str, form: Form, *, is_secure: bool, may_gzip: bool = False) -> Packed:
        """Return the instances behind a virtual name; an unknown name gives an empty document."""
        key = ("svip" if is_secure else "vip", name, form, may_gzip)
        packed = self._lookup(key)
        if packed is not None:
            return packed
        grouped: dict[str, list[Instance]] = {}
        found = self.registry.by_vip(name, is_secure=is_secure)
        for instance in found:
            grouped.setdefault(instance.app, []).append(instance)
        body = form.applications(Applications(hashcode(one.status for one in found), grouped, -1))
        return self._kept(key, lambda: body) if found else Packed(body)

    def _lookup(self, key: tuple[str, str, Form, bool]) -> Packed | None:
        if self._version != self.registry.version:
            self._version = self.registry.version
            self._packed.clear()
        return self._packed.get(key)

    def _kept(self, key: tuple[str, str, Form, bool], build: Callable[[], bytes]) -> Packed:
        packed = self._lookup(key)
        if packed is None:
            body = build()
            may_gzip = key[3] and len(body) >= GZIP_FROM
            packed = Packed(gzip.compress(body, GZIP_LEVEL, mtime=0), True) if may_gzip else Packed(body)
            self._packed[key] = packed
        return packed
