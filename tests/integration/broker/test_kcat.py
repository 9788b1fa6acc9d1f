"""kcat as Debian ships it: librdkafka 2.0.2, which reads version ranges in the old way."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.support.broker import BrokerProcess

Unique = Callable[[str], str]


def kcat(*arguments: str, given: str | None = None) -> str:
    program = shutil.which("kcat")
    if program is None:
        pytest.skip("kcat is not installed (Debian package kcat)")
    done = subprocess.run(
        [program, *arguments], input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_produce_and_consume(bootstrap: str, unique: Unique, codec: str) -> None:
    topic = unique("kcat")
    lines = [f"line {number} {'x' * 100}" for number in range(200)]
    kcat("-b", bootstrap, "-P", "-t", topic, "-p", "0", "-z", codec, given="\n".join(lines) + "\n")
    found = kcat("-b", bootstrap, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q")
    assert found.splitlines() == lines


@pytest.mark.needs_tidelock("it looks into its folder")
def test_an_old_client_still_compresses(our_broker: BrokerProcess, unique: Unique) -> None:
    """It does only while Produce is advertised from version 0 (KAFKA-18659)."""
    bootstrap, folder = our_broker.bootstrap, our_broker.folder
    topic = unique("kcat-size")
    kcat("-b", bootstrap, "-P", "-t", topic, "-p", "0", "-z", "gzip", given=("x" * 1000 + "\n") * 500)
    assert (folder / f"{topic}-0" / "00000000000000000000.log").stat().st_size < 50_000


def test_a_group(bootstrap: str, unique: Unique) -> None:
    topic, group = unique("kcat"), unique("g")
    kcat("-b", bootstrap, "-P", "-t", topic, given="one\ntwo\nthree\n")
    options = ("-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=6000")
    found = kcat("-b", bootstrap, "-G", group, *options, "-c", "3", "-q", topic)
    assert sorted(found.split()) == ["one", "three", "two"]
    assert topic in kcat("-b", bootstrap, "-L")
