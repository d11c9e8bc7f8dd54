"""Which reward tells right solutions from wrong ones of the same question, and what it is worth in a vote.

    python -m benchmarks.rewards --questions 160 --output build/rewards.json

Draws 16 samples of each question from the shipped model at temperature 1 and has every reward score all of
them. Prints, for each reward, the AUC *within a question* (how often a right sample scores above a wrong one of
the same question; 0.5 is chance) over the questions that have both, with its standard error, and the accuracy of
best-of-16 and of weighted majority, beside that of one sample and of the plain majority of the same samples.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from dynasor.answers import AnswerReader
from dynasor.engines import open_engine
from dynasor.models.question_sets import Split, question_lines
from dynasor.programs import ReadAnswer, Session, Votes
from dynasor.rewards import Judge, Likelihood, Reward, Solution
from dynasor.runtime import Options, Runtime
from dynasor.scheduling import Fixed
from dynasor.vocabulary import JSON, Answer, Completion, Question, Sampling

SAMPLES = 16
CONTENDERS: dict[str, Reward] = {
    "judge": Judge(),
    "likelihood:form=product": Likelihood("product"),
    "likelihood:form=mean": Likelihood("mean"),
    "likelihood:form=min": Likelihood("min"),
}


@dataclass(frozen=True, slots=True)
class Scored:
    """One sample, whether it is right, and what each reward says of it."""

    completion: Completion
    answer: ReadAnswer | None
    is_right: bool
    rewards: dict[str, float]


@dataclass(slots=True)
class ScoreAll:
    """A program that has every contender score the same samples, and keeps them."""

    reader: AnswerReader
    samples: list[Scored] = field(default_factory=list)

    async def execute(self, session: Session) -> Answer:
        prompt = await session.render()

        async def sample(session: Session) -> Scored:
            completion = await session.generate(prompt, sampling=replace(session.sampling, top_logprobs=0))
            solution = Solution(session.question, (completion.text,), prompt, completion.logprobs)
            rewards = {name: await reward.score(session, solution) for name, reward in CONTENDERS.items()}
            answer = await session.read_answer(completion)
            assert session.question.reference is not None
            is_right = answer is not None and await self.reader.same(answer.text, session.question.reference)
            return Scored(completion, answer, is_right, rewards)

        async with session.parallel(sample) as samples:
            async for scored in samples:
                self.samples.append(scored)
        return session.votes().answer()


async def draw(questions: Sequence[JSON], concurrency: int) -> list[list[Scored]]:
    """``SAMPLES`` scored samples of each question."""
    async with open_engine("embedded", slots=concurrency) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=concurrency)
        options = Options(max_samples=SAMPLES, sampling=Sampling(temperature=1.0, max_tokens=400))
        places = asyncio.Semaphore(concurrency)

        async def one(line: JSON) -> list[Scored]:
            program = ScoreAll(reader)
            async with places:
                question = Question.of_text(line["question"], line["id"], line["reference"])
                await runtime.run(question, program, Fixed(), options)
            print(".", end="", file=sys.stderr, flush=True)
            return program.samples

        groups = await asyncio.gather(*map(one, questions))
        print(file=sys.stderr)
        return groups


def area_under_curve(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Chance that a right sample scores above a wrong one; ties count half."""
    pairs = [(above > below) + 0.5 * (above == below) for above in right for below in wrong]
    return statistics.fmean(pairs)


def auc_within(groups: Sequence[Sequence[Scored]], name: str) -> tuple[float, float, int]:
    """Mean over questions with right and wrong samples, its standard error, and how many such questions there are."""
    areas = []
    for group in groups:
        right = [sample.rewards[name] for sample in group if sample.is_right]
        wrong = [sample.rewards[name] for sample in group if not sample.is_right]
        if right and wrong:
            areas.append(area_under_curve(right, wrong))
    return statistics.fmean(areas), statistics.stdev(areas) / math.sqrt(len(areas)), len(areas)


def accuracy(groups: Sequence[Sequence[Scored]], by: Literal["majority", "weighted", "best"], name: str = "") -> float:
    return statistics.fmean(is_voted_right(group, by, name) for group in groups)


def is_voted_right(group: Sequence[Scored], by: Literal["majority", "weighted", "best"], name: str) -> bool:
    votes = Votes(SAMPLES, by=by)
    for sample in group:
        votes.add(sample.answer, sample.completion, sample.rewards[name] if name else None)
    return any(
        sample.is_right
        for sample in group
        if sample.answer and sample.answer.key == key_of(group, votes.leading_answer)
    )


def key_of(group: Sequence[Scored], answer: str | None) -> str | None:
    return next((each.answer.key for each in group if each.answer and each.answer.text == answer), None)


def report(groups: Sequence[Sequence[Scored]]) -> JSON:
    rewards: JSON = {}
    for name in CONTENDERS:
        area, error, count = auc_within(groups, name)
        rewards[name] = {
            "auc_within_question": area,
            "standard_error": error,
            "questions_with_right_and_wrong_samples": count,
            f"best_of_{SAMPLES}": accuracy(groups, "best", name),
            f"weighted_majority_of_{SAMPLES}": accuracy(groups, "weighted", name),
        }
    return {
        "questions": len(groups),
        "single_sample": statistics.fmean(sample.is_right for group in groups for sample in group),
        f"majority_of_{SAMPLES}": accuracy(groups, "majority"),
        "rewards": rewards,
    }


def show(result: JSON) -> None:
    print(f"{result['questions']} questions, {SAMPLES} samples each", end="; ")
    print(
        f"accuracy of one sample {result['single_sample']:.3f}, of the majority {result[f'majority_of_{SAMPLES}']:.3f}"
    )
    print(f"{'reward':26} {'AUC within a question':>24} {'best of n':>10} {'weighted majority':>18}")
    for name, row in result["rewards"].items():
        area = f"{row['auc_within_question']:.3f} ± {row['standard_error']:.3f}"
        best, weighted = row[f"best_of_{SAMPLES}"], row[f"weighted_majority_of_{SAMPLES}"]
        print(f"{name:26} {area:>24} {best:>10.3f} {weighted:>18.3f}")
    counts = {row["questions_with_right_and_wrong_samples"] for row in result["rewards"].values()}
    print(f"AUC over the {counts.pop()} questions that have right and wrong samples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=160, help="how many of the test questions; levels take turns")
    parser.add_argument("--split", type=Split, default=Split.TEST, choices=list(Split))
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    lines = [json.loads(line) for line in itertools.islice(question_lines(arguments.split), arguments.questions)]
    result = report(asyncio.run(draw(lines, arguments.concurrency)))
    show(result)
    if arguments.output is not None:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
