"""The registry's own description: OpenAPI 3.1, served at `/openapi.json`. No IO.

One entry per operation of `operations.ROUTES` and of the operations beyond Eureka; a test compares. Documents
in XML are named without a schema. What a registration or a batch may hold is described roughly: it is read
tolerantly, and a stricter schema would lie about real clients. May import `instance`, `calls`, `codec.batch`.

Source: OpenAPI 3.1.0; docs/compat/eureka.md.
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from tidelock.discovery.calls import BREAKERS, NAME_LENGTH
from tidelock.discovery.calls import CALLS as CALLS_LIMIT
from tidelock.discovery.codec.batch import Kind
from tidelock.discovery.instance import Action, Status

Tree = dict[str, Any]

JSON, XML, TEXT = "application/json", "application/xml", "text/plain"

STATUSES = [status.value for status in Status]


def _ref(name: str) -> Tree:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Tree, *required: str, **more: Any) -> Tree:
    return {"type": "object", "properties": properties, "required": list(required), **more}


STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
FLAG = {"type": "string", "enum": ["true", "false"]}
TEXTS = {"type": "object", "additionalProperties": STRING}

PORT = _object({"$": INTEGER, "@enabled": FLAG}, "$", "@enabled")
LEASE = _object(dict.fromkeys(("renewalIntervalInSecs", "durationInSecs", "serviceUpTimestamp"), INTEGER))
CENTER = _object({"@class": STRING, "name": STRING, "metadata": TEXTS}, "@class", "name")

INSTANCE = _object(
    {
        **dict.fromkeys(
            ("instanceId", "hostName", "app", "ipAddr", "vipAddress", "secureVipAddress"), STRING
        ),
        **dict.fromkeys(
            ("homePageUrl", "statusPageUrl", "healthCheckUrl", "appGroupName", "asgName"), STRING
        ),
        "status": {"enum": STATUSES},
        "overriddenStatus": {"enum": STATUSES},
        "port": PORT,
        "securePort": PORT,
        "countryId": INTEGER,
        "dataCenterInfo": CENTER,
        "leaseInfo": LEASE,
        "metadata": TEXTS,
        "isCoordinatingDiscoveryServer": FLAG,
        "actionType": {"enum": [action.value for action in Action]},
    },
    *("instanceId", "hostName", "app", "ipAddr", "status", "port", "securePort", "dataCenterInfo"),
)
APPLICATION = _object(
    {"name": STRING, "instance": {"type": "array", "items": _ref("Instance")}}, "name", "instance"
)
APPLICATIONS = _object(
    {
        "versions__delta": STRING,
        "apps__hashcode": STRING,
        "application": {"type": "array", "items": _ref("Application")},
    },
    *("versions__delta", "apps__hashcode", "application"),
)
ERROR = _object(
    {"timestamp": INTEGER, "status": INTEGER, "error": STRING, "message": STRING, "path": STRING},
    *("timestamp", "status", "error", "message", "path"),
)
UNREADABLE = _object({"error": STRING, "reason": STRING}, "error", "reason")
NAME = {"type": "string", "minLength": 1, "maxLength": NAME_LENGTH}
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
TIME = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e9}
LINE = _object(
    {
        "callee": NAME,
        "method": {"type": "string", "maxLength": NAME_LENGTH},
        "count": COUNT,
        "errors": COUNT,
        "p50_ms": TIME,
        "p99_ms": TIME,
        "breaker": {"enum": list(BREAKERS)},
        "ejected": COUNT,
    },
    *("callee", "count"),
    additionalProperties=False,
)
REPORT = _object(
    {
        "caller": NAME,
        "instance": {"type": "string", "maxLength": NAME_LENGTH},
        "seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600},
        "calls": {"type": "array", "items": LINE, "maxItems": CALLS_LIMIT},
    },
    *("caller", "calls"),
    additionalProperties=False,
)
TASK = _object(
    {
        "appName": {"type": "string", "minLength": 1},
        "id": {"type": "string", "minLength": 1},
        "action": {"enum": [kind.value for kind in Kind if kind is not Kind.REGISTER]},
        "lastDirtyTimestamp": {"type": "integer", "minimum": 0, "maximum": 2**62},
        "status": STRING,
        "overriddenStatus": STRING,
    },
    *("appName", "id", "action"),
    description="A Register has its instanceInfo beside these.",
)
BATCH = _object({"replicationList": {"type": "array", "items": TASK}}, "replicationList")
CALLS = _object({"seconds": NUMBER, "calls": {"type": "array"}}, "seconds", "calls")
RESULT = _object({"statusCode": INTEGER, "responseEntity": _ref("Instance")}, "statusCode")
SCHEMAS = {"Instance": INSTANCE, "Application": APPLICATION, "Applications": APPLICATIONS, "Error": ERROR}


def _content(schema: Tree, *kinds: str) -> Tree:
    return {kind: {"schema": schema} if kind == JSON else {} for kind in kinds or (JSON,)}


def _answer(what: str, content: Tree | None = None) -> Tree:
    return {"description": what} if content is None else {"description": what, "content": content}


def _document(name: str, root: str) -> Tree:
    return _answer("the document", _content(_object({root: _ref(name)}, root), JSON, XML))


FULL = _document("Applications", "applications")
ONE_APPLICATION = _document("Application", "application")
ONE_INSTANCE = _document("Instance", "instance")
DONE = _answer("done; with `wait`, how many watchers know", {**_content({"type": "object"}), TEXT: {}})
REFUSED = _answer("a parameter that cannot be meant", _content(_ref("Error")))
UNKNOWN = _answer("there is no such thing", {**_content(_ref("Error")), TEXT: {}})
EMPTY = _answer("done")


def _query(name: str, schema: Tree, what: str, *, required: bool = False) -> Tree:
    return {"name": name, "in": "query", "schema": schema, "description": what, "required": required}


DIRTY = _query(
    "lastDirtyTimestamp",
    {"type": "integer", "minimum": -(2**63) + 1, "maximum": 2**63 - 1},
    "Milliseconds since the epoch at which the instance last changed.",
)
WAIT = _query("wait", STRING, "Seconds to wait, at most 60; what is no number is 0.")
VALUE = _query("value", {"type": "string", "enum": STATUSES}, "The status to set.", required=True)
FALLBACK = _query("value", {"type": "string", "enum": STATUSES}, "The status from now on; UNKNOWN if absent.")


def _operation(summary: str, answers: Tree, *parameters: Tree, body: Tree | None = None) -> Tree:
    found: Tree = {"summary": summary, "responses": answers}
    if parameters:
        found["parameters"] = list(parameters)
    if body is not None:
        found["requestBody"] = {"required": True, "content": body}
    return found


REGISTER = _operation(
    "Register an instance, or say that it changed.",
    {
        "204": EMPTY,
        "400": _answer("what is missing or wrong", {**_content({"anyOf": [UNREADABLE, ERROR]}), TEXT: {}}),
        "415": _answer("neither JSON nor XML", _content(_ref("Error"))),
    },
    body={JSON: {"schema": {"type": "object"}}, XML: {"schema": {"type": "string"}}},
)

PATHS: dict[str, Tree] = {
    "/apps": {"get": _operation("Fetch everything.", {"200": FULL})},
    "/apps/delta": {
        "get": _operation(
            "Fetch what changed lately; with `since` and `wait`, wait for the next change.",
            {
                "200": FULL,
                "403": _answer("switched off", _content(_ref("Error"))),
            },
            _query("since", STRING, "`x-tidelock-position` of the last answer."),
            WAIT,
            _query("apps", STRING, "Names, separated by commas."),
        )
    },
    "/apps/{app}": {
        "get": _operation("Fetch one application.", {"200": ONE_APPLICATION, "404": UNKNOWN}),
        "post": REGISTER,
    },
    "/apps/{app}/{id}": {
        "get": _operation("Fetch one instance.", {"200": ONE_INSTANCE, "404": UNKNOWN}),
        "put": _operation(
            "Renew a lease: a heartbeat.",
            {"200": EMPTY, "400": REFUSED, "404": UNKNOWN, "409": ONE_INSTANCE},
            DIRTY,
            _query("status", STRING, "Not looked at."),
        ),
        "delete": _operation("Cancel a lease.", {"200": EMPTY, "404": UNKNOWN}),
    },
    "/apps/{app}/{id}/status": {
        "put": _operation(
            "Override a status.",
            {"200": DONE, "400": REFUSED, "404": UNKNOWN},
            *(VALUE, DIRTY, WAIT),
        ),
        "delete": _operation(
            "Remove an override.", {"200": EMPTY, "400": REFUSED, "404": UNKNOWN}, FALLBACK, DIRTY
        ),
    },
    "/apps/{app}/{id}/metadata": {
        "put": _operation(
            "Set metadata; every parameter is a key.",
            {"200": EMPTY, "404": UNKNOWN},
            _query("zone", STRING, "For instance."),
        )
    },
    "/instances/{id}": {"get": _operation("Fetch one instance.", {"200": ONE_INSTANCE, "404": UNKNOWN})},
    "/vips/{name}": {"get": _operation("Fetch what is behind a virtual name.", {"200": FULL})},
    "/svips/{name}": {"get": _operation("Fetch what is behind a secure virtual name.", {"200": FULL})},
    "/serverinfo/statusoverrides": {
        "get": _operation("Fetch all overrides.", {"200": _answer("id to status", _content(TEXTS))})
    },
    "/peerreplication/batch": {
        "post": _operation(
            "Take what a peer was told.",
            {
                "200": _answer(
                    "one result per item",
                    _content(_object({"responseList": {"type": "array", "items": RESULT}}, "responseList")),
                ),
                "400": REFUSED,
            },
            body=_content(BATCH),
        )
    },
    "/status": {"get": _operation("Fetch how the server is.", {"200": _answer("", _content({}, JSON, XML))})},
    "/watch": {
        "get": _operation(
            "Listen to changes: server-sent events.",
            {"200": _answer("events without end", {"text/event-stream": {}})},
            *(_query(name, STRING, "See docs/design/discovery.md.") for name in ("since", "apps", "watcher")),
        )
    },
    "/watch/ack": {
        "post": _operation(
            "Say what a watcher has applied.",
            {"200": EMPTY, "404": UNKNOWN},
            *(_query(name, STRING, "As the stream said.", required=True) for name in ("watcher", "at")),
        )
    },
    "/suspect": {
        "post": _operation(
            "Say that an instance refused a connection.",
            {"202": EMPTY, "403": UNKNOWN, "404": UNKNOWN},
            *(_query(name, STRING, "Of the instance.", required=True) for name in ("app", "id")),
        )
    },
    "/calls": {
        "get": _operation("Fetch who calls whom.", {"200": _answer("the map", _content(CALLS))}),
        "post": _operation(
            "Report calls.",
            {"204": EMPTY, "400": _answer("what is wrong", {TEXT: {}})},
            body=_content(REPORT),
        ),
    },
}


@functools.cache
def document(version: str) -> bytes:
    """Return the description as JSON.

    Args:
        version: ours.
    """
    paths = {f"/eureka{path}": {**_path_parameters(path), **methods} for path, methods in PATHS.items()}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "tidelock registry", "version": version, "summary": "Eureka, and push."},
            "paths": paths,
            "components": {"schemas": SCHEMAS},
        }
    )


def _path_parameters(path: str) -> Tree:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return {
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in names
        ]
    }
