from typing import Any

import msgspec
import pytest

from tests.unit.discovery.making import an_instance
from tidelock.discovery.codec import json
from tidelock.discovery.codec.fields import Applications, BadDocumentError, instance_from, missing_from
from tidelock.discovery.instance import AMAZON_CLASS, Action, DataCenter, Status


def written(**changes: Any) -> Any:
    return msgspec.json.decode(json.write_instance(an_instance(**changes)))["instance"]


def read(**fields: Any) -> Any:
    body = msgspec.json.encode(
        {"instance": {"app": "orders", "hostName": "h", "ipAddr": "1.2.3.4", **fields}}
    )
    return instance_from(json.read_tree(body, "instance"))


def test_the_full_form_is_netflix_s_with_texts_where_one_expects_numbers() -> None:
    instance = an_instance(
        last_dirty_timestamp=5, last_updated_timestamp=6, home_page_url="http://h/", metadata={"a_b": "c"}
    )
    assert json.write_instance(instance) == (
        b'{"instance":{"instanceId":"h:orders:80","hostName":"h","app":"ORDERS","ipAddr":"10.0.0.1",'
        b'"status":"UP","overriddenStatus":"UNKNOWN","port":{"$":80,"@enabled":"true"},'
        b'"securePort":{"$":7002,"@enabled":"false"},"countryId":1,'
        b'"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},'
        b'"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90,"registrationTimestamp":0,'
        b'"lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0},"metadata":{"a_b":"c"},'
        b'"homePageUrl":"http://h/","vipAddress":"orders","isCoordinatingDiscoveryServer":"false",'
        b'"lastUpdatedTimestamp":"6","lastDirtyTimestamp":"5","actionType":"ADDED"}}'
    )


def test_empty_metadata_carries_java_s_marker() -> None:
    assert written()["metadata"] == {"@class": "java.util.Collections$EmptyMap"}
    assert read(metadata={"@class": "java.util.Collections$EmptyMap"}).metadata == {}


def test_amazon_keeps_its_metadata_and_compact_only_five_of_it() -> None:
    center = DataCenter("Amazon", AMAZON_CLASS, {"instance-id": "i-1", "mac": "m"})
    full = written(data_center=center)["dataCenterInfo"]
    assert full == {"@class": AMAZON_CLASS, "name": "Amazon", "metadata": {"instance-id": "i-1", "mac": "m"}}
    assert read(dataCenterInfo=full).data_center == center
    compact = msgspec.json.decode(
        json.write_application("ORDERS", [an_instance(data_center=center)], is_compact=True)
    )
    assert compact["application"]["instance"][0]["dataCenterInfo"]["metadata"] == {"instance-id": "i-1"}


def test_the_compact_form_leaves_out_lease_and_metadata() -> None:
    document = Applications("UP_1_", {"ORDERS": [an_instance(metadata={"a": "b"})]})
    tree = msgspec.json.decode(json.write_applications(document, is_compact=True))["applications"]
    assert (tree["versions__delta"], tree["apps__hashcode"]) == ("1", "UP_1_")
    instance = tree["application"][0]["instance"][0]
    assert not {"leaseInfo", "metadata", "overriddenStatus", "lastDirtyTimestamp", "countryId"} & set(
        instance
    )
    assert instance["port"] == {"$": 80, "@enabled": "true"}
    assert instance["lastUpdatedTimestamp"] == 0


def test_whole_seconds_travel_rounded_up() -> None:
    assert written(duration=0.5)["leaseInfo"]["durationInSecs"] == 1


def test_what_javascript_sends_is_read() -> None:
    instance = read(port={"$": 3000, "@enabled": True}, securePort={"$": "443", "@enabled": "false"})
    assert (instance.port, instance.port_enabled) == (3000, True)
    assert (instance.secure_port, instance.secure_port_enabled) == (443, False)
    assert (instance.renewal_interval, instance.duration) == (30, 90)
    assert (instance.status, instance.last_dirty_timestamp) == (Status.UP, 0)


@pytest.mark.parametrize("name", ["overriddenstatus", "overriddenStatus"])
def test_both_spellings_of_the_override_are_read(name: str) -> None:
    assert read(**{name: "OUT_OF_SERVICE"}).overridden is Status.OUT_OF_SERVICE


@pytest.mark.parametrize("value", [1234, "1234", " 1234 "])
def test_numbers_may_come_as_texts(value: object) -> None:
    instance = read(lastDirtyTimestamp=value, leaseInfo={"durationInSecs": value})
    assert (instance.last_dirty_timestamp, instance.duration) == (1234, 1234)


def test_a_lease_that_is_not_positive_becomes_the_default() -> None:
    instance = read(leaseInfo={"durationInSecs": 0, "renewalIntervalInSecs": -1})
    assert (instance.duration, instance.renewal_interval) == (90, 30)


def test_a_bare_number_is_an_enabled_port() -> None:
    assert (read(port=80).port, read(port="80").port_enabled) == (80, True)


def test_the_instance_id_falls_back_to_metadata_and_host() -> None:
    assert read().instance_id == "h"
    assert read(hostName="h", metadata={"instanceId": "m"}).instance_id == "h:m"
    assert read(instanceId="i", metadata={"instanceId": "m"}).instance_id == "i"


def test_metadata_values_become_texts_and_nulls_are_dropped() -> None:
    assert read(metadata={"a": 1, "b": True, "c": None, "class": "x"}).metadata == {
        "a": "1",
        "b": "true",
        "class": "x",
    }


def test_unknown_fields_and_unknown_actions_are_ignored() -> None:
    assert read(sid="na", foo={"bar": []}, actionType="EXPLODED").action is Action.ADDED


def test_the_root_may_be_missing() -> None:
    assert instance_from(json.read_tree(b'{"app":"a"}', "instance")).app == "A"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "a JSON object"),
        (b'{"instance": []}', "an object"),
        (b'{"instance": {}}', "no app"),
        (b'{"instance": {"app": {}}}', "app: a text is expected, not an object"),
        (b'{"instance": {"app": "a", "port": [80]}}', "port: an object is expected, not a list"),
        (b'{"instance": {"app": "a", "port": {"$": "x"}}}', "whole number"),
        (b'{"instance": {"app": "a", "port": {"$": 99999999999}}}', "smaller number"),
        (b'{"instance": {"app": "a", "lastDirtyTimestamp": 1.5}}', "whole number"),
        (b'{"instance": {"app": "a", "metadata": {"a": {}}}}', "a: a text"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadDocumentError, match=reason):
        instance_from(json.read_tree(body, "instance"))


def test_the_path_of_a_bad_field_in_a_list_is_named() -> None:
    body = b'{"applications":{"application":{"name":"A","instance":[{"app":"A"},{"app":"A","port":[]}]}}}'
    with pytest.raises(BadDocumentError) as caught:
        json.read_applications(body)
    assert caught.value.where == "applications.application[0].instance[1].port"


def test_one_object_may_stand_for_a_list() -> None:
    body = b'{"applications":{"application":{"name":"a","instance":{"app":"a","hostName":"h"}}}}'
    assert [instance.app for instance in json.read_applications(body).instances["A"]] == ["A"]
    empty = json.read_applications(b'{"applications":{"versions__delta":"-1","apps__hashcode":""}}')
    assert empty == Applications("", {}, -1)


@pytest.mark.parametrize(
    ("left_out", "answer"),
    [
        ("hostName", "Missing hostname"),
        ("ipAddr", "Missing ip address"),
        ("dataCenterInfo", "Missing dataCenterInfo"),
        (None, None),
    ],
)
def test_what_a_registration_lacks_is_said_in_netflix_s_words(left_out: str, answer: str | None) -> None:
    tree = {"hostName": "h", "ipAddr": "1", "app": "a", "dataCenterInfo": {"name": "MyOwn"}}
    assert missing_from({key: value for key, value in tree.items() if key != left_out}) == answer


def test_a_data_center_needs_a_name() -> None:
    tree = {"hostName": "h", "ipAddr": "1", "app": "a", "dataCenterInfo": {"@class": "x"}}
    assert missing_from(tree) == "Missing dataCenterInfo Name"
