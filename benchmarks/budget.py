"""One total of tokens for all questions, on the shipped model, against the same total split evenly.

    python -m benchmarks.budget --folder build/budget --output benchmarks/results/budget.json

Draws the whole cap of samples of each test question once. Then it runs, live, a budget for each of several totals:
what 3, 5 and 8 samples for every question come to in tokens. The even split of each total is replayed from the
samples of the cap. Kill it and start it again: it goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dynasor.answers import AnswerReader
from dynasor.batch import BatchJob, QuestionFile, check_questions, run_batch
from dynasor.batch.even_split import compare_with_even_split
from dynasor.batch.results import ResultFile
from dynasor.batch.summary import EvenAllocation, replay_even_allocations
from dynasor.engines import open_engine
from dynasor.engines.protocol import Engine
from dynasor.models.question_sets import Split, question_lines
from dynasor.programs.self_consistency import SelfConsistency
from dynasor.runtime import Options
from dynasor.scheduling import Budget, Fixed
from dynasor.vocabulary import JSON, Sampling


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run: so many questions, each with at most ``cap`` samples, under totals in samples per question."""

    folder: Path
    questions: QuestionFile
    totals: tuple[float, ...]
    cap: int
    concurrency: int
    seed: int

    def job(self, name: str, budget: Budget | None = None) -> BatchJob:
        """The whole cap, whose samples are kept, or a budget of it."""
        options = Options(self.cap, Sampling(temperature=1.0, max_tokens=1024), self.seed)
        return BatchJob(
            questions=self.questions,
            output=self.folder / f"{name}.jsonl",
            program=SelfConsistency,
            allocator_name=name,
            allocator=Fixed(),
            options=options,
            fingerprint={"questions": self.questions.digest, "cap": self.cap, "seed": self.seed, "total": name},
            concurrency=self.concurrency,
            budget=budget,
            keep_samples=budget is None,
        )


async def measure(plan: Plan) -> JSON:
    """The cap, and every total beside its even split."""
    async with open_engine("embedded", slots=plan.concurrency) as engine, AnswerReader() as reader:
        cap = plan.job("cap")
        summary = await run_batch(cap, engine, reader)
        even = replay_even_allocations(records(cap), plan.cap, plan.seed)
        assert even is not None, "the test questions have references"
        budgets = [await measure_total(plan, total, cap, even, engine, reader) for total in plan.totals]
    return {
        "questions": plan.questions.num_questions,
        "cap": {"samples": plan.cap, **summary["arms"]["cap"]},
        "tokens_per_sample": even.tokens_per_sample,
        "accuracy_by_samples": even.accuracy,
        "budgets": budgets,
    }


async def measure_total(
    plan: Plan, total: float, cap: BatchJob, even: EvenAllocation, engine: Engine, reader: AnswerReader
) -> JSON:
    """A budget of as many tokens as ``total`` samples for every question took in the cap's run."""
    budget = Budget.of_tokens(round(total * plan.questions.num_questions * even.tokens_per_sample))
    job = plan.job(f"budget-{total:g}", budget)
    summary = await run_batch(job, engine, reader)
    arm = summary["arms"][job.allocator_name]
    return {
        "even_samples": total,
        "accuracy": arm["accuracy"],
        "samples_per_question": arm["samples_per_question"],
        **summary["budget"],
        "even_split": compare_with_even_split(records(job), records(cap), budget, even, plan.seed),
    }


def records(job: BatchJob) -> Iterator[JSON]:
    with ResultFile(job.output, job.questions.format) as results:
        yield from results.records()


def show(result: JSON) -> None:
    cap = result["cap"]
    print(f"{result['questions']} questions; {cap['samples']} samples for each are right on {cap['accuracy']:.1%}")
    print(
        f"{'total, tokens':>14} {'spent':>7} {'samples':>8} {'budget':>8} {'even split':>14}  points above (95 %)     p"
    )
    for row in result["budgets"]:
        even = row["even_split"]
        difference = even["difference"]
        low, high = (100 * bound for bound in difference["interval"])
        points = f"{100 * difference['mean']:+.1f} ({low:+.1f} to {high:+.1f})"
        split = f"{even['accuracy']:.1%} of {even['samples_per_question']:.1f}"
        print(
            f"{row['total']:>14,.0f} {row['share_spent']:>7.1%} {row['samples_per_question']:>8.2f} "
            f"{row['accuracy']:>8.1%} {split:>14}  {points:<25} {difference['p_value']:.2g}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=200, help="how many of the test questions; levels take turns")
    parser.add_argument("--totals", type=float, nargs="+", default=[3, 5, 8], help="in samples per question")
    parser.add_argument("--cap", type=int, default=16)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path("build/budget"), help="for what the runs write")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    questions = folder / "questions.jsonl"
    questions.write_text(
        "".join(f"{line}\n" for line in itertools.islice(question_lines(Split.TEST), arguments.questions))
    )
    plan = Plan(
        folder=folder,
        questions=check_questions(questions),
        totals=tuple(arguments.totals),
        cap=arguments.cap,
        concurrency=arguments.concurrency,
        seed=arguments.seed,
    )
    result = asyncio.run(measure(plan))
    show(result)
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
