"""The timeline is well formed and shows every curve and every kill."""

from xml.etree import ElementTree as ET

from tidelock.cli.demo.chart import timeline
from tidelock.cli.demo.record import Event, Sample

SAMPLES = [Sample(0.0, 0, 0, 2), Sample(1.0, 100, 60, 3), Sample(2.0, 100, 100, 4)]


def test_the_timeline_is_well_formed_and_has_every_kill() -> None:
    events = [Event(0.5, "kill -9 <broker>", is_kill=True), Event(1.9, "broker back")]
    tree = ET.fromstring(timeline(SAMPLES, events))
    titles = [element.text for element in tree.iter("title")]
    assert titles == ["kill -9 <broker>", "broker back"]
    assert {"1", "2"} <= {element.text for element in tree.iter("text")}
    assert len(list(tree.iter("polyline"))) == 2
    assert "100 in the common database" in tree.attrib["aria-label"]


def test_a_run_without_samples_says_so() -> None:
    assert "No samples" in timeline([], [])


def test_one_sample_at_time_zero_does_not_divide_by_zero() -> None:
    ET.fromstring(timeline([Sample(0.0, 0, 0, 1)], []))
