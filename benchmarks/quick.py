"""A small form of every benchmark, one after the other: ``python -m benchmarks.quick`` (``make bench-quick``).

Each runs in a process of its own with a limit in seconds, writes under ``--folder`` and nowhere else, and is a line of
the summary. What needs something that is not there (vLLM, recorded samples) says so and is left out. ``--smoke`` is the
smallest form of those that need no engine but ours. Numbers of so few questions show that it works, not what is gained;
the stored results of the large forms are in ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.scale import summary as ratios_of
from benchmarks.scale import where
from dynasor.models.question_sets import Split, question_lines
from dynasor.vocabulary import JSON

TRACES = Path("../shared/traces")
MODULE = (sys.executable, "-m")


@dataclass(frozen=True, slots=True)
class Step:
    """A benchmark in small.

    Args:
        command: that runs it; it writes ``result``.
        limit_s: after which it is ended, and has failed.
        headline: what its result comes to, in a line.
        needs: what is missing here; empty: nothing.
    """

    name: str
    command: tuple[str, ...]
    result: Path
    limit_s: float
    headline: Callable[[JSON], str]
    needs: str = ""


def steps(folder: Path, *, is_smoke: bool) -> Iterator[Step]:
    """All of them; of the smoke form, those that take seconds."""
    yield Step("scheduler", scheduler(folder, is_smoke), folder / "scheduler.json", 120, decisions)
    yield Step("scale", scale(folder, is_smoke), folder / "scale.json", 200, gains)
    yield Step("batch", batch(folder, is_smoke), folder / "batch.json", 240, saved)
    yield Step("online", online(folder, is_smoke), folder / "online.json", 300, gains_online)
    if is_smoke:
        return
    traces = "" if TRACES.is_dir() else f"recorded samples in {TRACES}"
    rules = (*MODULE, "benchmarks.stop_rules", "--traces", str(TRACES), "--shuffles", "1")
    output = folder / "stop_rules.json"
    yield Step("stop rules", (*rules, "--output", str(output)), output, 200, rows, traces)
    vllm = "" if os.environ.get("DYNASOR_VLLM_PYTHON") else "vLLM (DYNASOR_VLLM_PYTHON)"
    fidelity = (
        *MODULE,
        "benchmarks.fidelity",
        "--loads",
        "0.5",
        "--policies",
        "sjf",
        "--programs",
        "12",
        "--repeats",
        "1",
    )
    output = folder / "fidelity.json"
    yield Step("fidelity", (*fidelity, "--output", str(output)), output, 300, deviation, vllm)


def scheduler(folder: Path, is_smoke: bool) -> tuple[str, ...]:
    size = ("--rounds", "1", "--sizes", "1000") if is_smoke else ("--rounds", "3")
    return (*MODULE, "benchmarks.scheduler", *size, "--output", str(folder / "scheduler.json"))


def scale(folder: Path, is_smoke: bool) -> tuple[str, ...]:
    budget_s = "4" if is_smoke else "120"
    files = ("--raw", str(folder / "scale.jsonl"), "--output", str(folder / "scale.json"))
    return (*MODULE, "benchmarks.scale", "--quick", "--budget-s", budget_s, *files)


def batch(folder: Path, is_smoke: bool) -> tuple[str, ...]:
    questions = questions_in(folder / "batch.questions.jsonl", 2 if is_smoke else 12)
    cap = ("--cap", f"self-consistency={6 if is_smoke else 12}")
    files = ("--output", str(folder / "batch"), "--summary", str(folder / "batch.json"))
    return (*MODULE, "dynasor", "bench", "batch", str(questions), "-p", "self-consistency", *cap, *files)


def online(folder: Path, is_smoke: bool) -> tuple[str, ...]:
    questions = questions_in(folder / "online.questions.jsonl", 3 if is_smoke else 12)
    size = ("--cap", "self-consistency=3", "--window-s", "0.5", "--trials", "2", "--max-tokens", "40")
    if not is_smoke:
        size = ("--cap", "self-consistency=8", "--window-s", "10", "--trials", "4", "--max-tokens", "200")
    files = ("--output", str(folder / "online.jsonl"), "--summary", str(folder / "online.json"))
    common = ("--repetitions", "1", "--alone", "2", "--concurrency", "8", "--budget-s", "6" if is_smoke else "200")
    arms = ("--arm", "engine", "--arm", "dynasor")
    program = ("bench", "online", str(questions), "-p", "self-consistency")
    return (*MODULE, "dynasor", *program, *arms, *size, *common, *files)


def questions_in(path: Path, count: int) -> Path:
    """The easiest test questions, in a file."""
    lines = sorted(question_lines(Split.TEST), key=lambda line: int(orjson.loads(line)["level"]))
    path.write_text("\n".join(lines[:count]) + "\n")
    return path


def decisions(found: JSON) -> str:
    taken = [row["microseconds_median"] for row in found["rows"]]
    return f"{min(taken):.0f} to {max(taken):.0f} us a decision"


def gains(found: JSON) -> str:
    parts = [f"{name}: {line}" for name, each in found["scenarios"].items() if (line := ratios_of(each))]
    return "; ".join(parts) or "its time was up before there was a ratio"


def gains_online(found: JSON) -> str:
    parts = [f"{name}: {line}" for name, each in found["workloads"].items() if (line := ratios_of(each))]
    return "; ".join(parts) or "its time was up before there was a ratio"


def saved(found: JSON) -> str:
    rules = [
        f"{each['rule']} saves {each['against_cap']['saved']:.0%}"
        for workload in found["workloads"].values()
        for each in workload["rules"]
        if "against_cap" in each and not each["is_replayed"]
    ]
    return ", ".join(rules)


def rows(found: JSON) -> str:
    return f"{len(found['rows'] if isinstance(found, dict) else found)} rules and traces scored"


def deviation(found: JSON) -> str:
    return f"the simulator is off by {found['largest_deviation']:.0%} at most"


def run(step: Step, log: Path) -> JSON:
    """One line of the summary. A benchmark that fails is told of, and the others go on."""
    if step.needs:
        return {"name": step.name, "outcome": "left out", "headline": f"needs {step.needs}", "seconds": 0.0}
    began = time.monotonic()
    with log.open("wb") as output:
        try:
            status = subprocess.run(
                step.command, stdout=output, stderr=subprocess.STDOUT, timeout=step.limit_s, check=False
            )
            outcome = "done" if status.returncode == 0 else f"failed with {status.returncode}"
        except subprocess.TimeoutExpired:
            outcome = f"ended after {step.limit_s:g} s"
    seconds = time.monotonic() - began
    headline = step.headline(orjson.loads(step.result.read_bytes())) if outcome == "done" else f"see {log}"
    return {"name": step.name, "outcome": outcome, "headline": headline, "seconds": seconds}


def run_all(folder: Path, *, is_smoke: bool, say: Callable[[str], None] = print) -> list[JSON]:
    """Every step; the summary is in ``folder/summary.json``, too."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for step in steps(folder, is_smoke=is_smoke):
        found.append(run(step, folder / f"{step.name.replace(' ', '_')}.log"))
        last = found[-1]
        say(f"{last['name']}: {last['outcome']} ({last['seconds']:.0f} s): {last['headline']}")
    summary = {**where(), "steps": found}
    (folder / "summary.json").write_bytes(orjson.dumps(summary, option=orjson.OPT_INDENT_2) + b"\n")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="the smallest form, under a minute")
    parser.add_argument("--folder", type=Path, default=Path("build/bench-quick"))
    given = parser.parse_args()
    found = run_all(given.folder, is_smoke=given.smoke)
    if any(each["outcome"] not in ("done", "left out") for each in found):
        sys.exit(1)


if __name__ == "__main__":
    main()
