"""Debezium's JDBC sink for Apache Kafka's Connect worker, the SQL sink that the registries offer.

    python -m tests.engines.debezium            fetches it into the folder of the engines

Kept apart from Apache Kafka's own jars: only benchmarks need its 61 MB.
"""

from __future__ import annotations

import shutil
import sys
import tarfile
from pathlib import Path

from tests.engines.fetch import DEPENDENCY_PLUGIN, Unavailable, root, run_maven

VERSION = "3.6.0.Final"
NAME = "debezium-connector-jdbc"


def folder() -> Path:
    return root() / f"{NAME}-{VERSION}" / NAME


def find() -> Path | None:
    """Return the plugin's folder of jars, or None where it was not fetched."""
    return folder() if folder().exists() else None


def fetch() -> Path:
    """Fetch it unless it is there.

    Raises:
        Unavailable: there is no Maven, or it failed.
    """
    wanted = folder()
    if wanted.exists():
        return wanted
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("no mvn on PATH (Debian package maven)")
    part = wanted.parent.with_name(f"{wanted.parent.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    # The archive is whole; resolving its pom's dependencies would fail, for one of them is on no registry.
    artifact = f"-Dartifact=io.debezium:{NAME}:{VERSION}:tar.gz:plugin"
    run_maven(maven, f"{DEPENDENCY_PLUGIN}:copy", artifact, f"-DoutputDirectory={part}")
    [archive] = part.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(part, filter="data")
    archive.unlink()
    part.rename(wanted.parent)
    return wanted


if __name__ == "__main__":
    try:
        sys.stdout.write(f"Debezium's JDBC sink {VERSION}: {fetch()}\n")
    except Unavailable as why:
        sys.exit(f"engines: {why}")
