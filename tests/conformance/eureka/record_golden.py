"""Records what the Java codecs write into golden.json: `java/Golden.java` over the jars of the built server.

usage: python -m tests.conformance.eureka.record_golden   (after `make engines`; needs a JDK)
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import zipfile
from pathlib import Path

from tests.engines import eureka

FOLDER = Path(__file__).parent
GOLDEN = FOLDER / "golden.json"
LIBRARIES = "BOOT-INF/lib/"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(eureka.find()) as jar:
            jar.extractall(folder, [name for name in jar.namelist() if name.startswith(LIBRARIES)])
        line = [
            "java",
            "-Dfile.encoding=UTF-8",
            "-cp",
            f"{folder}/{LIBRARIES}*",
            str(FOLDER / "java/Golden.java"),
        ]
        done = subprocess.run(line, stdout=subprocess.PIPE, check=True)
    cases = json.loads(done.stdout)
    GOLDEN.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(cases)} cases, {sum(len(case['documents']) for case in cases)} documents")  # noqa: T201


if __name__ == "__main__":
    main()
