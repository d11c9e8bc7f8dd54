"""What the doctor finds out about real vLLM, started for priorities as ``FEW_AT_ONCE`` says."""

from __future__ import annotations

import os

import pytest

from benchmarks.vllm_server import START_TIMEOUT_S
from dynasor.doctor import Status, examine

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(START_TIMEOUT_S + 120),
    pytest.mark.skipif(not os.environ.get("DYNASOR_VLLM_PYTHON"), reason="DYNASOR_VLLM_PYTHON is not set"),
]


async def test_vllm_is_found_as_it_is(shipped_url: str) -> None:
    found = {finding.check: finding for finding in (await examine(shipped_url)).findings}
    print(*found.values(), sep="\n")
    for name in ("generation", "chat template", "thinking", "closing the thinking", "leaving aborts", "cache in use"):
        assert found[name].status is Status.OK, found[name]
    assert "smaller first, sent as they are" in found["priorities"].found
    assert found["log-probabilities"].status is Status.OK
    assert found["n"].status is Status.OK
