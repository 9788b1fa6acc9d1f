"""The checksum without the package around it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tidelock.protocol import checksum


def test_known_value() -> None:
    assert checksum.crc32c(b"123456789") == 0xE3069283


def test_takes_writable_views() -> None:
    assert checksum.crc32c(memoryview(bytearray(b"0123456789"))[1:]) == 0xE3069283


def test_leaves_the_package_alone_and_lives_beside_it() -> None:
    code = (
        "import sys; from tidelock.protocol.checksum import crc32c as ours;"
        "assert 'crc32c' not in sys.modules and 'importlib.metadata' not in sys.modules;"
        "import crc32c; assert crc32c.crc32c(b'abc') == ours(b'abc')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_distribution_built_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksum, "COMPILED", "_somewhere_else")
    assert checksum.load()(b"123456789") == 0xE3069283
