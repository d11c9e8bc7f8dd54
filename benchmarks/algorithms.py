"""Every algorithm on the embedded model: the full cap, even allocations, the paper's rule, ours.

``python -m benchmarks.algorithms [ALGORITHM ...]`` runs ``dynasor batch`` once for each arm, one after the other, over
the same test questions and seeds, and prints the table of the docs. Kill it and start it again: it goes on. An even
allocation is the same program with a smaller cap and no early stop; the cheapest one that is at least as accurate
as an arm is what the arm's tokens are held against. The profiles are learned from questions of the calibration split,
which a first run watches to the cap.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from dynasor.batch.summary import replay_even_allocations
from dynasor.paired import paired_difference
from dynasor.vocabulary import JSON

RESAMPLES = 4000
KINDS = ("main", "probe", "score", "cancelled")


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A program, its full cap, the smaller caps of its even allocations, and the arms that stop early."""

    program: tuple[str, ...]
    cap: tuple[str, ...]
    smaller: Mapping[str, tuple[str, ...]]
    early: Mapping[str, tuple[str, ...]]
    watched: tuple[str, ...] = ()
    """How the calibration questions are run."""
    profiles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What each profile promises; the arm is called so."""


def caps(*sizes: int) -> dict[str, tuple[str, ...]]:
    return {f"cap {size}": ("--allocator", "fixed", "-n", str(size)) for size in sizes}


def chain_caps(*sizes: int) -> dict[str, tuple[str, ...]]:
    return {f"{size} tokens": ("--allocator", "fixed", "--max-tokens", str(size)) for size in sizes}


AGREEMENT = ("--allocator", "agreement")
WITH_LABELS = {"profile, at most 2 points lost": ("--max-loss", "0.02")}
WITHOUT_LABELS = {"profile, 99 % of answers kept": ("--target-agreement", "0.99")}
FINE = ("--set", "probe_interval=16")

ALGORITHMS: Mapping[str, Algorithm] = {
    "self-consistency": Algorithm(
        program=("-p", "self-consistency"),
        cap=("--allocator", "fixed", "-n", "16", "--keep-samples"),
        smaller={},
        early={
            "paper": ("--allocator", "threshold", "-n", "16"),
            "agreement": (*AGREEMENT, "-n", "16"),
            "worth": ("--allocator", "worth", "-n", "16"),
        },
        watched=("--allocator", "fixed", "-n", "16"),
        profiles=WITH_LABELS | WITHOUT_LABELS,
    ),
    "rebase": Algorithm(
        program=("-p", "rebase", "--reward", "likelihood"),
        cap=("--allocator", "fixed", "-n", "32"),
        smaller=caps(4, 8, 16),
        early={
            "paper": ("--preset", "paper/rebase-math", "-n", "32"),
            "agreement": (*AGREEMENT, "-n", "32"),
        },
    ),
    "mcts": Algorithm(
        program=("-p", "mcts", "--reward", "likelihood"),
        cap=("--allocator", "fixed", "-n", "15"),
        smaller=caps(5, 7, 9, 11),
        early={
            "paper": ("--preset", "paper/mcts-gsm8k", "-n", "15"),
            "agreement": (*AGREEMENT, "-n", "15"),
        },
    ),
    "chain-of-thought": Algorithm(
        program=("-p", "chain-of-thought", "--temperature", "0.6"),
        cap=("--allocator", "fixed", "--max-tokens", "1000"),
        smaller=chain_caps(100, 140, 180, 240),
        early={
            "paper": ("--allocator", "stability", "--max-tokens", "1000"),
            "agreement": (*AGREEMENT, *FINE, "--max-tokens", "1000"),
        },
        watched=("--allocator", "watch", *FINE, "--set", "min_agreeing=1", "--max-tokens", "1000"),
        profiles=WITH_LABELS,
    ),
}


RAN_TO_THE_END = ("cap", "program")


def run_arm(folder: Path, questions: Path, name: str, arguments: Sequence[str]) -> tuple[list[JSON], float]:
    """The results of one arm in the questions' order, and the seconds it took."""
    output = folder / f"{name.replace(' ', '-')}.jsonl"
    command = [sys.executable, "-m", "dynasor", "batch", str(questions), "-o", str(output), *arguments]
    subprocess.run([*command, "--json"], check=True, stdout=subprocess.DEVNULL)
    manifest = orjson.loads(output.with_name(output.name + ".run.json").read_bytes())
    results = {line["id"]: line for line in map(orjson.loads, output.read_bytes().splitlines())}
    order = [orjson.loads(line)["id"] for line in questions.read_bytes().splitlines()]
    return [results[id] for id in order], sum(manifest["elapsed_s"].values())


def learn_profile(folder: Path, questions: Path, algorithm: Algorithm, promise: Sequence[str]) -> Path:
    """A profile learned from the calibration questions, which are run if they were not yet."""
    watched = folder / "calibration.jsonl"
    run_arm(folder, questions, "calibration", (*algorithm.program, *algorithm.watched, "--keep-samples"))
    profile = folder / f"{'-'.join(promise).lstrip('-')}.json"
    command = [sys.executable, "-m", "dynasor", "calibrate", str(watched), "-o", str(profile), *promise]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return profile


def tokens(result: JSON) -> int:
    return sum(result["usage"][kind] for kind in KINDS)


def summary(results: Sequence[JSON], seconds: float) -> JSON:
    return {
        "accuracy": statistics.fmean(result["correct"] for result in results),
        "tokens": statistics.fmean(map(tokens, results)),
        "kinds": {kind: statistics.fmean(result["usage"][kind] for result in results) for kind in KINDS},
        "units": statistics.fmean(result["samples"] for result in results),
        "seconds": seconds,
    }


def paired(arm: Sequence[JSON], other: Sequence[JSON]) -> JSON:
    """``paired_numbers`` of two arms' results."""
    right = [a["correct"] - b["correct"] for a, b in zip(arm, other, strict=True)]
    return paired_numbers(right, [(tokens(a), tokens(b)) for a, b in zip(arm, other, strict=True)])


def paired_numbers(right: Sequence[float], spent: Sequence[tuple[float, float]], seed: int = 0) -> JSON:
    """The mean of ``right``, differences of accuracy on each question, and the share of tokens that the first of each
    pair ``spent`` saves against the second, with 95 % bootstrap intervals over questions."""
    rng = random.Random(seed)
    draws = [rng.choices(range(len(right)), k=len(right)) for _ in range(RESAMPLES)]
    accuracy = sorted(statistics.fmean(right[i] for i in draw) for draw in draws)
    saved = sorted(1 - sum(spent[i][0] for i in draw) / sum(spent[i][1] for i in draw) for draw in draws)
    low, high = int(0.025 * RESAMPLES), int(0.975 * RESAMPLES)
    return {
        "accuracy": statistics.fmean(right),
        "accuracy_interval": [accuracy[low], accuracy[high]],
        "saved": 1 - sum(a for a, _ in spent) / sum(b for _, b in spent),
        "saved_interval": [saved[low], saved[high]],
    }


def changed(arm: Sequence[JSON], cap: Sequence[JSON]) -> JSON:
    """Questions whose answer is not the cap's: of those that were stopped early, and of those that ran to the cap as
    well, whose votes were tied or whose samples came out otherwise."""
    differ = [result for result, full in zip(arm, cap, strict=True) if result["answer"] != full["answer"]]
    at_the_cap = sum(result["stop_reason"] in RAN_TO_THE_END for result in differ)
    return {"stopped": len(differ) - at_the_cap, "at_the_cap": at_the_cap}


def against_samples(arm: Sequence[JSON], cap: Sequence[JSON]) -> JSON:
    """Tokens of ``arm`` against the smallest even number of the cap's own samples that is as accurate, over random
    orders of them."""
    even = replay_even_allocations(cap, len(cap[0]["branches"]), seed=0)
    assert even is not None, "the test questions have references"
    samples = even.fewest_samples(statistics.fmean(result["correct"] for result in arm))
    if samples is None:
        samples = len(even.accuracy)
    saved = [1 - tokens(result) / (samples * even.tokens_per_sample) for result in arm]
    mean = paired_difference(saved)
    return {"arm": f"{samples} samples", "saved": mean.mean, "saved_interval": list(mean.interval)}


def measure(name: str, folder: Path, questions: Path, calibration: Path) -> JSON:
    """Run all arms of one algorithm."""
    algorithm = ALGORITHMS[name]
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    early = dict(algorithm.early)
    for arm, promise in algorithm.profiles.items():
        profile = learn_profile(folder, calibration, algorithm, promise)
        early[arm] = ("--profile", str(profile), "--audit-share", "0", *max_tokens_of(algorithm.cap))
    arms = {"cap": algorithm.cap, **early, **algorithm.smaller}
    results: dict[str, list[JSON]] = {}
    report: JSON = {"algorithm": name, "questions": 0, "arms": {}}
    for arm, arguments in arms.items():
        print(f"{name}: {arm} ...", file=sys.stderr, flush=True)
        results[arm], seconds = run_arm(folder, questions, arm, (*algorithm.program, *arguments))
        report["arms"][arm] = summary(results[arm], seconds)
    report["questions"] = len(results["cap"])
    even = [arm for arm in arms if arm not in early]
    for arm in early:
        entry = report["arms"][arm]
        entry["against_cap"] = paired(results[arm], results["cap"])
        entry["changed"] = changed(results[arm], results["cap"])
        if "branches" in results["cap"][0]:
            entry["even"] = against_samples(results[arm], results["cap"])
            continue
        good = [each for each in even if report["arms"][each]["accuracy"] >= entry["accuracy"]]
        if good:
            cheapest = min(good, key=lambda each: report["arms"][each]["tokens"])
            entry["even"] = {"arm": cheapest, **paired(results[arm], results[cheapest])}
    return report


def max_tokens_of(arguments: Sequence[str]) -> tuple[str, ...]:
    """The ``--max-tokens`` among ``arguments``, which profiles do not carry."""
    pairs = itertools.pairwise(arguments)
    return next((pair for pair in pairs if pair[0] == "--max-tokens"), ())


def table(report: JSON) -> str:
    lines = [
        f"### {report['algorithm']} ({report['questions']} test questions)",
        "",
        "| arm | accuracy | tokens a question (main + probe + score + cancelled) | seconds | saved against the cap "
        "| accuracy against the cap | saved against the cheapest even allocation as accurate "
        "| answers changed (stopped early + at the cap) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm, entry in report["arms"].items():
        kinds = " + ".join(f"{entry['kinds'][kind]:.0f}" for kind in KINDS)
        cells = [arm, f"{entry['accuracy']:.1%}", f"{entry['tokens']:.0f} ({kinds})", f"{entry['seconds']:.0f}"]
        if "against_cap" in entry:
            against = entry["against_cap"]
            cells += [_share(against), _points(against)]
            cells.append(f"{entry['even']['arm']}: {_share(entry['even'])}" if "even" in entry else "none is")
            known = entry.get("changed")
            cells.append(f"{known['stopped']} + {known['at_the_cap']}" if known else "not counted")
        else:
            cells += ["", "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _share(entry: JSON) -> str:
    low, high = entry["saved_interval"]
    return f"{entry['saved']:.1%} [{low:.1%}, {high:.1%}]"


def _points(entry: JSON) -> str:
    low, high = entry["accuracy_interval"]
    return f"{100 * entry['accuracy']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("algorithms", nargs="*", default=list(ALGORITHMS), metavar="ALGORITHM")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--calibration-questions", type=int, default=260)
    parser.add_argument("--folder", type=Path, default=Path("build/algorithms"))
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/algorithms.json"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    questions = {"test": given.folder / "questions.jsonl", "calibration": given.folder / "calibration.jsonl"}
    for split, path in questions.items():
        limit = given.questions if split == "test" else given.calibration_questions
        command = [sys.executable, "-m", "dynasor", "questions", "--split", split, "--limit", str(limit)]
        subprocess.run([*command, "-o", str(path)], check=True)
    stored = orjson.loads(given.output.read_bytes()) if given.output.exists() else {}
    for name in given.algorithms:
        stored[name] = measure(name, given.folder, questions["test"], questions["calibration"])
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_bytes(orjson.dumps(stored, option=orjson.OPT_INDENT_2) + b"\n")
        print(table(stored[name]) + "\n", flush=True)


if __name__ == "__main__":
    main()
