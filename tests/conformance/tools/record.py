"""Records Apache Kafka's answers: `python -m tests.conformance.tools.record` (needs `make engines`)."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.conformance.tools.described import BROKER, GROUP, TOPIC, describe
from tests.conformance.tools.play import play
from tests.engines.fetch import find
from tests.engines.kafka import ApacheKafka

ANSWERS = Path(__file__).parent / "answers.json"
CONFIGS = Path(__file__).parent / "configs.json"


def main() -> int:
    engines = find()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "files").mkdir()
        with ApacheKafka(engines, folder / "node") as node:
            found = list(play(engines, node.bootstrap, folder / "node" / "data", folder / "files"))
            configs = {
                kind: describe(node.port, number, name)
                for kind, number, name in (
                    ("topic", TOPIC, "words"),
                    ("broker", BROKER, "1"),
                    ("group", GROUP, "nobody"),
                )
            }
    ANSWERS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = (
        f"{json.dumps(kind)}: {{\n"
        + ",\n".join(f" {json.dumps(name)}: {json.dumps(one)}" for name, one in sorted(found.items()))
        + "\n}"
        for kind, found in configs.items()
    )
    CONFIGS.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
