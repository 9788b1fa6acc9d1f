import re

import pytest

from tests.unit.discovery.making import EPOCH, an_instance, at
from tidelock.discovery.calls import Edge
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.page import View, render, render_history
from tidelock.discovery.registry import Registry

VIEW = {"url": "http://127.0.0.1:8761", "started": EPOCH, "version": "9.9"}


def page(*instances: Instance, now: float = 10) -> str:
    registry = Registry()
    for instance in instances:
        registry.register(instance, at(0))
    view = View(preservation=registry.preservation(at(now)), **VIEW)  # type: ignore[arg-type]  # texts above
    return render(registry, view, at(now)).decode()


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ({}, "No service is registered."),
        ({"a": [Status.UP]}, "1 service with 1 instance: it is up."),
        ({"a": [Status.UP, Status.UP], "b": [Status.UP]}, "2 services with 3 instances: all 3 are up."),
        ({"a": [Status.UP, Status.DOWN]}, "1 service with 2 instances: 1 up, 1 not."),
        ({"a": [Status.DOWN]}, "1 service with 1 instance: 0 up, 1 not. Nobody can call A."),
        (
            {"a": [Status.DOWN], "b": [Status.STARTING], "c": [Status.UP]},
            "3 services with 3 instances: 1 up, 2 not. Nobody can call A or B.",
        ),
        (
            {name: [Status.DOWN] for name in "abcde"},
            "5 services with 5 instances: 0 up, 5 not. Nobody can call A, B, C and 2 more.",
        ),
    ],
)
def test_it_says_in_words_who_is_up(statuses: dict[str, list[Status]], words: str) -> None:
    instances = [
        an_instance(app, f"{app}{number}", status=status)
        for app, group in statuses.items()
        for number, status in enumerate(group)
    ]
    lead = re.search('<p class="lead">(.*?)</p>', page(*instances))
    assert lead is not None
    assert lead[1] == words


def test_it_shows_leases_self_preservation_and_history() -> None:
    text = page(an_instance(), now=30)
    assert "last heartbeat 30 s ago; over in 60 s unless renewed" in text
    assert "Self-preservation is not active: all 1 leases are renewed in time" in text
    assert "registered as UP" in text
    assert "http://127.0.0.1:8761/eureka/" in text
    assert "started 2023-11-14 22:13:20 UTC (30 s ago)" in text
    assert "over since 5 s" in page(an_instance(), now=95)


def test_self_preservation_in_force_is_marked() -> None:
    text = page(*(an_instance(instance_id=f"i{number}") for number in range(3)), now=95)
    assert '<p class="on">Self-preservation is ON: 3 of 3 leases (100%)' in text


EVIL = "\"><script>alert('x')</script>&{name}"


def test_no_text_of_an_instance_becomes_markup() -> None:
    text = page(
        an_instance(EVIL, EVIL, host=EVIL, home_page_url=f"http://{EVIL}", vip=EVIL, status=Status.DOWN)
    )
    assert text.lower().count("<script") == 1  # our own
    assert text.count("&lt;script&gt;") + text.count("&lt;SCRIPT&gt;") >= 4


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//evil", "HTTP", None])
def test_only_web_addresses_become_links(url: str | None) -> None:
    assert 'rel="noreferrer"' not in page(an_instance(home_page_url=url))
    assert '<a href="http://h/" rel="noreferrer">h:80</a>' in page(an_instance(home_page_url="http://h/"))


def test_lone_surrogates_do_not_break_it() -> None:
    assert page(an_instance(host="\ud800"))


EDGE = Edge(EVIL, EVIL, "", 2, 12.34, 100, 3, 1.5, 2300.0, "open", 1)


def test_it_says_who_calls_whom_and_which_peers_answer() -> None:
    registry = Registry()
    peers = [("http://a/", True), (f"http://{EVIL}/", False)]
    view = View(preservation=registry.preservation(at(1)), calls=[EDGE], peers=peers, **VIEW)  # type: ignore[arg-type]  # texts above
    text = render(registry, view, at(1)).decode()
    assert text.lower().count("<script") == 1
    for words in (
        "12.3",
        "3.0%",
        "1.5 ms",
        "2.3 s",
        "open: not calling; 1 instance left out",
        "(2 instances)",
    ):
        assert words in text
    assert text.count("reachable") == 2
    assert "Who calls whom" not in page()


def test_the_history_is_shown_whole() -> None:
    registry = Registry()
    for number in range(30):
        registry.register(an_instance(instance_id=f"i{number}"), at(0))
    assert render_history(registry, at(1)).count(b"registered as UP") == 30
