"""Measure a model on the test questions and write its card.

``python -m training.card --model DIR`` reads ``DIR/model.gguf`` and writes ``DIR/card.json`` and
``DIR/CARD.md``. Everything is measured through the engine that users run, on questions no training saw.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynasor.answers import extract
from dynasor.engines import open_engine
from dynasor.engines.protocol import Engine
from dynasor.models import formats
from dynasor.models.question_sets import Split, question_lines
from dynasor.vocabulary import FinishReason, Sampling
from training.sampling import complete, in_parallel

SAMPLES = 16
QUESTIONS = 320
"""Half of the test questions, 32 of each level; the other half stays unseen for what is chosen later."""
SHORT = Sampling(temperature=1.0, max_tokens=400, top_logprobs=0)
LONG = Sampling(temperature=0.6, max_tokens=1000)
LONG_LEVELS = range(1, 8)
LONG_PER_LEVEL = 12
FRACTIONS = [i / 10 for i in range(1, 10)]
REDUNDANCY = (
    "How often a long chain checks itself was set by the generator of its training text "
    "(training/chains.py, STOP_WHEN_AGREED), so these numbers say nothing about other models."
)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One chain in short mode: its answer, its cost, and what two rewards say of it."""

    answer: str | None
    right: bool
    tokens: int
    likelihood: float
    judge: float
    distinct: str


async def short_samples(engine: Engine, questions: list[Row]) -> dict[str, list[Sample]]:
    """``SAMPLES`` chains of every question, each scored by the judge and by its own log-likelihood."""

    async def sample(job: tuple[int, int]) -> Sample:
        question = questions[job[0]]
        prompt = formats.question_prompt(question["question"])
        sampling = Sampling(
            temperature=SHORT.temperature, max_tokens=SHORT.max_tokens, top_logprobs=0, seed=job[0] * SAMPLES + job[1]
        )
        text, tokens, finish_reason, logprobs = await complete(engine, prompt, sampling)
        answer = extract(text) if finish_reason is FinishReason.STOP else None
        likelihood = sum(token.logprob for token in logprobs)
        judge = await judge_probability(engine, prompt + text)
        return Sample(answer, answer == question["reference"], tokens, likelihood, judge, text)

    samples: dict[str, list[Sample]] = defaultdict(list)
    jobs = ((i, j) for i in range(len(questions)) for j in range(SAMPLES))
    async for (i, _), result in in_parallel(sample, jobs, "short chains"):
        samples[questions[i]["id"]].append(result)
    return samples


async def judge_probability(engine: Engine, text: str) -> float:
    """Probability that everything in ``text`` is right so far, by the judge token."""
    sampling = Sampling(temperature=0.0, max_tokens=1, top_logprobs=10)
    _, _, _, logprobs = await complete(engine, text + formats.JUDGE, sampling)
    top = {token: math.exp(logprob) for token, logprob in logprobs[0].top.items()} if logprobs else {}
    right, wrong = top.get(formats.JUDGE_RIGHT, 0.0), top.get(formats.JUDGE_WRONG, 0.0)
    return right / (right + wrong) if right + wrong else 0.5


def area_under_curve(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Chance that a right chain scores above a wrong one; ties count half."""
    pairs = ((r > w) + 0.5 * (r == w) for r in right for w in wrong)
    return sum(pairs) / (len(right) * len(wrong))


def majority(samples: list[Sample]) -> str | None:
    votes = Counter(sample.answer for sample in samples if sample.answer is not None)
    return votes.most_common(1)[0][0] if votes else None


def short_section(questions: list[Row], samples: dict[str, list[Sample]]) -> Row:
    levels = sorted({question["level"] for question in questions})
    by_level = {level: [samples[q["id"]] for q in questions if q["level"] == level] for level in levels}
    return {
        "temperature": SHORT.temperature,
        "samples_per_question": SAMPLES,
        "levels": {str(level): _accuracies(groups) for level, groups in by_level.items()},
        "all": _accuracies(list(samples.values())),
        "reward": {name: _reward(list(samples.values()), name) for name in ("judge", "likelihood")},
    }


def _accuracies(groups: list[list[Sample]]) -> Row:
    singles = [statistics.fmean(s.right for s in group) for group in groups]
    majorities = [any(s.right for s in group if s.answer == majority(group)) for group in groups]
    return {
        "questions": len(groups),
        "single": statistics.fmean(singles),
        "single_standard_error": statistics.stdev(singles) / math.sqrt(len(singles)),
        f"majority_of_{SAMPLES}": statistics.fmean(majorities),
        "tokens": statistics.fmean(s.tokens for group in groups for s in group),
        "distinct_chains": statistics.fmean(len({s.distinct for s in group}) / len(group) for group in groups),
    }


def _reward(groups: list[list[Sample]], name: str) -> Row:
    """How well a reward tells right from wrong, within questions first."""
    scored = [[(getattr(s, name), s.right) for s in group] for group in groups]
    mixed = [group for group in scored if len({right for _, right in group}) == 2]
    within = [area_under_curve([v for v, r in group if r], [v for v, r in group if not r]) for group in mixed]
    every = [pair for group in scored for pair in group]
    return {
        "auc_within_question": statistics.fmean(within),
        "questions_with_right_and_wrong_chains": len(mixed),
        "auc_over_all_chains": area_under_curve([v for v, r in every if r], [v for v, r in every if not r]),
        f"best_of_{SAMPLES}": statistics.fmean(max(group)[1] for group in scored),
    }


async def long_chains(engine: Engine, questions: list[Row]) -> list[Row]:
    """Long chains, each probed for its answer at every tenth of its thinking."""
    chosen = [
        question for level in LONG_LEVELS for question in [q for q in questions if q["level"] == level][:LONG_PER_LEVEL]
    ]

    async def think(job: tuple[int, Row]) -> Row:
        number, question = job
        prompt = formats.question_prompt(question["question"], thinking=True)
        sampling = Sampling(temperature=LONG.temperature, max_tokens=LONG.max_tokens, seed=number)
        text, tokens, finish_reason, _ = await complete(engine, prompt, sampling)
        thought, closed, _ = text.partition(formats.END_THINK)
        finished = finish_reason is FinishReason.STOP and bool(closed)
        final = extract(text) if finished else None
        probes = [await probe(prompt + thought[: round(len(thought) * f)]) for f in FRACTIONS]
        return {
            "reference": question["reference"],
            "finished": finished,
            "final": final,
            "attempts": thought.count("So the answer") + thought.count(" again.\n") + thought.count("Now I get"),
            "tokens": tokens,
            "probes": probes,
        }

    async def probe(text: str) -> str | None:
        sampling = Sampling(temperature=0.0, max_tokens=16)
        answer, _, _, _ = await complete(engine, text + formats.PROBE, sampling)
        digits = answer.partition("}")[0]
        return digits if digits.isdigit() else None

    rows = []
    async for _, row in in_parallel(think, enumerate(chosen), "long chains"):
        rows.append(row)
    return rows


def long_section(rows: list[Row]) -> Row:
    finished = [row for row in rows if row["final"] is not None]
    settled = [_settled_at(row) for row in finished]
    return {
        "temperature": LONG.temperature,
        "levels": f"{LONG_LEVELS.start} to {LONG_LEVELS.stop - 1}",
        "chains": len(rows),
        "finished": len(finished) / len(rows),
        "accuracy": statistics.fmean(row["final"] == row["reference"] for row in rows),
        "tokens": statistics.fmean(row["tokens"] for row in rows),
        "attempts": statistics.fmean(row["attempts"] for row in rows),
        "probe_accuracy_by_tenth": [
            statistics.fmean(row["probes"][i] == row["reference"] for row in rows) for i in range(len(FRACTIONS))
        ],
        "probe_equals_final_by_tenth": [
            statistics.fmean(row["probes"][i] == row["final"] for row in finished) for i in range(len(FRACTIONS))
        ],
        "settled_before_the_end": statistics.fmean(at < 1 for at in settled),
        "settled_at_median": statistics.median(settled),
        "note": REDUNDANCY,
    }


def _settled_at(row: Row) -> float:
    """The first tenth from which every probe gives the chain's own final answer; 1.0 if none does."""
    settled = 1.0
    for fraction, answer in reversed(list(zip(FRACTIONS, row["probes"], strict=True))):
        if answer != row["final"]:
            break
        settled = fraction
    return settled


def card_text(card: Row) -> str:
    short, long = card["short_mode"], card["long_mode"]
    lines = [
        "# dynasor-tiny: model card",
        "",
        "A Llama decoder with 4.9 million parameters, trained from scratch by `training/` on arithmetic word",
        "problems of one kind, in English. It exists so that every part of Dynasor can run on real sampled text",
        "without a GPU or a download. It knows nothing else: ask it anything else and it writes nonsense.",
        "Levels are hard because they were rarely trained, not because a larger model would find them hard; which",
        "sizes of problems make the ten levels was chosen after training, so that accuracy spreads over them.",
        "",
        f"Numbers below are `card.json`, written by `make card`, on {short['all']['questions']} test questions,",
        f"sampled at temperature {short['temperature']} with llama.cpp's default truncation",
        "(which `generation_config.json` passes on to other engines: top-k 40, top-p 0.95, min-p 0.05).",
        "",
        "## Short mode",
        "",
        f"| level | single sample (s.e.) | majority of {SAMPLES} | tokens | distinct chains |",
        "|---|---|---|---|---|",
    ]
    for level, row in [*short["levels"].items(), ("all", short["all"])]:
        lines.append(
            f"| {level} | {row['single']:.3f} ({row['single_standard_error']:.3f}) | "
            f"{row[f'majority_of_{SAMPLES}']:.3f} | {row['tokens']:.0f} | {row['distinct_chains']:.2f} |"
        )
    lines += [
        "",
        "| reward | AUC within a question | best of 16 | AUC over all chains (mostly easy against hard questions) |",
        "|---|---|---|---|",
    ]
    for name, row in short["reward"].items():
        lines.append(
            f"| {name} | {row['auc_within_question']:.3f} ({row['questions_with_right_and_wrong_chains']} questions) | "
            f"{row[f'best_of_{SAMPLES}']:.3f} | {row['auc_over_all_chains']:.3f} |"
        )
    curve = " ".join(f"{value:.2f}" for value in long["probe_accuracy_by_tenth"])
    same = " ".join(f"{value:.2f}" for value in long["probe_equals_final_by_tenth"])
    lines += [
        "",
        "## Long mode",
        "",
        f"{long['chains']} chains on levels {long['levels']}: accuracy {long['accuracy']:.3f}, "
        f"{long['attempts']:.1f} attempts and {long['tokens']:.0f} tokens a chain, {long['finished']:.0%} finished.",
        "",
        f"Probed at each tenth, the answer so far is right in: {curve};",
        f"it equals the chain's own final answer in: {same}.",
        f"It had settled before the end in {long['settled_before_the_end']:.0%} of the chains, in the median at "
        f"{long['settled_at_median']:.0%} of the thinking. {long['note']}",
        "",
    ]
    return "\n".join(lines)


async def measure(model: Path) -> Row:
    questions = [json.loads(line) for line in itertools.islice(question_lines(Split.TEST), QUESTIONS)]
    async with open_engine(str(model)) as engine:
        samples = await short_samples(engine, random.Random(0).sample(questions, len(questions)))
        rows = await long_chains(engine, questions)
    return {"short_mode": short_section(questions, samples), "long_mode": long_section(rows)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder with model.gguf")
    arguments = parser.parse_args()
    card = asyncio.run(measure(arguments.model / "model.gguf"))
    (arguments.model / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    (arguments.model / "CARD.md").write_text(card_text(card))


if __name__ == "__main__":
    main()
