"""Eureka's REST operations: a request in, an answer out. No IO, no clock.

The routes stand in one table. Paths come without prefix and version; applications compare without case.
What is wrong with a request is answered with 400 and the reason, never with 500. May import `registry`,
`documents` and `codec`. Invariant: an operation that answers below 400 has happened when the answer is
returned.

Source: Netflix `com.netflix.eureka.resources` (ApplicationsResource, ApplicationResource, InstanceResource,
InstancesResource, VIPResource, SecureVIPResource, ServerInfoResource, PeerReplicationResource,
StatusResource).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from tidelock.discovery.codec import json, xml
from tidelock.discovery.codec.batch import Kind, Task, read_tasks, write_results
from tidelock.discovery.codec.fields import BadDocumentError, Tree, instance_from, missing_from
from tidelock.discovery.documents import Documents, Form, Packed
from tidelock.discovery.instance import Action, Instance, Status
from tidelock.discovery.lease import Moment
from tidelock.discovery.registry import Registry, Renewal
from tidelock.discovery.replication import receive
from tidelock.discovery.standing import Standing

REPLICATION = "x-netflix-discovery-replication"
VARY = ("vary", "accept, accept-encoding, x-eureka-accept")

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as far as operations look at it.

    Args:
        method: upper case.
        path: decoded segments behind prefix and version, e.g. ("apps", "ORDERS").
        now: both clocks.
        query: the first value of each parameter.
        headers: lower-case names.
        body: whole.
    """

    method: str
    path: tuple[str, ...]
    now: Moment
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def form(self) -> Form:
        """The form the sender wants: JSON if it says so, XML otherwise, as Netflix decides."""
        is_json = "json" in self.headers.get("accept", "")
        return Form((is_json, self.headers.get("x-eureka-accept", "").lower() == "compact"))

    @property
    def may_gzip(self) -> bool:
        """Whether the sender reads gzip."""
        return "gzip" in self.headers.get("accept-encoding", "")

    @property
    def is_replica(self) -> bool:
        """Whether a peer passes on what it was told."""
        return self.headers.get(REPLICATION) == "true"


@dataclass(frozen=True, slots=True)
class InstanceChanged:
    """Event: an instance came, changed or went by a request or by eviction."""

    instance: Instance
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `happened` is for those who watch, `tell` for the peers."""

    status: int
    body: bytes = b""
    headers: Headers = ()
    happened: tuple[InstanceChanged, ...] = ()
    tell: tuple[Task, ...] = ()


class BadRequestError(BadDocumentError):
    """A parameter that cannot be meant; answered with 400."""

    code = "TID-302"


OK = Reply(200)

PLAIN: Headers = (("content-type", "text/plain; charset=utf-8"),)


class Operations:
    """Answers requests from one registry.

    Args:
        registry: the lease table.
        has_delta: False answers 403 to the delta, on which clients fetch everything.
        standing: what `/status` says of the server itself.
    """

    def __init__(
        self, registry: Registry, *, has_delta: bool = True, standing: Callable[[], Standing] | None = None
    ) -> None:
        self.registry = registry
        self._standing = standing or Standing
        self.documents = Documents(registry)
        self._has_delta = has_delta

    def answer(self, request: Request) -> Reply:
        """Carry the request out."""
        methods = _route(request.path)
        if methods is None:
            return _error(404, request, "there is no such resource")
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            reply = _error(405, request, f"{request.method} is not possible here")
            return Reply(405, reply.body, (*reply.headers, ("allow", ", ".join(methods))))
        try:
            return operation(self, request)
        except BadRequestError as error:
            return _error(400, request, error.what)

    # readers

    def everything(self, request: Request) -> Reply:
        """`GET /apps`."""
        return _packed(request, self.documents.everything(request.form, may_gzip=request.may_gzip))

    def delta(self, request: Request) -> Reply:
        """`GET /apps/delta`."""
        if not self._has_delta:
            return _error(403, request, "the delta is switched off (eureka.server.disableDelta)")
        packed = self.documents.delta(request.form, request.now, may_gzip=request.may_gzip)
        return _packed(request, packed)

    def application(self, request: Request) -> Reply:
        """`GET /apps/{app}`."""
        name = request.path[1]
        packed = self.documents.application(name, request.form, may_gzip=request.may_gzip)
        if packed is None:
            return _error(404, request, f"no application {name.upper()!r} is registered")
        return _packed(request, packed)

    def instance(self, request: Request) -> Reply:
        """`GET /apps/{app}/{id}`."""
        found = self.registry.instance(request.path[1], request.path[2], request.now)
        return _unknown(request) if found is None else _instance(request, found)

    def instance_by_id(self, request: Request) -> Reply:
        """`GET /instances/{id}`."""
        found = self.registry.instance_by_id(request.path[1], request.now)
        return _unknown(request) if found is None else _instance(request, found)

    def vip(self, request: Request) -> Reply:
        """`GET /vips/{name}` and `GET /svips/{name}`."""
        kind, name = request.path
        packed = self.documents.vip(name, request.form, is_secure=kind == "svips", may_gzip=request.may_gzip)
        return _packed(request, packed)

    def overrides(self, request: Request) -> Reply:
        """`GET /serverinfo/statusoverrides`."""
        found = {name: status.value for name, status in self.registry.overrides().items()}
        return Reply(200, msgspec.json.encode(found), (("content-type", json.CONTENT_TYPE),))

    # instances

    def register(self, request: Request) -> Reply:
        """`POST /apps/{app}`."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("", json.CONTENT_TYPE, xml.CONTENT_TYPE, "text/xml"):
            return _error(415, request, f"{kind} is not application/json or application/xml")
        try:
            tree = _registration(kind, request.body)
            missing = missing_from(tree) if tree.get("app") else None
            instance = instance_from(tree)
        except BadDocumentError as error:
            reason = f"{error.what} (at {error.where})" if error.where else error.what
            body = {"error": "cannot parse request body", "reason": reason}
            return Reply(400, msgspec.json.encode(body), (("content-type", json.CONTENT_TYPE),))
        expected = request.path[1].upper()
        if missing is None and instance.app != expected:
            missing = f"Mismatched appName, expecting {expected} but was {instance.app}"
        if missing is not None:
            return Reply(400, missing.encode(), PLAIN)
        listed = self.registry.register(instance, request.now, is_replica=request.is_replica)
        happened = InstanceChanged(listed, Action.ADDED, "registered")
        return Reply(204, happened=(happened,), tell=self._tell(request, Kind.REGISTER, listed))

    def renew(self, request: Request) -> Reply:
        """`PUT /apps/{app}/{id}`: a heartbeat."""
        _, app, instance_id = request.path
        dirty = _number(request, "lastDirtyTimestamp")
        renewal = self.registry.renew(
            app, instance_id, request.now, dirty=dirty, is_replica=request.is_replica
        )
        if renewal is Renewal.RENEWED:
            return self._renewed(request)
        held = self.registry.instance(app, instance_id, request.now)
        if renewal is Renewal.STALE_THERE and held is not None:
            return _instance(request, held, status=409)
        return _unknown(request) if held is None else _error(404, request, f"register again: {renewal.value}")

    def cancel(self, request: Request) -> Reply:
        """`DELETE /apps/{app}/{id}`."""
        gone = self.registry.cancel(request.path[1], request.path[2], request.now)
        tell = self._tell(request, Kind.CANCEL, gone)
        if gone is None and self.registry.policy.replicates:  # a peer may be about to tell of it
            task = Task(Kind.CANCEL, request.path[1].upper(), request.path[2], request.now.ms)
            return dataclasses.replace(_unknown(request), tell=(task,))
        return _changed(request, gone, Action.DELETED, "left", tell)

    def override(self, request: Request) -> Reply:
        """`PUT /apps/{app}/{id}/status?value=`."""
        _, app, instance_id, _ = request.path
        if "value" not in request.query:
            raise BadRequestError(f"value is missing; one of {', '.join(Status.__members__)}")
        dirty, status = _number(request, "lastDirtyTimestamp"), _status(request)
        changed = self.registry.override(app, instance_id, status, request.now, dirty=dirty)
        tell = self._tell(request, Kind.OVERRIDE, changed, status)
        return _changed(request, changed, Action.MODIFIED, "status set", tell)

    def remove_override(self, request: Request) -> Reply:
        """`DELETE /apps/{app}/{id}/status[?value=]`."""
        _, app, instance_id, _ = request.path
        dirty, status = _number(request, "lastDirtyTimestamp"), _status(request)
        had_one = instance_id in self.registry.overrides()
        changed = self.registry.remove_override(app, instance_id, status, request.now, dirty=dirty)
        tell = self._tell(request, Kind.REMOVE_OVERRIDE, changed, status) if had_one else ()
        return _changed(request, changed, Action.MODIFIED, "override removed", tell)

    def metadata(self, request: Request) -> Reply:
        """`PUT /apps/{app}/{id}/metadata?key=value`."""
        _, app, instance_id, _ = request.path
        changed = self.registry.update_metadata(app, instance_id, request.query, request.now)
        tell = self._tell(request, Kind.REGISTER, changed)  # Java's peers do not hear of it
        return _changed(request, changed, Action.MODIFIED, "metadata set", tell)

    # peers

    def batch(self, request: Request) -> Reply:
        """`POST /peerreplication/batch/`."""
        try:
            tasks = read_tasks(request.body)
        except BadDocumentError as error:
            raise BadRequestError(f"{error.what} (at {error.where})" if error.where else error.what) from None
        received = [receive(self.registry, task, request.now) for task in tasks]
        happened = tuple(
            InstanceChanged(one.instance, one.action, "a peer said so")
            for one in received
            if one.instance is not None
        )
        body = write_results(one.result for one in received)
        return Reply(200, body, (("content-type", json.CONTENT_TYPE),), happened)

    def status(self, request: Request) -> Reply:
        """`GET /status`."""
        form = request.form
        return Reply(200, self._standing().document(form), (("content-type", form.content_type), VARY))

    def _renewed(self, request: Request) -> Reply:
        if not self.registry.policy.replicates or request.is_replica:
            return OK
        held = self.registry.instance(request.path[1], request.path[2], request.now)
        return Reply(200, tell=self._tell(request, Kind.HEARTBEAT, held))

    def _tell(
        self, request: Request, kind: Kind, instance: Instance | None, status: Status | None = None
    ) -> tuple[Task, ...]:
        if instance is None or request.is_replica or not self.registry.policy.replicates:
            return ()
        return (Task.of(kind, instance, status),)


Operation = Callable[[Operations, Request], Reply]

ANY = ""
"""Matches one segment in a route."""

ROUTES: tuple[tuple[tuple[str, ...], dict[str, Operation]], ...] = (
    (("apps",), {"GET": Operations.everything}),
    (("apps", "delta"), {"GET": Operations.delta, "POST": Operations.register}),
    (("apps", ANY), {"GET": Operations.application, "POST": Operations.register}),
    (
        ("apps", ANY, ANY),
        {"GET": Operations.instance, "PUT": Operations.renew, "DELETE": Operations.cancel},
    ),
    (
        ("apps", ANY, ANY, "status"),
        {"PUT": Operations.override, "DELETE": Operations.remove_override},
    ),
    (("apps", ANY, ANY, "metadata"), {"PUT": Operations.metadata}),
    (("instances", ANY), {"GET": Operations.instance_by_id}),
    (("vips", ANY), {"GET": Operations.vip}),
    (("svips", ANY), {"GET": Operations.vip}),
    (("serverinfo", "statusoverrides"), {"GET": Operations.overrides}),
    (("peerreplication", "batch"), {"POST": Operations.batch}),
    (("status",), {"GET": Operations.status}),
)


@functools.lru_cache(maxsize=4096)
def _route(path: tuple[str, ...]) -> dict[str, Operation] | None:
    for pattern, methods in ROUTES:
        if len(pattern) == len(path) and all(
            part in (ANY, name) for part, name in zip(pattern, path, strict=True)
        ):
            return methods
    return None


def _registration(kind: str, body: bytes) -> Tree:
    is_xml = "xml" in kind or (not kind and body.lstrip()[:1] == b"<")
    return xml.read_tree(body, "instance") if is_xml else json.read_tree(body, "instance")


def _number(request: Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        raise BadRequestError(f"{name}: a whole number is expected, not {text[:40]!r}") from None
    if abs(number) >= 1 << 63:
        raise BadRequestError(f"{name}: {text[:40]!r} is too large")
    return number


def _status(request: Request) -> Status:
    text = request.query.get("value", Status.UNKNOWN.value)
    status = Status.__members__.get(text.upper())
    if status is None:
        raise BadRequestError(f"value: {text[:40]!r} is not one of {', '.join(Status.__members__)}")
    return status


def _packed(request: Request, packed: Packed) -> Reply:
    headers: Headers = (("content-type", request.form.content_type), VARY)
    if packed.is_gzipped:
        headers = (*headers, ("content-encoding", "gzip"))
    return Reply(200, packed.body, headers)


def _instance(request: Request, instance: Instance, status: int = 200) -> Reply:
    form = request.form
    return Reply(status, form.instance(instance), (("content-type", form.content_type), VARY))


def _changed(
    request: Request, instance: Instance | None, action: Action, reason: str, tell: tuple[Task, ...]
) -> Reply:
    if instance is None:
        return _unknown(request)
    return Reply(200, happened=(InstanceChanged(instance, action, reason),), tell=tell)


def _unknown(request: Request) -> Reply:
    shown = "/".join(request.path[1:3])
    return _error(404, request, f"no lease of {shown!r}; register first")


def _error(status: int, request: Request, message: str) -> Reply:
    """Spring Boot's error body, which Spring's clients know how to print."""
    names = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
    body = {
        "timestamp": request.now.ms,
        "status": status,
        "error": names.get(status, "Unsupported Media Type"),
        "message": message,
        "path": "/eureka/" + "/".join(request.path),
    }
    return Reply(status, msgspec.json.encode(body), (("content-type", json.CONTENT_TYPE),))
