"""The readers of bytes never fail otherwise than declared; what is written can be read and says the same."""

from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidelock.discovery.codec import json, xml
from tidelock.discovery.codec.fields import Applications, BadDocumentError, instance_from
from tidelock.discovery.instance import AMAZON_CLASS, Action, DataCenter, Instance, Status

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = texts.filter(lambda text: text.strip())
keys = texts.filter(lambda key: key not in ("@class", "class"))
keys |= st.sampled_from(["$", "@enabled", "metadata", "instance", "application", "_", "a_b", "_-", "_.0041"])
metadata = st.dictionaries(keys, texts, max_size=4)
longs = st.integers(0, (1 << 63) - 1)
ports = st.integers(0, 65535)


def instances() -> st.SearchStrategy[Instance]:
    amazon = st.builds(DataCenter, st.just("Amazon"), st.just(AMAZON_CLASS), metadata)
    return st.builds(
        Instance,
        app=names,
        instance_id=names,
        host=texts,
        ip=texts,
        port=ports,
        port_enabled=st.booleans(),
        secure_port=ports,
        secure_port_enabled=st.booleans(),
        status=st.sampled_from(Status),
        overridden=st.sampled_from(Status),
        vip=st.none() | names,
        secure_vip=st.none() | names,
        metadata=metadata,
        data_center=st.just(DataCenter()) | amazon,
        app_group=st.none() | names,
        asg_name=st.none() | names,
        home_page_url=st.none() | names,
        renewal_interval=st.integers(1, 10**6).map(float),
        duration=st.integers(1, 10**6).map(float),
        registration_timestamp=longs,
        last_renewal_timestamp=longs,
        service_up_timestamp=longs,
        last_dirty_timestamp=longs,
        last_updated_timestamp=longs,
        action=st.sampled_from(Action),
    )


@given(instances())
def test_json_comes_back_as_it_went(instance: Instance) -> None:
    assert instance_from(json.read_tree(json.write_instance(instance), "instance")) == instance


@given(st.lists(instances(), max_size=3), st.booleans())
def test_xml_is_well_formed_and_agrees_with_json(found: list[Instance], compact: bool) -> None:
    document = Applications("X_1_", {"A": found})
    body = xml.write_applications(document, is_compact=compact)
    ElementTree.fromstring(body)
    ours = xml.read_applications(body).instances["A"]
    theirs = json.read_applications(json.write_applications(document, is_compact=compact)).instances["A"]
    assert [tidy(instance) for instance in ours] == [tidy(instance) for instance in theirs]


def tidy(instance: Instance) -> Instance:
    """What XML 1.0 cannot carry: control characters, the kind of line end, blanks that only indent."""
    center = msgspec.structs.replace(instance.data_center, metadata=tidy_map(instance.data_center.metadata))
    changes = {
        name: tidy_text(value)
        for name in instance.__struct_fields__
        if isinstance(value := getattr(instance, name), str)
    }
    return msgspec.structs.replace(
        instance, **changes, metadata=tidy_map(instance.metadata), data_center=center
    )


def tidy_map(entries: dict[str, str]) -> dict[str, str]:
    return {key: tidy_text(value) for key, value in entries.items()}


def tidy_text(text: str) -> str:
    body = f"<a>{xml._text(text)}</a>"
    return ElementTree.fromstring(body).text or ""


def read_anything(reader: object, body: bytes) -> None:
    try:
        tree = reader.read_tree(body, "instance")  # type: ignore[attr-defined]  # one of the two modules
        instance = instance_from(tree)
    except BadDocumentError:
        return
    json.write_instance(instance)  # whatever was accepted can be written, in both formats
    ElementTree.fromstring(xml.write_instance(instance))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["app", "instanceId", "port", "securePort", "leaseInfo", "metadata", "dataCenterInfo", "status"]
FIELDS += ["lastDirtyTimestamp", "countryId", "overriddenstatus", "actionType", "hostName", "vipAddress"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_json_value_in_any_field_is_read_or_refused(fields: dict[str, object]) -> None:
    read_anything(json, msgspec.json.encode({"instance": {"app": "a", **fields}}))


@settings(max_examples=300)
@given(st.binary(max_size=60))
@pytest.mark.parametrize("reader", [json, xml])
def test_any_bytes_are_read_or_refused(reader: object, body: bytes) -> None:
    read_anything(reader, body)


SEEDS = {
    json: json.write_instance(Instance(app="A", instance_id="i", host="h", ip="1", metadata={"a_b": "c"})),
    xml: xml.write_instance(Instance(app="A", instance_id="i", host="h", ip="1", metadata={"a_b": "c"})),
}


@settings(max_examples=1000)
@given(data=st.data())
@pytest.mark.parametrize("reader", [json, xml])
def test_a_mutated_document_is_read_or_refused(reader: object, data: st.DataObject) -> None:
    body = bytearray(SEEDS[reader])  # type: ignore[index]  # one of the two modules
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 8)))
        body[start:end] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"<", b">", b"&", b'"', b"{", b"\0"])
        )
    read_anything(reader, bytes(body))
