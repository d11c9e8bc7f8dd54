"""The main job on real vLLM, its own token counter held against ours.

    DYNASOR_VLLM_PYTHON=.venv-vllm/bin/python python -m benchmarks.batch_on_vllm --output build/demo-vllm

Runs the demo's 200 questions with the shipped model and writes ``summary.json`` with ``engine_tokens``
(what vLLM counted), ``our_tokens`` and their difference.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.vllm_server import vllm_python, vllm_server
from dynasor.engines.counters import engine_counters
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.vocabulary import JSON

MODEL_FOLDER = SHIPPED_MODEL.with_name("hf")


def run_batch(folder: Path, url: str, num_questions: int) -> JSON:
    """``dynasor batch`` as a user calls it; its summary with both token counts."""
    for old in folder.glob("answers*"):
        old.unlink()
    questions, summary_path = folder / "questions.jsonl", folder / "summary.json"
    dynasor: list[str | Path] = [sys.executable, "-m", "dynasor"]
    subprocess.run([*dynasor, "questions", "--limit", str(num_questions), "--output", questions], check=True)
    before = asyncio.run(engine_counters(url)).generated_tokens
    subprocess.run(
        [
            *dynasor,
            *("batch", questions, "--output", folder / "answers.jsonl", "--engine", url),
            *(
                "--max-samples",
                "16",
                "--temperature",
                "1",
                "--max-tokens",
                "1024",
                "--compare",
                "fixed",
                "--summary",
                summary_path,
            ),
        ],
        check=True,
    )
    counted = asyncio.run(engine_counters(url)).generated_tokens - before
    summary: JSON = json.loads(summary_path.read_text())
    ours = sum(arm["tokens_per_question"]["total"] * arm["questions"] for arm in summary["arms"].values())
    summary |= {"engine_tokens": counted, "our_tokens": round(ours), "token_difference": ours / counted - 1}
    summary_path.write_text(json.dumps(summary, indent=2) + "\n")
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for results and the server's log")
    parser.add_argument("--questions", type=int, default=200)
    arguments = parser.parse_args()
    python = vllm_python()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    print("starting vLLM on the CPU (one to three minutes) ...", flush=True)
    with vllm_server(python, MODEL_FOLDER, folder / "vllm.log") as url:
        summary = run_batch(folder, url, arguments.questions)
    print(
        f"tokens: vLLM counted {summary['engine_tokens']}, we counted {summary['our_tokens']} "
        f"({summary['token_difference']:+.2%})"
    )


if __name__ == "__main__":
    main()
