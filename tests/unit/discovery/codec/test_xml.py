from xml.etree import ElementTree

import pytest

from tests.unit.discovery.making import an_instance
from tidelock.discovery.codec import xml
from tidelock.discovery.codec.fields import Applications, BadDocumentError, instance_from
from tidelock.discovery.instance import AMAZON_CLASS, DataCenter, Status


def test_the_full_form_is_xstream_s() -> None:
    instance = an_instance(metadata={"a_b": "<&>\"'"}, overridden=Status.OUT_OF_SERVICE)
    assert xml.write_instance(instance).decode() == (
        "<instance>\n"
        "  <instanceId>h:orders:80</instanceId>\n"
        "  <hostName>h</hostName>\n"
        "  <app>ORDERS</app>\n"
        "  <ipAddr>10.0.0.1</ipAddr>\n"
        "  <status>UP</status>\n"
        "  <overriddenstatus>OUT_OF_SERVICE</overriddenstatus>\n"
        '  <port enabled="true">80</port>\n'
        '  <securePort enabled="false">7002</securePort>\n'
        "  <countryId>1</countryId>\n"
        '  <dataCenterInfo class="com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo">\n'
        "    <name>MyOwn</name>\n"
        "  </dataCenterInfo>\n"
        "  <leaseInfo>\n"
        "    <renewalIntervalInSecs>30</renewalIntervalInSecs>\n"
        "    <durationInSecs>90</durationInSecs>\n"
        "    <registrationTimestamp>0</registrationTimestamp>\n"
        "    <lastRenewalTimestamp>0</lastRenewalTimestamp>\n"
        "    <evictionTimestamp>0</evictionTimestamp>\n"
        "    <serviceUpTimestamp>0</serviceUpTimestamp>\n"
        "  </leaseInfo>\n"
        "  <metadata>\n"
        "    <a__b>&lt;&amp;&gt;&quot;&apos;</a__b>\n"
        "  </metadata>\n"
        "  <vipAddress>orders</vipAddress>\n"
        "  <isCoordinatingDiscoveryServer>false</isCoordinatingDiscoveryServer>\n"
        "  <lastUpdatedTimestamp>0</lastUpdatedTimestamp>\n"
        "  <lastDirtyTimestamp>0</lastDirtyTimestamp>\n"
        "  <actionType>ADDED</actionType>\n"
        "</instance>"
    )


def test_a_list_document_has_version_and_hash_first() -> None:
    document = Applications("UP_1_", {"ORDERS": [an_instance()]}, 7)
    text = xml.write_applications(document).decode()
    assert text.startswith(
        "<applications>\n  <versions__delta>7</versions__delta>\n  <apps__hashcode>UP_1_</apps__hashcode>\n"
        "  <application>\n    <name>ORDERS</name>\n    <instance>\n"
    )
    assert '<metadata class="java.util.Collections$EmptyMap"/>' in text


def test_the_compact_form_is_one_line_without_lease_and_metadata() -> None:
    document = Applications("UP_1_", {"ORDERS": [an_instance(metadata={"a_b": "c"})]})
    text = xml.write_applications(document, is_compact=True).decode()
    assert "\n" not in text
    assert "leaseInfo" not in text
    assert "metadata" not in text
    assert ElementTree.fromstring(text).findtext("application/instance/port") == "80"


def test_amazon_metadata_is_nested() -> None:
    center = DataCenter("Amazon", AMAZON_CLASS, {"availability-zone": "eu-1", "a_b": "c"})
    body = xml.write_instance(an_instance(data_center=center))
    assert b"<a__b>c</a__b>" in body
    assert instance_from(xml.read_tree(body, "instance")).data_center == center


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a_b", "a__b"),
        ("a$b", "a_-b"),
        ("a.b-c1", "a.b-c1"),
        ("1a", "_.0031a"),
        ("a b", "a_.0020b"),
        ("<", "_.003c"),
        ("\U0001f600", "_.d83d_.de00"),
        ("", "_.0000"),
    ],
)
def test_any_metadata_key_becomes_an_element_name_and_comes_back(key: str, name: str) -> None:
    assert xml.escape_name(key) == name
    assert xml.unescape_name(name) == key


def test_metadata_keys_that_mean_something_elsewhere_are_only_keys() -> None:
    metadata = {"$": "1", "@enabled": "2", "$x": "3", "instance": "4", "metadata": "5"}
    body = xml.write_instance(an_instance(metadata=metadata))
    assert instance_from(xml.read_tree(body, "instance")).metadata == metadata


def test_texts_that_xml_cannot_carry_do_not_break_the_document() -> None:
    body = xml.write_instance(an_instance(metadata={"a": "x\x00y\x1b\ufffe"}))
    assert ElementTree.fromstring(body).findtext("metadata/a") == "x\ufffdy\ufffd\ufffd"


def test_a_registration_is_read() -> None:
    tree = xml.read_tree(
        b"<instance><app>orders</app><hostName>h</hostName><ipAddr>1</ipAddr><port enabled='false'>80</port>"
        b"<securePort enabled='true'>443</securePort><overriddenstatus>DOWN</overriddenstatus>"
        b"<leaseInfo><durationInSecs>9</durationInSecs></leaseInfo><vipAddress/>"
        b"<metadata class='java.util.Collections$EmptyMap'/></instance>",
        "instance",
    )
    instance = instance_from(tree)
    assert (instance.port, instance.port_enabled, instance.secure_port_enabled) == (80, False, True)
    assert (instance.overridden, instance.duration, instance.metadata) == (Status.DOWN, 9, {})


def test_a_port_without_attribute_is_enabled_and_blank_metadata_is_empty() -> None:
    body = b"<instance><app>a</app><port>81</port><metadata>\n  </metadata></instance>"
    instance = instance_from(xml.read_tree(body, "instance"))
    assert (instance.port, instance.port_enabled, instance.metadata) == (81, True, {})


def test_two_instances_become_a_list_and_one_is_enough() -> None:
    for count in (0, 1, 2, 3):
        document = Applications(f"UP_{count}_", {"ORDERS": [an_instance()] * count})
        found = xml.read_applications(xml.write_applications(document))
        assert [len(group) for group in found.instances.values()] == [count]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not XML"),
        (b"{}", "not XML"),
        (b"<instance>", "not XML"),
        (b"<other/>", "'instance' is expected"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><instance>&b;</instance>", "DOCTYPE"),
        (b"<instance>&b;</instance>", "not XML"),
        (b"<?xml version='1.0' encoding='foo'?><instance/>", "XML"),
        (b"<instance>" * 1000, "inside each other"),
        (b"<instance><app>a</app><port>x</port></instance>", "whole number"),
        (b"<instance/>", "no app"),
    ],
)
def test_what_is_not_a_registration_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(BadDocumentError, match=reason):
        instance_from(xml.read_tree(body, "instance"))
