"""``dynasor replay``: allocators scored on recorded samples, without a model."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from dynasor.calibration import Looks, ShuffledSamples, fit_skyline, without_labels
from dynasor.cli import options
from dynasor.cli.budget import points
from dynasor.errors import InputError
from dynasor.replay import Contender, Plan, RecordedQuestion, Score, Trace, make_contenders, read_trace, score
from dynasor.replay.budget import BudgetScore, score_budget
from dynasor.replay.scores import CALIBRATED
from dynasor.replay.traces import CHARS_PER_TOKEN
from dynasor.scheduling import ALLOCATORS, Agreement
from dynasor.scheduling.allocators import LEARNED
from dynasor.vocabulary import JSON


def replay(
    traces: Annotated[
        list[Path],
        typer.Argument(
            metavar="TRACE...",
            help='Recorded samples, JSON lines or gzip: {"id", "samples": [{"answer", "correct"?}]}.',
        ),
    ],
    allocator: Annotated[
        list[str] | None,
        typer.Option(
            "--allocator",
            "-a",
            help=f"Once for each to compare: {', '.join(ALLOCATORS)}; options inline, as in agreement:max_change=0.05. "
            "skyline, which is learned, takes --calibrate-on. [default: agreement]",
        ),
    ] = None,
    samples_per_question: Annotated[
        list[float] | None,
        typer.Option(
            help="Once for each to compare: a total of so many samples a question, spent where the next one changes "
            "most, beside the same total split evenly."
        ),
    ] = None,
    max_samples: options.MaxSamplesOption = 16,
    max_change: options.MaxChangeOption = None,
    threshold: options.ThresholdOption = None,
    detect_at: options.DetectAtOption = None,
    shuffles: Annotated[int, typer.Option(min=1, help="Random orders of each question's samples to average over.")] = 3,
    seed: Annotated[
        int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of the orders, the same for all allocators.")
    ] = 0,
    calibrate_on: Annotated[
        float | None,
        typer.Option(help="Learn from this share of the questions, without their marks, and score on the rest."),
    ] = None,
    target_agreement: Annotated[
        float, typer.Option(help="With --calibrate-on: how often to answer as the full cap would.")
    ] = 0.99,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list and nothing else.")] = False,
) -> None:
    """Score allocators on recorded samples: what they would have spent, and whether the answer would have stood.

    Example: `dynasor replay samples.jsonl.gz -a agreement -a threshold:threshold=0.6 --max-samples 20`
    """
    if samples_per_question and calibrate_on is not None:
        raise InputError("--samples-per-question excludes --calibrate-on; a budget learns from all of its questions")
    plan = Plan(max_samples, shuffles, seed, calibrate_on, target_agreement)
    named = allocator or ["agreement"]
    skylines = skylines_of(named) if calibrate_on is not None else {}
    contenders = make_contenders(
        [text for text in named if text not in skylines],
        max_change=max_change,
        threshold=threshold,
        detect_at=detect_at,
    )
    scores = score_all([read_trace(path) for path in traces], contenders, samples_per_question or [], plan, skylines)
    rows = [each.to_json() for each in scores]
    if as_json:
        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2))
    else:
        show(rows)


def skylines_of(texts: Sequence[str]) -> dict[str, Looks]:
    """The skylines among the allocators that ``texts`` name. InputError for one that is named twice."""
    named = [text for text in texts if text.partition(":")[0] == LEARNED]
    for text in named:
        if named.count(text) > 1:
            raise InputError(f"the allocator {text!r} is named twice")
    return {text: Looks.of_text(text) for text in named}


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
    """All scores, trace by trace, with a progress bar on a terminal; ``budgets`` are in samples per question,
    ``skylines`` are calibrated beside agreement."""
    scores: list[Score | BudgetScore] = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        tasks = [
            progress.add_task(trace.name, total=plan.shuffles * (plan.num_scored(count) + len(budgets) * count))
            for trace in traces
            for count in (len(trace.questions),)
        ]
        for trace, task in zip(traces, tasks, strict=True):
            advance = partial(progress.advance, task)
            scores += score(trace, contenders, plan, calibrate=partial(learn, skylines=skylines), advance=advance)
            scores += [score_budget(trace, samples, plan, advance=advance) for samples in budgets]
    return scores


def show(rows: Sequence[JSON]) -> None:
    console = Console(highlight=False)
    for _, of_trace in itertools.groupby(rows, key=lambda row: row["trace"]):
        console.print(table_of(list(of_trace)))
    console.print(LEGEND)


LEGEND = """\
points    accuracy against the whole cap
saved     samples, against the whole cap
agreement how often the answer is that of the whole cap
even      fewest samples, the same for every question, that reach the accuracy
±         spread over the shuffles"""


def table_of(rows: Sequence[JSON]) -> Table:
    """The allocators on one trace."""
    title = f"{rows[0]['trace']}: {rows[0]['questions']} questions, at most {rows[0]['max_samples']} samples each"
    table = Table(title=escape(title), title_justify="left", caption="\n".join(notes(rows)), caption_justify="left")
    table.add_column("allocator", overflow="fold")
    for name in ("accuracy", "points", "samples", "saved", "agreement", "even"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: JSON) -> list[str]:
    is_marked = row["accuracy"] is not None
    even = row["even_samples_at_equal_accuracy"]
    return [
        escape(row["allocator"]).replace(":", "\n  ").replace(",", "\n  "),
        f"{row['accuracy']:.1%}{_spread(row['accuracy_std'], '.1%')}" if is_marked else "-",
        f"{100 * (row['accuracy'] - row['fixed_accuracy']):+.2f}" if is_marked else "-",
        f"{row['samples_per_question']:.1f}",
        f"{row['saved']:.0%}",
        f"{row['agreement']:.3f}{_spread(row['agreement_std'], '.3f')}",
        "-" if even is None else f"{even}",
    ]


def _spread(value: float | None, digits: str) -> str:
    return "" if value is None else f" ±{value:{digits}}"


def notes(rows: Sequence[JSON]) -> list[str]:
    """What a reader must know about one trace."""
    first = rows[0]
    found = []
    if first["fixed_accuracy"] is None:
        found.append("no question is marked right or wrong throughout: accuracy is not known")
    elif (marked := first["marked_questions"]) < first["questions"]:
        found.append(f"accuracy is over the {marked} questions that are marked throughout")
    if below := first["questions_below_max_samples"]:
        found.append(
            f"{below} of {first['questions']} questions have fewer samples recorded; all of those are their cap"
        )
    if any(row["judged_tokens"] == "chars" for row in rows):
        found.append(f"tokens are not recorded; {CHARS_PER_TOKEN} characters count as one")
    found += [
        f"{row['allocator']}: the same total split evenly gets {row['even_accuracy']:.1%}; the budget is "
        f"{points(row['difference'])}"
        for row in rows
        if row.get("difference")
    ]
    return found
