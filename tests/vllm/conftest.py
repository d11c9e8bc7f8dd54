from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from benchmarks.vllm_server import vllm_server
from dynasor.engines.embedded import SHIPPED_MODEL

FEW_AT_ONCE = ("--scheduling-policy", "priority", "--max-num-seqs", "8")
"""So few that a test can make requests wait in the engine."""


@pytest.fixture(scope="session")
def shipped_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM with the shipped model, for all tests that want it."""
    log = tmp_path_factory.mktemp("shipped") / "vllm.log"
    with vllm_server(os.environ["DYNASOR_VLLM_PYTHON"], SHIPPED_MODEL.with_name("hf"), log, *FEW_AT_ONCE) as url:
        yield url
