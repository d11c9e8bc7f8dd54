"""The batch benchmark: every rule on the same questions and seeds, one after the other, each a batch job of its own.

A job's results are on the disk as they come, and a job that is there already is not run again.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import orjson

from dynasor.answers import AnswerReader
from dynasor.batch import BatchJob, QuestionFile, manifest_path, run_batch
from dynasor.bench.accounts import (
    KINDS,
    Account,
    account_of,
    against,
    at_equal_accuracy,
    produced,
    replayed,
    smaller_samples,
)
from dynasor.bench.workloads import Workload
from dynasor.engines.protocol import Engine
from dynasor.errors import InputError
from dynasor.programs import is_exchangeable
from dynasor.rewards import entered, open_reward
from dynasor.scheduling import Allocator, Fixed, make_allocator
from dynasor.scheduling.known_rules import Length
from dynasor.vocabulary import JSON, Sampling, StopReason

CAPS: Mapping[str, Sequence[int]] = {
    "self-consistency": (5, 10, 15, 20),
    "rebase": (8, 16, 32),
    "mcts": (3, 7, 11, 15),
}
"""Where curves have their points; the last is the workload's own cap."""
EVEN, LENGTH, PAPER, AGREEMENT, PROFILE = "even split", "length", "paper", "agreement", "profile"
OTHERS: Mapping[str, Sequence[str]] = {"self-consistency": ("adaptive-consistency", "esc", "supermajority")}
"""Rules that others published, for programs whose votes they may judge."""


@dataclass(frozen=True, slots=True)
class Run:
    """One rule at one cap."""

    rule: str
    cap: int
    decider: str
    allocator: Allocator

    @property
    def file_name(self) -> str:
        return f"{self.rule.replace(' ', '-')}-{self.cap}.jsonl"


def runs_of(name: str, workload: Workload) -> list[Run]:
    """What is run of a workload, the full cap first.

    Samples that do not depend on each other are drawn once, to the largest cap: the curves of all rules are replayed
    from them (``replays_of``), and only what we ship and what we compare with is run for itself. Trees are grown anew
    at each cap.
    """
    caps = caps_of(name, workload)
    if (detect_at := getattr(workload.paper, "detect_at", 0)) >= workload.cap:
        raise InputError(
            f"the cap of {name} is {workload.cap}; more than {detect_at}, where the paper's rule looks, was due"
        )
    top, is_replayed = caps[-1], is_exchangeable(workload.program)
    runs = [Run(EVEN, cap, "fixed", Fixed()) for cap in ([top] if is_replayed else reversed(caps))]
    if workload.profile is not None:
        runs.append(Run(PROFILE, top, "ours", workload.profile.allocator))
    for cap in [top] if is_replayed else reversed(caps):
        runs.append(Run(AGREEMENT, cap, "default", make_allocator(AGREEMENT)))
        if getattr(workload.paper, "detect_at", 0) < cap:
            runs.append(Run(PAPER, cap, "paper", workload.paper))
    return runs


def replays_of(name: str, workload: Workload, length: Length | None) -> list[Run]:
    """Rules at every cap, to be replayed from samples that do not depend on each other."""
    rules: dict[str, Allocator] = {AGREEMENT: make_allocator(AGREEMENT), PAPER: workload.paper}
    rules |= {rule: make_allocator(rule) for rule in OTHERS.get(name, ())}
    if length is not None:
        rules[LENGTH] = length
    caps = caps_of(name, workload)
    return [
        Run(rule, cap, "default", allocator)
        for rule, allocator in rules.items()
        for cap in caps
        if getattr(allocator, "detect_at", 0) < cap
    ]


def caps_of(name: str, workload: Workload) -> list[int]:
    if name not in CAPS:
        raise InputError(f"the program {name} has no caps to compare at; choose {', '.join(CAPS)}")
    return [*(cap for cap in CAPS[name] if cap < workload.cap), workload.cap]


@dataclass(frozen=True, slots=True)
class BatchBenchmark:
    """All rules of all workloads over ``questions``, with files in ``folder``."""

    questions: QuestionFile
    workloads: Mapping[str, Workload]
    folder: Path
    sampling: Sampling
    concurrency: int
    seed: int
    engine: Engine
    reader: AnswerReader
    model_digest: str | None = None
    say: Callable[[str], None] = lambda line: None

    async def run(self) -> JSON:
        """What is missing, then the report."""
        return {
            "engine": {"kind": self.engine.info.kind, "model": self.engine.info.model},
            "questions": self.questions.num_questions,
            "concurrency": self.concurrency,
            "seed": self.seed,
            "workloads": {name: await self._workload(name) for name in self.workloads},
        }

    async def _workload(self, name: str) -> JSON:
        workload = self.workloads[name]
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        runs = runs_of(name, workload)
        results = {(run.rule, run.cap): await self._results(name, run) for run in runs}
        length = length_rule(results[PAPER, workload.cap], workload.paper)
        replays = []
        if is_exchangeable(workload.program):
            replays = replays_of(name, workload, length)
        elif length is not None:
            run = Run(LENGTH, workload.cap, "default", length)
            results[LENGTH, workload.cap] = await self._results(name, run)
        seconds = {key: self._seconds(name, *key) for key in results}
        return {"cap": workload.cap, **compared(results, seconds, replays, workload.cap)}

    async def _results(self, name: str, run: Run) -> list[JSON]:
        """In the order of the questions."""
        workload, output = replace(self.workloads[name], cap=run.cap), self.folder / name / run.file_name
        reward = None if workload.reward is None else open_reward(workload.reward)
        options = workload.options("ours" if run.rule == PROFILE else "fixed", self.sampling, self.seed)
        job = BatchJob(
            questions=self.questions,
            output=output,
            program=partial(workload.make_program, reward, "ours" if run.rule == PROFILE else run.decider),
            allocator_name=run.rule,
            allocator=run.allocator,
            options=options,
            fingerprint={
                "model": self.engine.info.model,
                "model file": self.model_digest,
                "questions": self.questions.digest,
                "--program": name,
                "--allocator": repr(run.allocator),
                "options": repr(options),
            },
            concurrency=self.concurrency,
            keep_samples=run.rule == EVEN,
        )
        async with entered(reward):
            await run_batch(job, self.engine, self.reader)
        found = {line["id"]: line for line in map(orjson.loads, output.read_bytes().splitlines())}
        results = [found[question.id] for question in self.questions]
        self.say(
            f"{name}, {run.rule}, cap {run.cap}: {statistics.fmean(each['correct'] for each in results):.1%} right, "
            f"{statistics.fmean(map(produced, results)):.0f} tokens a question"
        )
        return results

    def _seconds(self, name: str, rule: str, cap: int) -> float:
        path = manifest_path(self.folder / name / Run(rule, cap, "", Fixed()).file_name)
        return float(sum(orjson.loads(path.read_bytes())["elapsed_s"].values()))


def length_rule(paper: Sequence[JSON], rule: Allocator) -> Length | None:
    """The length rule that stops as large a share of the questions as the paper's certaindex does, by the tokens that
    the first units took; of these, what is told is a question's mean. None where the paper's rule has no fixed place to
    look."""
    detect_at = getattr(rule, "detect_at", None)
    if detect_at is None:
        return None
    stopped = sum(result["stop_reason"] == StopReason.CERTAIN for result in paper)
    first = sorted(detect_at * produced(result) / max(1, result["samples"]) for result in paper)
    return Length(max(1, round(first[max(0, stopped - 1)])), detect_at)


Key = tuple[str, int]


def compared(
    results: Mapping[Key, Sequence[JSON]], seconds: Mapping[Key, float], replays: Sequence[Run], top: int
) -> JSON:
    """Every rule at every cap: tokens and accuracy, against the full cap, and against the even split at equal
    accuracy. What was replayed is so marked."""
    accounts = {key: account_of(found) for key, found in results.items()}
    even = {cap: account for (rule, cap), account in accounts.items() if rule == EVEN}
    drawn = results[EVEN, top]
    if replays:
        even |= smaller_samples(drawn, range(1, top))
    rules: list[JSON] = []
    for (rule, cap), account in accounts.items():
        kinds = {kind: statistics.fmean(each["usage"][kind] for each in results[rule, cap]) for kind in KINDS}
        units = statistics.fmean(each["samples"] for each in results[rule, cap])
        measured = {"kinds": kinds, "units": units, "seconds": seconds[rule, cap], "is_replayed": False}
        rules.append(measured | _entry(rule, cap, account, even, top))
    for run in replays:
        account = replayed(drawn, run.allocator, run.cap)
        rules.append({**_entry(run.rule, run.cap, account, even, top), "is_replayed": True})
    return {"even_split": [_point(even[cap]) | {"cap": cap} for cap in sorted(even)], "rules": rules}


def _entry(rule: str, cap: int, account: Account, even: Mapping[int, Account], top: int) -> JSON:
    entry: JSON = {"rule": rule, "cap": cap, **_point(account)}
    if rule != EVEN:
        entry["against_cap"] = against(account, even[top])
        entry["at_equal_accuracy"] = at_equal_accuracy(account, even).to_json()
    return entry


def _point(account: Account) -> JSON:
    everyone = range(len(account.tokens))
    return {"tokens": account.mean_tokens(everyone), "accuracy": account.accuracy(everyone)}
