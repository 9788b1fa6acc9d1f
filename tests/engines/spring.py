"""Spring applications as originals: built once with Maven, started on a free port.

    python -m tests.engines.spring            builds all of them into the folder of the engines

Each is a folder beside this file: a main class and its settings. Beside the jar a build keeps an unpacked
copy with an archive of its loaded classes, which starts in a third of the time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.engines.fetch import Unavailable, root
from tests.engines.kafka import free_port

HERE = Path(__file__).resolve().parent
START = 180.0
"""Seconds that a start may take on a busy machine; 2 to 6 on an idle one."""

TRAINING = 300.0
"""Seconds for the one start of a build that also makes the archive."""

ARCHIVE = "app.jsa"


@dataclass(frozen=True)
class Project:
    """One application.

    Args:
        name: its folder, here and among the engines.
        jar: the file that Maven makes.
        shown: what it is called in texts.
        ready: the path that is answered once it serves; None for a program that serves nothing.
    """

    name: str
    jar: str
    shown: str
    ready: str | None

    @property
    def folder(self) -> Path:
        return root() / self.name

    def stamp_text(self) -> str:
        files = sorted(path for path in (HERE / self.name).rglob("*") if path.is_file())
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def find(self) -> Path:
        """Return the jar, or raise Unavailable with the reason a skipped test shows."""
        if shutil.which("java") is None:
            raise Unavailable("no java on PATH (Debian package openjdk-17-jre-headless)")
        stamp = self.folder / "stamp"
        if not stamp.exists() or stamp.read_text() != self.stamp_text():
            raise Unavailable(f"{self.shown} is not built: run `make engines` (needs maven)")
        return self.folder / self.jar

    def build(self) -> Path:
        """Build what is missing and return the jar."""
        with contextlib.suppress(Unavailable):
            return self.find()
        maven = shutil.which("mvn")
        if maven is None:
            raise Unavailable("no mvn on PATH (Debian package maven)")
        part = self.folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(HERE / self.name, part)
        for is_last in (False, True):  # a registry's hiccup is worth one more try
            done = subprocess.run([maven, "-B", "-q", "package"], capture_output=True, text=True, cwd=part)
            if done.returncode == 0:
                break
            if is_last:
                raise Unavailable(f"maven failed:\n{(done.stdout + done.stderr)[-2000:]}")
        shutil.move(part / "target" / self.jar, part / self.jar)
        shutil.rmtree(part / "target")
        if self.ready is not None:
            self._unpack(part)
        (part / "stamp").write_text(self.stamp_text())
        shutil.rmtree(self.folder, ignore_errors=True)
        part.rename(self.folder)
        if self.ready is not None:
            self._archive()
        return self.find()

    @contextlib.contextmanager
    def started(
        self, port: int, environment: Mapping[str, str], *, heap: str = "256m", warms_up: bool = False
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run it until the block ends.

        Args:
            port: where it listens on 127.0.0.1.
            environment: what its settings ask for.
            heap: -Xmx.
            warms_up: for rates: with the optimizing compiler, which makes the start longer.
        """
        self.find()
        options = self._options(heap, warms_up)
        with self._running(options, port, environment) as process:
            yield process

    def _unpack(self, part: Path) -> None:
        line = ["java", "-Djarmode=tools", "-jar", self.jar, "extract", "--destination", "unpacked"]
        subprocess.run(line, cwd=part, capture_output=True, check=True)

    def _archive(self) -> None:
        """Start it once and let the virtual machine keep what it loaded; without, starts are slower."""
        unpacked = self.folder / "unpacked"
        line = [f"-XX:ArchiveClassesAtExit={unpacked / ARCHIVE}", "-jar", str(unpacked / self.jar)]
        nobody = {"EUREKA": "http://127.0.0.1:9/eureka/"}
        with self._running(line, free_port(), nobody, TRAINING) as process:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def _options(self, heap: str, warms_up: bool) -> list[str]:
        archive = self.folder / "unpacked" / ARCHIVE
        if warms_up:
            return [f"-Xmx{heap}", "-jar", str(self.folder / self.jar)]
        quick = [f"-Xmx{heap}", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        if not archive.exists():
            return [*quick, "-jar", str(self.folder / self.jar)]
        return [*quick, f"-XX:SharedArchiveFile={archive}", "-jar", str(archive.with_name(self.jar))]

    @contextlib.contextmanager
    def _running(
        self, options: list[str], port: int, environment: Mapping[str, str], patience: float = START
    ) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(
            ["java", *options],
            env={**os.environ, "PORT": str(port), **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait(process, f"http://127.0.0.1:{port}{self.ready}", patience)
            yield process
        finally:
            process.kill()
            process.wait()

    def _wait(self, process: subprocess.Popen[bytes], url: str, patience: float) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise AssertionError(f"{self.shown} ended with {process.returncode}")
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.shown} did not answer within {patience:g} s")


EUREKA = Project("spring-eureka", "eureka.jar", "Spring's Eureka server", "/eureka/apps")
SERVICE = Project("spring-service", "service.jar", "the Spring Boot service", "/orders/1")
CALLER = Project("spring-caller", "caller.jar", "the program that calls with OpenFeign", None)


def main() -> int:
    for project in (EUREKA, SERVICE, CALLER):
        try:
            jar = project.build()
        except Unavailable as why:
            sys.stderr.write(f"engines: {why}\n")
            return 1
        sys.stdout.write(f"{project.shown}: {jar.stat().st_size >> 20} MB in {jar}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
