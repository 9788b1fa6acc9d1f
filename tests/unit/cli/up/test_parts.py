"""The choice of parts and the banner that tells them."""

from dataclasses import replace

import pytest

from tidelock.cli.up import banner
from tidelock.cli.up.parts import PARTS, UnknownPartError, chosen
from tidelock.cli.up.state import Running


def test_all_parts_when_none_is_named() -> None:
    assert [part.name for part in chosen(())] == ["registry", "broker", "connect"]


def test_parts_come_in_their_own_order_and_once() -> None:
    assert [part.name for part in chosen(("connect", "broker", "connect"))] == ["broker", "connect"]


def test_a_misspelt_part_names_the_nearest() -> None:
    with pytest.raises(UnknownPartError, match="did you mean registry"):
        chosen(("registy",))


def test_well_known_ports_are_those_of_the_java_counterparts() -> None:
    assert {name: part.port for name, part in PARTS.items()} == {
        "registry": 8761,
        "broker": 9092,
        "connect": 8083,
    }


def running(**addresses: str) -> Running:
    return Running("/x/y", "1.2.3", {}, addresses)


def test_the_banner_shows_only_what_runs() -> None:
    text = list(banner.lines(running(broker="127.0.0.1:9092"), {"broker": "seen"}, memory=False))
    assert text[0] == "tidelock 1.2.3  ·  everything below listens on 127.0.0.1 only"
    assert text[2].split() == ["Broker", "localhost:9092", "(seen)"]
    assert text[3].split()[:2] == ["Data", "/x/y"]
    assert "kept across restarts" in text[3]
    assert "Registry" not in "\n".join(text)


def test_the_banner_says_when_data_is_thrown_away() -> None:
    text = "\n".join(banner.lines(running(), {}, memory=True))
    assert "thrown away" in text
    assert "Topics" not in text


@pytest.mark.parametrize("memory", [False, True])
def test_topics_that_are_elsewhere_are_said_to_be_kept_there(memory: bool) -> None:
    elsewhere = replace(running(), topics="/tmp/kafka-logs")
    assert "  Topics     /tmp/kafka-logs  (kept there: log.dirs)" in banner.lines(
        elsewhere, {}, memory=memory
    )
    said = banner.farewell("/x", "/tmp/kafka-logs", memory=memory)
    assert "topics stay in /tmp/kafka-logs" in said
    assert ("nothing else is kept" in said) is memory


def test_the_last_line_of_all_says_what_is_kept() -> None:
    assert banner.farewell("/x", None, memory=False) == "Stopped. The data stays in /x"
    assert banner.farewell("/x", None, memory=True) == "Stopped; nothing is kept."


def test_the_last_line_has_the_measured_time() -> None:
    assert banner.ready_line(0.4349, {"broker": "x"}).startswith("Ready in 0.43 s.  Try:  tidelock topic ls")
    assert "tidelock status" in banner.ready_line(1.0, {"registry": "x"})
