from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from tests.unit.discovery.making import an_instance, at
from tidelock.discovery.codec import json, xml
from tidelock.discovery.codec.batch import Kind, Task, read_results, write_tasks
from tidelock.discovery.instance import Action, Instance, Status
from tidelock.discovery.operations import Operations, Reply, Request
from tidelock.discovery.registry import Policy, Registry

ID = "h:orders:80"
JSON = {"accept": "application/json", "content-type": "application/json"}
XML = {"content-type": "application/xml"}


class Site:
    """Operations over one registry, spoken to with paths."""

    def __init__(self, *instances: Instance, has_delta: bool = True) -> None:
        self.operations = Operations(Registry(), has_delta=has_delta)
        for instance in instances:
            self.operations.registry.register(instance, at(0))

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str] = JSON, body: bytes = b"", **query: str
    ) -> Reply:
        segments = tuple(path.split("/"))
        return self.operations.answer(Request(method, segments, at(1), query, headers, body))


def one(**changes: Any) -> Instance:
    return an_instance(last_dirty_timestamp=100, **changes)


def decoded(reply: Reply) -> Any:
    return msgspec.json.decode(reply.body)


@pytest.mark.parametrize(
    ("headers", "write"), [(JSON, json.write_instance), (XML, xml.write_instance)], ids=["json", "xml"]
)
def test_register_renew_look_up_cancel(headers: Mapping[str, str], write: Any) -> None:
    site = Site()
    reply = site("POST", "apps/Orders", headers, write(one()))
    assert (reply.status, reply.body) == (204, b"")
    assert reply.happened
    assert reply.happened[0].action is Action.ADDED
    assert site("PUT", f"apps/orders/{ID}", status="UP", lastDirtyTimestamp="100") == Reply(200)
    for path in (f"apps/ORDERS/{ID}", f"instances/{ID}"):
        assert decoded(site("GET", path))["instance"]["status"] == "UP"
    gone = site("DELETE", f"apps/orders/{ID}")
    assert (gone.status, gone.happened and gone.happened[0].reason) == (200, "left")
    assert site("DELETE", f"apps/orders/{ID}").status == 404
    assert site("PUT", f"apps/orders/{ID}").status == 404


def test_xml_is_the_default_and_json_is_on_demand() -> None:
    site = Site(one())
    reply = site("GET", "apps", {})
    assert dict(reply.headers)["content-type"] == "application/xml"
    assert xml.read_applications(reply.body).hashcode == "UP_1_"
    reply = site("GET", "apps", {"accept": "text/html, application/json"})
    assert dict(reply.headers)["content-type"] == "application/json"
    assert decoded(reply)["applications"]["apps__hashcode"] == "UP_1_"


def test_lists_can_be_compact_but_look_ups_of_one_instance_never_are() -> None:
    site = Site(one())
    compact = {**JSON, "x-eureka-accept": "compact"}
    for path in ("apps", "apps/delta", "vips/orders"):
        application = decoded(site("GET", path, compact))["applications"]["application"][0]
        assert "leaseInfo" not in application["instance"][0]
    assert "leaseInfo" not in decoded(site("GET", "apps/orders", compact))["application"]["instance"][0]
    assert "leaseInfo" in decoded(site("GET", f"apps/orders/{ID}", compact))["instance"]


def test_gzip_is_used_when_it_pays_and_is_understood() -> None:
    import gzip

    site = Site(*(one(instance_id=f"i{number}") for number in range(5)))
    asked = {**JSON, "accept-encoding": "gzip, deflate"}
    packed, plain = site("GET", "apps", asked), site("GET", "apps")
    assert dict(packed.headers)["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "content-encoding" not in dict(Site()("GET", "apps", asked).headers)


def test_the_delta_tells_changes_under_the_whole_hash() -> None:
    site = Site(one(), one(instance_id="i2"))
    site("DELETE", "apps/orders/i2")
    document = json.read_applications(site("GET", "apps/delta").body)
    assert document.hashcode == "UP_1_"
    found = [(change.instance_id, change.action) for change in document.instances["ORDERS"]]
    assert found == [(ID, Action.ADDED), ("i2", Action.DELETED)]


def test_a_delta_that_is_switched_off_is_403() -> None:
    assert Site(has_delta=False)("GET", "apps/delta").status == 403


def test_vips_are_found_exactly_and_unknown_ones_are_empty() -> None:
    site = Site(one(vip="orders,shop", secure_vip="sorders"))
    for path in ("vips/orders", "vips/shop", "svips/sorders"):
        tree = decoded(site("GET", path))["applications"]
        assert (tree["versions__delta"], tree["apps__hashcode"]) == ("-1", "UP_1_")
    assert decoded(site("GET", "vips/ord")) == {
        "applications": {"versions__delta": "-1", "apps__hashcode": "", "application": []}
    }


def test_an_override_and_its_removal() -> None:
    site = Site(one())
    reply = site("PUT", f"apps/orders/{ID}/status", value="OUT_OF_SERVICE", lastDirtyTimestamp="100")
    assert (reply.status, reply.happened and reply.happened[0].instance.status) == (
        200,
        Status.OUT_OF_SERVICE,
    )
    assert decoded(site("GET", "serverinfo/statusoverrides")) == {ID: "OUT_OF_SERVICE"}
    assert site("DELETE", f"apps/orders/{ID}/status").status == 200
    assert decoded(site("GET", f"instances/{ID}"))["instance"]["status"] == "UNKNOWN"
    assert site("PUT", f"apps/orders/{ID}").status == 404  # register again


def test_metadata_is_added() -> None:
    site = Site(one(metadata={"a": "1"}))
    assert site("PUT", f"apps/orders/{ID}/metadata", b="2").status == 200
    assert decoded(site("GET", f"instances/{ID}"))["instance"]["metadata"] == {"a": "1", "b": "2"}


def test_an_instance_that_changed_since_must_register_again() -> None:
    assert Site(one())("PUT", f"apps/orders/{ID}", lastDirtyTimestamp="101").status == 404


def test_a_peer_with_an_older_copy_gets_ours() -> None:
    site = Site(one())
    peer = {**JSON, "x-netflix-discovery-replication": "true"}
    reply = site("PUT", f"apps/orders/{ID}", peer, lastDirtyTimestamp="99")
    assert (reply.status, decoded(reply)["instance"]["instanceId"]) == (409, ID)
    assert site("PUT", f"apps/orders/{ID}", lastDirtyTimestamp="99").status == 200


@pytest.mark.parametrize("path", ["apps/users", f"apps/users/{ID}", "instances/x", "nothing", "apps/a/b/c/d"])
def test_what_is_not_there_is_404_with_spring_s_body(path: str) -> None:
    reply = Site(one())("GET", path)
    body = decoded(reply)
    assert (reply.status, body["status"], body["error"]) == (404, 404, "Not Found")
    assert (body["path"], bool(body["message"])) == (f"/eureka/{path}", True)


def test_a_method_that_is_not_possible_is_405_with_those_that_are() -> None:
    reply = Site()("PATCH", "apps/a/b")
    assert (reply.status, dict(reply.headers)["allow"]) == (405, "GET, PUT, DELETE")


FULL = {"app": "orders", "hostName": "h", "ipAddr": "1", "dataCenterInfo": {"name": "MyOwn"}}


def without(name: str) -> bytes:
    return msgspec.json.encode({"instance": {key: value for key, value in FULL.items() if key != name}})


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("hostName", b"Missing hostname"),
        ("ipAddr", b"Missing ip address"),
        ("dataCenterInfo", b"Missing dataCenterInfo"),
    ],
)
def test_a_registration_that_lacks_something_is_400_with_netflix_s_text(name: str, answer: bytes) -> None:
    reply = Site()("POST", "apps/orders", body=without(name))
    assert (reply.status, reply.body) == (400, answer)


def test_a_registration_under_another_name_is_400() -> None:
    reply = Site()("POST", "apps/users", body=without(""))
    assert (reply.status, reply.body) == (400, b"Mismatched appName, expecting USERS but was ORDERS")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, b""),
        (JSON, b"{"),
        (JSON, without("app")),
        (JSON, b'{"instance": {"app": "a", "port": []}}'),
        (XML, b"<instance>"),
        (XML, b"<!DOCTYPE x><instance/>"),
        ({}, b"<instance"),
    ],
)
def test_a_body_that_cannot_be_read_is_400_with_the_reason(headers: Mapping[str, str], body: bytes) -> None:
    reply = Site()("POST", "apps/orders", headers, body)
    assert reply.status == 400
    assert decoded(reply)["error"] == "cannot parse request body"
    assert decoded(reply)["reason"]


def test_what_may_be_missing_may_be_missing() -> None:
    site = Site()
    assert (
        site("POST", "apps/orders", {"content-type": "application/json;charset=UTF-8"}, without("")).status
        == 204
    )
    assert decoded(site("GET", "apps/orders/h"))["instance"]["status"] == "UP"


def test_another_content_type_is_415_and_none_is_guessed() -> None:
    assert Site()("POST", "apps/orders", {"content-type": "text/plain"}, without("")).status == 415
    assert Site()("POST", "apps/orders", {}, without("")).status == 204
    assert Site()("POST", "apps/orders", {}, b" " + xml.write_instance(one())).status == 204


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("PUT", f"apps/orders/{ID}", {"lastDirtyTimestamp": "soon"}),
        ("PUT", f"apps/orders/{ID}", {"lastDirtyTimestamp": "9" * 30}),
        ("PUT", f"apps/orders/{ID}/status", {}),
        ("PUT", f"apps/orders/{ID}/status", {"value": "HAPPY"}),
        ("DELETE", f"apps/orders/{ID}/status", {"value": "HAPPY"}),
        ("DELETE", f"apps/orders/{ID}/status", {"lastDirtyTimestamp": "x"}),
    ],
)
def test_a_parameter_that_cannot_be_meant_is_400(method: str, path: str, query: dict[str, str]) -> None:
    reply = Site(one())(method, path, **query)
    assert (reply.status, decoded(reply)["error"]) == (400, "Bad Request")


# peers


def test_a_batch_is_answered_item_by_item_and_never_passed_on() -> None:
    site = Site(one(instance_id="known"))
    site.operations.registry.policy = Policy(replicates=True)
    tasks = [
        Task.of(Kind.REGISTER, one(instance_id="new")),
        Task.of(Kind.HEARTBEAT, one(instance_id="unknown")),
        Task.of(Kind.HEARTBEAT, one(instance_id="known")),
        Task.of(Kind.CANCEL, one(instance_id="known")),
    ]
    reply = site("POST", "peerreplication/batch", body=write_tasks(tasks))
    assert [result.status for result in read_results(reply.body)] == [200, 404, 200, 200]
    assert [event.action for event in reply.happened] == [Action.ADDED, Action.DELETED]
    assert reply.tell == ()
    assert [found.instance_id for found in site.operations.registry.application("orders")] == ["new"]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"replicationList":{}}', b'{"replicationList":[{"id":"i"}]}'])
def test_what_is_no_batch_is_400(body: bytes) -> None:
    assert Site()("POST", "peerreplication/batch", body=body).status == 400


def test_what_instances_and_operators_do_is_told_to_peers_once() -> None:
    site = Site()
    site.operations.registry.policy = Policy(replicates=True)
    path, body = f"apps/orders/{ID}", json.write_instance(one())
    replies = [
        site("POST", "apps/orders", body=body),
        site("PUT", path),
        site("PUT", f"{path}/status", value="DOWN"),
        site("DELETE", f"{path}/status", value="UP"),
        site("DELETE", f"{path}/status", value="UP"),  # there is none any more
        site("PUT", f"{path}/metadata", a="b"),
        site("DELETE", path),
        site("DELETE", path),  # unknown here, but a peer may be about to tell of it
    ]
    kinds = [Kind.REGISTER, Kind.HEARTBEAT, Kind.OVERRIDE, Kind.REMOVE_OVERRIDE, None, Kind.REGISTER]
    told = [reply.tell[0].kind if reply.tell else None for reply in replies]
    assert told == [*kinds, Kind.CANCEL, Kind.CANCEL]
    replica = {**JSON, "x-netflix-discovery-replication": "true"}
    assert site("POST", "apps/orders", replica, body).tell == ()
    assert Site()("POST", "apps/orders", body=body).tell == ()


def test_status_is_answered_in_both_forms() -> None:
    assert "isHeathly" in decoded(Site()("GET", "status"))
    assert Site()("GET", "status", XML).body.startswith(b"<com.netflix.eureka.util.StatusInfo>")
