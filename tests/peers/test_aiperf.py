"""aiperf, a public load tool, against ``dynasor serve``. DYNASOR_AIPERF names its executable."""

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
from pathlib import Path
from typing import Any

import pytest

from benchmarks.processes import free_port, server_process
from dynasor.engines.embedded import SHIPPED_MODEL, SHIPPED_NAME
from dynasor.models.question_sets import Split, question_lines

AIPERF = os.environ.get("DYNASOR_AIPERF", "")
TOKENIZER = "dynasor/tiny"
REQUESTS = 12

pytestmark = [
    pytest.mark.peers,
    pytest.mark.timeout(280),
    pytest.mark.skipif(not AIPERF, reason="DYNASOR_AIPERF is not set"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "dynasor", "serve", "--port", str(port), "--max-samples", "4"]
    log = tmp_path_factory.mktemp("peers") / "dynasor.log"
    with server_process("dynasor serve", command, f"{url}/health/ready", log):
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


def load(url: str, questions: Path, folder: Path, *options: str) -> dict[str, Any]:
    """aiperf's own report of a load with ``options``."""
    command = [
        *(AIPERF, "profile", "--url", url, "--model", SHIPPED_NAME, "--endpoint-type", "chat", "--ui", "none"),
        *("--tokenizer", TOKENIZER, "--use-server-token-count"),
        *("--input-file", str(questions), "--custom-dataset-type", "single_turn"),
        *("--request-count", str(REQUESTS), "--concurrency", "4", "--artifact-dir", str(folder), *options),
    ]
    environment = {**os.environ, "HF_HOME": str(write_cache(folder / "cache")), "HF_HUB_OFFLINE": "1"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250, cwd=folder)
    assert finished.returncode == 0, (finished.stdout + finished.stderr)[-3000:]
    report: dict[str, Any] = json.loads((folder / "profile_export_aiperf.json").read_text())
    return report


def assert_nothing_failed(report: dict[str, Any]) -> None:
    assert report["request_count"]["avg"] == REQUESTS
    assert report["request_error_rate"]["avg"] == 0
    assert report["error_summary"] == []


def test_streamed_chains(url: str, questions: Path, tmp_path: Path) -> None:
    report = load(url, questions, tmp_path, "--streaming")
    assert_nothing_failed(report)
    assert 0 < report["total_reasoning_tokens"]["avg"] < report["total_osl"]["avg"]
    assert report["time_to_first_token"]["avg"] < report["request_latency"]["avg"]


def test_votes_in_one_piece(url: str, questions: Path, tmp_path: Path) -> None:
    wants = json.dumps({"dynasor": {"program": "self-consistency"}})
    report = load(url, questions, tmp_path, "--extra-inputs", wants)
    assert_nothing_failed(report)
    with urllib.request.urlopen(f"{url}/metrics") as metrics:
        told = metrics.read().decode()
    finished = re.findall(r'programs_finished_total\{program="self-consistency",.*\} (\d+)', told)
    assert sum(map(int, finished)) == REQUESTS
