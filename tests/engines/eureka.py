"""Spring's Eureka server as the registry's original: built once with Maven, started on a free port.

    python -m tests.engines.eureka            builds it into the folder of the engines

The project is `spring-eureka/`: a main class and its settings. `find()` tells the tests whether it is there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.engines.fetch import Unavailable, root

PROJECT = Path(__file__).resolve().parent / "spring-eureka"
START = 180.0
"""Seconds that a start may take on a busy machine; 6 on an idle one."""

SOON = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Java's options for a quick start; never for rates."""


def folder() -> Path:
    return root() / "spring-eureka"


def stamp_text() -> str:
    files = sorted(path for path in PROJECT.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def find() -> Path:
    """Return the server's jar, or raise Unavailable with the reason a skipped test shows."""
    if shutil.which("java") is None:
        raise Unavailable("no java on PATH (Debian package openjdk-17-jre-headless)")
    stamp = folder() / "stamp"
    if not stamp.exists() or stamp.read_text() != stamp_text():
        raise Unavailable("Spring's Eureka server is not built: run `make engines` (needs maven)")
    return folder() / "eureka.jar"


def build() -> Path:
    """Build what is missing and return the jar."""
    with contextlib.suppress(Unavailable):
        return find()
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("no mvn on PATH (Debian package maven)")
    part = folder().with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(PROJECT, part)
    for is_last in (False, True):  # a registry's hiccup is worth one more try
        done = subprocess.run([maven, "-B", "-q", "package"], capture_output=True, text=True, cwd=part)
        if done.returncode == 0:
            break
        if is_last:
            raise Unavailable(f"maven failed:\n{(done.stdout + done.stderr)[-2000:]}")
    shutil.move(part / "target" / "eureka.jar", part / "eureka.jar")
    shutil.rmtree(part / "target")
    (part / "stamp").write_text(stamp_text())
    shutil.rmtree(folder(), ignore_errors=True)
    part.rename(folder())
    return find()


@contextlib.contextmanager
def server(
    port: int, *, peers: Sequence[str] = (), heap: str = "256m", options: Sequence[str] = SOON
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server until the block ends.

    Args:
        port: where it listens on 127.0.0.1.
        peers: URLs of other registries.
        heap: -Xmx.
        options: Java's.
    """
    java = shutil.which("java")
    jar = find()
    assert java is not None
    environment = {**os.environ, "PORT": str(port)}
    if peers:
        environment["PEERS"] = ",".join(peers)
    process = subprocess.Popen(
        [java, f"-Xmx{heap}", *options, "-jar", str(jar)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, f"http://127.0.0.1:{port}/eureka/apps")
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"Spring's Eureka server ended with {process.returncode}")
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"Spring's Eureka server did not answer within {START:g} s")


def main() -> int:
    try:
        jar = build()
    except Unavailable as why:
        sys.stderr.write(f"engines: {why}\n")
        return 1
    sys.stdout.write(f"Spring's Eureka server: {jar.stat().st_size >> 20} MB in {jar}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
