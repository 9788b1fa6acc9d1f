"""Fetches Apache Kafka and its tools from Maven Central into a folder that is kept: `make engines`.

The folder is `.engines/` in the checkout, or $TIDELOCK_ENGINES. Jars arrive in a `.part` folder that is
renamed when it is complete, with a stamp of the pom inside, so an interrupted fetch leaves nothing half.
Afterwards a formatted storage template and a class data archive are made, which turn a broker's start from
3 seconds into 1. Java 17 or newer and Maven are needed here only; `find()` tells the tests what there is.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
VERSION = "4.3.1"  # the newest version of which every artifact of the pom resolves
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
PLUGINS = ("connect-file",)


@dataclass(frozen=True, slots=True)
class Engines:
    """A complete folder of engines and the java that runs them."""

    folder: Path
    java: str

    @property
    def class_path(self) -> str:
        # An explicit, sorted list: a class data archive is valid for one order of the same jars only.
        return os.pathsep.join(str(jar) for jar in sorted((self.folder / "libs").glob("*.jar")))

    @property
    def plugin_path(self) -> Path:
        return self.folder / "plugins"

    @property
    def template(self) -> Path:
        """Storage of node 1, formatted, to copy from."""
        return self.folder / "template"

    def archive(self, role: str) -> Path:
        """The class data archive of one main class (`broker`, `connect`); it may be absent."""
        return self.folder / f"{role}.jsa"


class Unavailable(Exception):
    """The engines cannot run here; the text says why and what to do."""


def root() -> Path:
    chosen = os.environ.get("TIDELOCK_ENGINES")
    return Path(chosen).resolve() if chosen else HERE.parents[1] / ".engines"


def find() -> Engines:
    """Return the fetched engines, or raise Unavailable with the reason a skipped test shows."""
    java = shutil.which("java")
    if java is None:
        raise Unavailable("no java on PATH (Debian package openjdk-17-jre-headless)")
    folder = root() / f"kafka-{VERSION}"
    if not is_current(folder):
        raise Unavailable(
            f"Apache Kafka {VERSION} is not in {root().name}/: run `make engines` (needs maven)"
        )
    return Engines(folder, java)


def is_current(folder: Path) -> bool:
    stamp = folder / "stamp"
    return stamp.exists() and stamp.read_text() == stamp_text()


def stamp_text() -> str:
    recipe = POM.read_bytes() + repr((VERSION, PLUGINS)).encode()
    return hashlib.sha256(recipe).hexdigest()


def fetch() -> Engines:
    """Fetch what is missing and return the engines."""
    folder = root() / f"kafka-{VERSION}"
    if not is_current(folder):
        maven = shutil.which("mvn")
        if maven is None:
            raise Unavailable("no mvn on PATH (Debian package maven)")
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        copy_jars(maven, part)
        (part / "stamp").write_text(stamp_text())
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return find()


def copy_jars(maven: str, part: Path) -> None:
    run_maven(
        maven,
        f"{DEPENDENCY_PLUGIN}:copy-dependencies",
        f"-DoutputDirectory={part / 'libs'}",
        "-DincludeScope=runtime",
    )
    for plugin in PLUGINS:
        run_maven(
            maven,
            f"{DEPENDENCY_PLUGIN}:copy",
            f"-Dartifact=org.apache.kafka:{plugin}:{VERSION}",
            f"-DoutputDirectory={part / 'plugins' / plugin}",
        )


def run_maven(maven: str, *arguments: str) -> None:
    command = [maven, "-B", "-q", "-f", str(POM), *arguments]
    for last in (False, True):  # a registry's hiccup is worth one more try
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
        if done.returncode == 0:
            return
        if last:
            raise Unavailable(f"maven failed:\n{(done.stdout + done.stderr)[-2000:]}")


def main() -> int:
    # kafka.py imports this module, so it is imported where it is used.
    from tests.engines import kafka

    try:
        engines = fetch()
        kafka.prepare(engines)
    except Unavailable as why:
        sys.stderr.write(f"engines: {why}\n")
        return 1
    jars = sorted((engines.folder / "libs").glob("*.jar"))
    size = sum(jar.stat().st_size for jar in jars) >> 20
    sys.stdout.write(f"Apache Kafka {VERSION}: {len(jars)} jars, {size} MB in {engines.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
