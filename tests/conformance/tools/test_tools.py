"""Apache Kafka's own command line tools get from our broker what they get from Apache Kafka.

The whole script is played in one JVM; the answers of Apache Kafka 4.3.1 were recorded by `record.py`. What
may differ is in `script.MASKS`: the words of errors (not their classes), sizes of segments, what only
replicas have.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.tools.play import play
from tests.conformance.tools.record import ANSWERS
from tests.conformance.tools.script import SCRIPT
from tests.engines.fetch import Engines
from tests.support.broker import BrokerProcess

pytestmark = pytest.mark.needs_kafka


@pytest.mark.timeout(300)
def test_kafkas_tools_cannot_tell_the_difference(engines: Engines, tmp_path: Path) -> None:
    expected = json.loads(ANSWERS.read_text(encoding="utf-8"))
    assert [answer["step"] for answer in expected] == [step.name for step in SCRIPT]
    files = tmp_path / "files"
    files.mkdir()
    with BrokerProcess(tmp_path / "data") as broker:
        found = list(play(engines, broker.bootstrap, tmp_path / "data", files))
        assert broker.errors() == ""
    assert [one for one in found if one not in expected] == []
    assert found == expected
