"""Real vLLM on the CPU, for tests and benchmarks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import START_TIMEOUT_S, free_port, server_process

__all__ = ["START_TIMEOUT_S", "vllm_python", "vllm_server"]


def vllm_python() -> str:
    """The interpreter of an environment that has vLLM; the command ends where none is named."""
    named = os.environ.get("DYNASOR_VLLM_PYTHON")
    if not named:
        raise SystemExit("DYNASOR_VLLM_PYTHON is not set; it names the interpreter of an environment that has vLLM")
    return named


@contextmanager
def vllm_server(python: str, folder: Path, log: Path, *options: str) -> Iterator[str]:
    """vLLM with the model in ``folder`` on a free loopback port; it ends with the block.

    ``python`` is the interpreter of an environment that has vLLM, ``options`` are more of vLLM's own.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [
        *(python, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)),
        *("--model", str(folder), "--served-model-name", folder.name, "--dtype", "float32"),
        *("--max-model-len", "2048", "--max-num-seqs", "64", *options),
    ]
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with server_process("vLLM", command, f"{url}/health", log, environment):
        yield url
