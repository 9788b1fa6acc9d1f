"""Makes the golden answers anew: `python -m tests.conformance.connect.golden` (needs `make engines`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.engines.fetch import find

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases" / "json_converter.json"
ANSWERS = HERE / "cases" / "json_converter.golden.json"


def main() -> int:
    engines = find()
    source = HERE / "java" / "JsonConverterGolden.java"
    command = [engines.java, "-cp", engines.class_path, str(source), str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stderr)
        return 1
    ANSWERS.write_text(done.stdout, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
