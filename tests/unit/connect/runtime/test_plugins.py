import pytest

from tidelock.connect.api import PluginNotFound
from tidelock.connect.runtime.plugins import Plugins, connector_kind


@pytest.mark.parametrize(
    "name",
    [
        "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "FileStreamSinkConnector",
        "FileStreamSink",
        "tidelock.connect.connectors.file:FileStreamSinkConnector",
    ],
)
def test_a_connector_answers_to_its_java_names(name: str) -> None:
    loaded = Plugins().connector(name).load()
    assert loaded.__name__ == "FileStreamSinkConnector"
    assert connector_kind(loaded) == "sink"


@pytest.mark.parametrize(
    "name",
    ["io.confluent.connect.jdbc.JdbcSinkConnector", "io.aiven.connect.jdbc.JdbcSinkConnector", "JdbcSink"],
)
def test_the_sql_sink_answers_to_confluents_and_aivens_names(name: str) -> None:
    assert Plugins().connector(name).name == "io.confluent.connect.jdbc.JdbcSinkConnector"


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(PluginNotFound, match="did you mean FileStreamSink"):
        Plugins().connector("FileStreamSnk")
    with pytest.raises(PluginNotFound, match="did you mean JsonConverter"):
        Plugins().converter("JsonConvertor")


def test_a_module_that_is_not_there_says_so() -> None:
    with pytest.raises(PluginNotFound, match="cannot be loaded"):
        Plugins().connector("no.such.module:Thing").load()
