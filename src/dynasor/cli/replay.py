"""``dynasor replay``: allocators scored on recorded samples, without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer

from dynasor.calibration import Looks, ShuffledSamples, fit_skyline, without_labels
from dynasor.cli import options
from dynasor.cli.output import Steps, print_json
from dynasor.cli.replay_display import show_scores
from dynasor.cli.spreading import with_options
from dynasor.errors import InputError
from dynasor.replay import Contender, Plan, RecordedQuestion, Score, Trace, make_contenders, read_trace, score
from dynasor.replay.budget import BudgetScore, score_budget
from dynasor.replay.scores import CALIBRATED
from dynasor.scheduling import ALLOCATORS, Agreement
from dynasor.scheduling.allocators import LEARNED


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderOptions:
    """The allocators that are scored."""

    allocator: Annotated[
        list[str] | None,
        typer.Option(
            "--allocator",
            "-a",
            help=f"Once for each to compare: {', '.join(ALLOCATORS)}; options inline, as in agreement:max_change=0.05. "
            "skyline, which is learned, takes --calibrate-on. [default: agreement]",
        ),
    ] = None
    samples_per_question: Annotated[
        list[float] | None,
        typer.Option(
            help="Once for each to compare: a total of so many samples a question, spent where the next one changes "
            "most, beside the same total split evenly."
        ),
    ] = None
    max_change: options.MaxChangeOption = None
    threshold: options.ThresholdOption = None
    detect_at: options.DetectAtOption = None

    def make(self, *, without: Mapping[str, Looks]) -> list[Contender]:
        """All that are not learned."""
        return make_contenders(
            [text for text in self.named if text not in without],
            max_change=self.max_change,
            threshold=self.threshold,
            detect_at=self.detect_at,
        )

    @property
    def named(self) -> list[str]:
        return self.allocator or ["agreement"]

    @property
    def skylines(self) -> dict[str, Looks]:
        """The skylines among them. InputError for one that is named twice."""
        skylines = [text for text in self.named if text.partition(":")[0] == LEARNED]
        for text in skylines:
            if skylines.count(text) > 1:
                raise InputError(f"the allocator {text!r} is named twice")
        return {text: Looks.of_text(text) for text in skylines}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """How they are scored."""

    max_samples: options.MaxSamplesOption = 16
    shuffles: Annotated[int, typer.Option(min=1, help="Random orders of each question's samples to average over.")] = 3
    seed: Annotated[
        int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of the orders, the same for all allocators.")
    ] = 0
    calibrate_on: Annotated[
        float | None,
        typer.Option(help="Learn from this share of the questions, without their marks, and score on the rest."),
    ] = None
    target_agreement: Annotated[
        float, typer.Option(help="With --calibrate-on: how often to answer as the full cap would.")
    ] = 0.99

    def make(self) -> Plan:
        return Plan(self.max_samples, self.shuffles, self.seed, self.calibrate_on, self.target_agreement)


@with_options
def replay(
    traces: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRACE...",
            help='Recorded samples, JSON lines or gzip: {"id", "samples": [{"answer", "correct"?}]}.',
        ),
    ],
    compared: ContenderOptions,
    how: PlanOptions,
    as_json: options.JsonOption = False,
) -> None:
    """Score allocators on recorded samples: what they would have spent, and whether the answer would have stood.

    Example: `dynasor replay samples.jsonl.gz -a agreement -a threshold:threshold=0.6 --max-samples 20`
    """
    budgets, plan = compared.samples_per_question or [], how.make()
    if budgets and how.calibrate_on is not None:
        raise InputError("--samples-per-question excludes --calibrate-on; a budget learns from all of its questions")
    skylines = compared.skylines if how.calibrate_on is not None else {}
    contenders = compared.make(without=skylines)
    scores = score_all([read_trace(path) for path in traces], contenders, budgets, plan, skylines)
    rows = [each.to_json() for each in scores]
    if as_json:
        print_json(rows)
    else:
        show_scores(rows)


def learn(
    questions: Sequence[RecordedQuestion], cap: int, target_agreement: float, skylines: Mapping[str, Looks]
) -> list[Contender]:
    """What ``dynasor calibrate`` would learn from ``questions``: the rule of agreement, then every skyline."""
    evidence = ShuffledSamples(questions, cap)
    rule = without_labels(evidence, target_agreement).rule
    allocator = Agreement(rule.max_change, min_share=rule.min_share, prior=evidence.prior)
    learned = [Contender(CALIBRATED, allocator, evidence.prior)]
    for name, looks in skylines.items():
        learned.append(Contender(name, fit_skyline(evidence, target_agreement, looks).allocator, evidence.prior))
    return learned


def score_all(
    traces: Sequence[Trace],
    contenders: Sequence[Contender],
    budgets: Sequence[float],
    plan: Plan,
    skylines: Mapping[str, Looks] = MappingProxyType({}),
) -> list[Score | BudgetScore]:
    """All scores, trace by trace; ``budgets`` are in samples per question,
    ``skylines`` are calibrated beside agreement."""
    scores: list[Score | BudgetScore] = []
    with Steps() as steps:
        for trace in traces:
            count = len(trace.questions)
            advance = steps.add(trace.name, plan.shuffles * (plan.num_scored(count) + len(budgets) * count))
            scores += score(trace, contenders, plan, calibrate=partial(learn, skylines=skylines), advance=advance)
            scores += [score_budget(trace, samples, plan, advance=advance) for samples in budgets]
    return scores
