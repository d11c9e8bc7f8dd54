"""aiperf, a public load tool, against ``dynasor serve`` on the embedded engine and on real vLLM. DYNASOR_AIPERF names
its executable, DYNASOR_VLLM_PYTHON the interpreter of an environment that has vLLM."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.processes import free_port, server_process
from benchmarks.vllm_server import vllm_server
from dynasor.engines.embedded import SHIPPED_MODEL, SHIPPED_NAME
from dynasor.models.question_sets import Split, question_lines

AIPERF = os.environ.get("DYNASOR_AIPERF", "")
VLLM_PYTHON = os.environ.get("DYNASOR_VLLM_PYTHON", "")
TOKENIZER = "dynasor/tiny"
REQUESTS = 12

pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AIPERF, reason="DYNASOR_AIPERF is not set"),
]


@pytest.fixture(scope="module", params=["embedded", "vllm"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URL of a server, and the name of its model."""
    folder = tmp_path_factory.mktemp("peers")
    if request.param == "embedded":
        with serving("embedded", folder) as url:
            yield url, SHIPPED_NAME
        return
    if not VLLM_PYTHON:
        pytest.skip("DYNASOR_VLLM_PYTHON is not set")
    model = SHIPPED_MODEL.with_name("hf")
    # Room for whole prompts: vLLM 0.32 on the CPU dies of a seeded request whose prompt it reads in parts.
    room = ("--max-num-batched-tokens", "65536")
    with vllm_server(VLLM_PYTHON, model, folder / "vllm.log", *room) as engine_url, serving(engine_url, folder) as url:
        yield url, model.name


@contextmanager
def serving(engine: str, folder: Path) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "dynasor", "serve", "--engine", engine, "--port", str(port), "--max-samples", "4"]
    with server_process("dynasor serve", command, f"{url}/health/ready", folder / "dynasor.log"):
        yield url


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    lines = itertools.islice(question_lines(Split.TEST), REQUESTS)
    path.write_text("".join(json.dumps({"text": json.loads(line)["question"]}) + "\n" for line in lines))
    return path


def write_cache(folder: Path) -> Path:
    """The shipped tokenizer where Hugging Face's own cache would have it, for aiperf takes it from nowhere else."""
    commit = "0" * 40
    repository = folder / "hub" / f"models--{TOKENIZER.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SHIPPED_MODEL.with_name("hf") / name, snapshot)
    return folder


def load(served: tuple[str, str], questions: Path, folder: Path, *options: str) -> dict[str, Any]:
    """aiperf's own report of a load with ``options``."""
    url, model = served
    command = [
        *(AIPERF, "profile", "--url", url, "--model", model, "--endpoint-type", "chat", "--ui", "none"),
        *("--tokenizer", TOKENIZER, "--use-server-token-count"),
        *("--input-file", str(questions), "--custom-dataset-type", "single_turn"),
        *("--request-count", str(REQUESTS), "--concurrency", "4", "--artifact-dir", str(folder), *options),
    ]
    environment = {**os.environ, "HF_HOME": str(write_cache(folder / "cache")), "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, cwd=folder)
    assert finished.returncode == 0, (finished.stdout + finished.stderr)[-3000:]
    report: dict[str, Any] = json.loads((folder / "profile_export_aiperf.json").read_text())
    return report


def assert_nothing_failed(report: dict[str, Any]) -> None:
    assert report["request_count"]["avg"] == REQUESTS
    assert report["request_error_rate"]["avg"] == 0
    assert report["error_summary"] == []


def test_streamed_chains(served: tuple[str, str], questions: Path, tmp_path: Path) -> None:
    report = load(served, questions, tmp_path, "--streaming")
    assert_nothing_failed(report)
    assert 0 < report["total_reasoning_tokens"]["avg"] < report["total_osl"]["avg"]
    assert report["time_to_first_token"]["avg"] < report["request_latency"]["avg"]


def test_votes_in_one_piece(served: tuple[str, str], questions: Path, tmp_path: Path) -> None:
    wants = json.dumps({"dynasor": {"program": "self-consistency"}})
    report = load(served, questions, tmp_path, "--extra-inputs", wants)
    assert_nothing_failed(report)
    with urllib.request.urlopen(f"{served[0]}/metrics") as metrics:
        told = metrics.read().decode()
    finished = re.findall(r'programs_finished_total\{program="self-consistency",.*\} (\d+)', told)
    assert sum(map(int, finished)) == REQUESTS
