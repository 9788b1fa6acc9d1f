"""The example on the design page works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).resolve().parents[3] / "docs" / "design" / "testing.md"


def test_the_page_s_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = ModuleType("example")
    exec(compile(example, str(PAGE), "exec"), module.__dict__)
    module.test_a_double()
    module.test_a_bad_day()
