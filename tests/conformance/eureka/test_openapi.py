"""schemathesis over the registry's own OpenAPI document finds nothing.

Every operation is asked with what the document allows and with what it forbids, and each answer is compared
with it: status, content type, headers, schema. TIDELOCK_TORTURE=1 asks ten times as often.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from tidelock.discovery.app import RegistryApp
from tidelock.discovery.openapi import PATHS
from tidelock.discovery.settings import RegistrySettings
from tidelock.runtime import SystemClock

pytestmark = pytest.mark.filterwarnings("ignore")  # schemathesis's own

EXAMPLES = 100 if os.environ.get("TIDELOCK_TORTURE") else 10

CASES = [
    (method, path, mode)
    for path, methods in PATHS.items()
    if path != "/watch"  # never ends
    for method, operation in methods.items()
    for mode in ("POSITIVE", "NEGATIVE")
    if mode == "POSITIVE" or "parameters" in operation or "requestBody" in operation
]

TOLERANT = {
    ("post", "/apps/{app}"): ["positive_data_acceptance"],  # the body names the application once more
    ("post", "/calls"): ["positive_data_acceptance"],  # not more errors than calls
    ("post", "/peerreplication/batch"): ["positive_data_acceptance", "negative_data_rejection"],
}
"""What no schema can say, or what is read more tolerantly than it is described."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return pytest.importorskip("schemathesis", reason="schemathesis is not installed (make)")


@pytest.fixture(scope="module")
def described(tool: ModuleType) -> Any:
    return tool.openapi.from_asgi("/openapi.json", RegistryApp(RegistrySettings(), SystemClock()))


@pytest.mark.parametrize(("method", "path", "mode"), CASES)
def test_every_answer_is_as_described(
    tool: ModuleType, described: Any, method: str, path: str, mode: str
) -> None:
    operation = described[f"/eureka{path}"][method]
    excluded = [tool.checks.CHECKS.get_one(name) for name in TOLERANT.get((method, path), [])]

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy(generation_mode=tool.GenerationMode[mode]))
    def check(case: Any) -> None:
        if "wait" in (case.query or {}):
            case.query = {**case.query, "wait": "0"}  # as described, but without waiting
        case.call_and_validate(excluded_checks=excluded)

    try:
        check()
    except Unsatisfiable:
        assert mode == "NEGATIVE"  # nothing of it can be wrong
