"""`GET /status` in both forms."""

import msgspec

from tests.unit.discovery.making import an_instance
from tidelock.discovery.documents import Form
from tidelock.discovery.standing import Standing

STANDING = Standing(
    cpus=2,
    memory_bytes=50 * 1024 * 1024,
    uptime=3 * 3600 + 125.0,
    reachable=("http://b/", "http://a/"),
    unreachable=("http://c/",),
    instance=an_instance("eureka"),
)


def test_json() -> None:
    tree = msgspec.json.decode(STANDING.document(Form.JSON))
    assert tree["generalStats"] == {
        "num-of-cpus": "2",
        "current-memory-usage": "50mb",
        "server-uptime": "03:02",
    }
    assert tree["applicationStats"] == {
        "registered-replicas": "http://a/,http://b/,http://c/,",
        "available-replicas": "http://a/,http://b/,",
        "unavailable-replicas": "http://c/,",
    }
    assert tree["instanceInfo"]["app"] == "EUREKA"
    assert tree["isHeathly"] is False


def test_xml_is_java_s_document() -> None:
    lines = STANDING.document(Form.XML).decode().splitlines()
    assert lines[:3] == [
        "<com.netflix.eureka.util.StatusInfo>",
        "  <generalStats>",
        "    <num-of-cpus>2</num-of-cpus>",
    ]
    assert "    <app>EUREKA</app>" in lines


def test_an_alone_server_is_healthy() -> None:
    tree = msgspec.json.decode(Standing().document(Form.JSON_COMPACT))
    assert tree["isHeathly"] is True
    assert "instanceInfo" not in tree
