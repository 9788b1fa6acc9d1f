"""Makes the golden answers anew: `python -m tests.conformance.connect.golden` (needs `make engines`)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.connect.plugin_cases import all_cases
from tests.engines.fetch import find

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases"


def ask(program: str, cases: Path) -> str:
    """Return what a program of ours says that runs the original classes."""
    engines = find()
    source = HERE / "java" / f"{program}.java"
    command = [engines.java, "-Duser.timezone=UTC", "-Duser.language=en", "-Duser.country=US"]
    command += ["-cp", engines.class_path, str(source), str(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> int:
    answers = ask("JsonConverterGolden", CASES / "json_converter.json")
    (CASES / "json_converter.golden.json").write_text(answers, encoding="utf-8")
    cases = all_cases()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.json"
        path.write_text(json.dumps(cases, ensure_ascii=False), encoding="utf-8")
        answers = ask("PluginGolden", path)
    lines = [
        json.dumps({"case": case, "answer": answer}, ensure_ascii=False, sort_keys=True)
        for case, answer in zip(cases, json.loads(answers), strict=True)
    ]
    (CASES / "plugins.golden.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
