"""``dynasor calibrate``: from recorded samples to a profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from dynasor.calibration import (
    Evidence,
    Learned,
    LearnedSkyline,
    Looks,
    Reliability,
    ShuffledSamples,
    WatchedRuns,
    fit_skyline,
    with_labels,
    without_labels,
)
from dynasor.cli import options
from dynasor.errors import InputError
from dynasor.profile import Expected, Profile, Promise
from dynasor.programs import chosen_by, is_exchangeable
from dynasor.replay import Trace, read_runs, read_trace
from dynasor.scheduling import Agreement, Skyline
from dynasor.scheduling.allocators import LEARNED
from dynasor.vocabulary import JSON

TARGET_AGREEMENT = 0.99


def calibrate(
    samples: Annotated[
        Path,
        typer.Argument(
            metavar="SAMPLES",
            help="Recorded samples: a trace, or what `dynasor batch --keep-samples` wrote with --allocator fixed, for "
            "trees and chains with --allocator watch.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The profile to write, for --profile.")],
    target_agreement: Annotated[
        float | None,
        typer.Option(help=f"Without labels: keep the full budget's answer this often. [default: {TARGET_AGREEMENT}]"),
    ] = None,
    rule: Annotated[
        str,
        typer.Option(
            help="What is learned: agreement, or skyline (further samples by certaindex, the paper's Pareto frontier), "
            "with options inline: skyline:detect_at=5,check_every=none,signal=entropy."
        ),
    ] = "agreement",
    max_loss: Annotated[
        float | None, typer.Option(help="With labels: lose at most this much accuracy (0.01 is a point).")
    ] = None,
    confidence: Annotated[float, typer.Option(help="With --max-loss: how sure the promise is.")] = 0.9,
    max_samples: Annotated[
        int | None, typer.Option("--max-samples", "-n", min=1, help="The cap. [default: as many as were recorded]")
    ] = None,
    program: Annotated[
        str | None,
        typer.Option("--program", "-p", help="What drew the samples. [default: as recorded, or self-consistency]"),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name. [default: as recorded]")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The dataset's name. [default: as recorded, or the file's]")
    ] = None,
    shuffles: Annotated[int, typer.Option(min=1, help="Random orders of each question's samples to learn from.")] = 10,
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of the orders.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the profile and nothing else.")] = False,
) -> None:
    """Learn from recorded samples when to stop, with labels or without, and write it as a profile.

    Example: `dynasor calibrate samples.jsonl --output profile.json`, then `dynasor batch ... --profile profile.json`
    """
    if max_loss is not None and target_agreement is not None:
        raise InputError("--max-loss calibrates with labels, --target-agreement without; choose one")
    looks = read_rule(rule)
    if max_loss is not None and looks is not None:
        raise InputError(
            "--max-loss calibrates agreement; the skyline is learned without labels, by --target-agreement"
        )
    options.check_can_be_written(output, {"the samples": samples})
    recorded = read_recorded(samples, program, max_samples, shuffles, seed)
    target = TARGET_AGREEMENT if target_agreement is None else target_agreement
    promise = Promise("agreement", target) if max_loss is None else Promise("accuracy", max_loss, confidence)
    learned: Learned | LearnedSkyline
    if looks is not None:
        learned = fit_skyline(in_any_order(recorded), target, looks)
    elif max_loss is not None:
        learned = with_labels(recorded.evidence, max_loss, 1 - confidence)
    else:
        learned = without_labels(recorded.evidence, target)
    profile = Profile(
        model=model or recorded.model or needed("model", samples),
        dataset=dataset or recorded.dataset or samples.name,
        program=recorded.program,
        max_samples=recorded.max_samples,
        settings=recorded.settings,
        mean_tokens_per_unit=recorded.evidence.mean_tokens_per_unit,
        allocator=allocator_of(learned),
        promise=promise,
        expected=expected_of(learned, has_labels=max_loss is not None),
        evidence=evidence_of(learned, recorded.how),
    )
    profile.save(output)
    if as_json:
        typer.echo(orjson.dumps(profile.to_json(), option=orjson.OPT_INDENT_2))
    else:
        show(profile, learned, output)


def read_rule(text: str) -> Looks | None:
    """When the skyline that ``text`` names looks; None for agreement."""
    if text == "agreement":
        return None
    if text.partition(":")[0] != LEARNED:
        raise InputError(f"--rule is {text!r}; agreement or {LEARNED} was expected")
    return Looks.of_text(text)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a file of recorded samples or runs holds: evidence, where it is from, and how it is gone through."""

    evidence: Evidence
    model: str | None
    dataset: str | None
    program: str
    max_samples: int
    how: JSON
    wave: int | None = None
    settings: tuple[str, ...] = ()


def read_recorded(path: Path, program: str | None, max_samples: int | None, shuffles: int, seed: int) -> Recorded:
    """Samples that may come in any order are shuffled; other programs tell their own course."""
    trace = read_trace(path)
    program = program or trace.program or "self-consistency"
    if not is_exchangeable(program):
        return read_watched(path, program, max_samples)
    cap = max_samples or max(len(question.samples) for question in trace.questions)
    check_cap(trace, cap)
    evidence = ShuffledSamples(trace.questions, cap, by=chosen_by(program), shuffles=shuffles, seed=seed)
    dataset = trace.dataset or trace.name
    return Recorded(evidence, trace.model, dataset, program, cap, {"shuffles": shuffles, "seed": seed})


def read_watched(path: Path, program: str, max_samples: int | None) -> Recorded:
    runs = read_runs(path)
    caps = {run.max_samples for run in runs.runs}
    if len(caps) > 1 or max_samples not in (None, *caps):
        known = ", ".join(map(str, sorted(caps)))
        raise InputError(
            f"{path} was run to a cap of {known}, and --max-samples is {max_samples}; a program whose units depend on "
            "each other is calibrated for the one cap that it was run to"
        )
    ways = {(run.wave, run.settings) for run in runs.runs}
    if len(ways) > 1:
        raise InputError(f"{path} was run in several ways ({ways}: wave, settings); one was expected")
    wave, settings = ways.pop()
    evidence = WatchedRuns(runs.runs)
    return Recorded(evidence, runs.model, runs.dataset, program, caps.pop(), {}, wave, settings)


def in_any_order(recorded: Recorded) -> ShuffledSamples:
    """The samples of ``recorded``. InputError for a program whose units depend on each other."""
    if not isinstance(recorded.evidence, ShuffledSamples):
        raise InputError(
            f"the skyline is learned from samples that may come in any order, which those of {recorded.program} may "
            "not; calibrate it with --rule agreement"
        )
    return recorded.evidence


def needed(name: str, samples: Path) -> str:
    raise InputError(f"{samples} does not say which {name} drew the samples; name it with --{name}")


def check_cap(trace: Trace, cap: int) -> None:
    """InputError if a question has fewer samples than the cap: what its full budget would answer is not known."""
    for question in trace.questions:
        if len(question.samples) < cap:
            raise InputError(
                f"the question {question.id!r} of {trace.name} has {len(question.samples)} samples; a cap of {cap} "
                "needs as many for every question. Choose a smaller --max-samples"
            )


def allocator_of(learned: Learned | LearnedSkyline) -> Agreement | Skyline:
    if isinstance(learned, LearnedSkyline):
        return learned.allocator
    rule = learned.rule
    return Agreement(rule.max_change, min_share=rule.min_share, prior=learned.prior, max_chain_change=rule.max_change)


def expected_of(learned: Learned | LearnedSkyline, *, has_labels: bool) -> Expected:
    if isinstance(learned, LearnedSkyline):
        return Expected(learned.saved, learned.kept)
    rule = learned.rule
    return Expected(rule.saved, rule.kept, *((rule.harmed, rule.helped) if has_labels else ()))


def evidence_of(learned: Learned | LearnedSkyline, how: JSON) -> JSON:
    found = {"questions": learned.questions, **how, "reliability": learned.reliability.to_json()}
    if isinstance(learned, LearnedSkyline):
        return {**found, "trim": learned.trim}
    frontier = [
        {
            "max_change": rule.max_change,
            "min_share": rule.min_share,
            "saved": rule.saved,
            "harmed": rule.harmed,
            "helped": rule.helped,
        }
        for rule in learned.frontier
    ]
    return {**found, "frontier": frontier}


def show(profile: Profile, learned: Learned | LearnedSkyline, output: Path) -> None:
    console = Console(highlight=False)
    expected = profile.expected
    console.print(f"[bold]{output}[/bold]: {profile.promise}")
    console.print(f"expect      {expected.saved:.1%} of the samples saved, {expected.kept:.2%} of the answers kept")
    if expected.harmed is not None and expected.helped is not None:
        console.print(f"accuracy    {expected.helped - expected.harmed:+.2%} of questions against the full budget")
    console.print(f"rule        {rule_line(profile.allocator)}")
    console.print(f"evidence    {learned.questions} questions, a cap of {profile.max_samples}")
    if profile.mean_tokens_per_unit is not None:
        console.print(f"tokens      {profile.mean_tokens_per_unit:.0f} for each unit of the cap, on average")
    console.print(reliability_table(learned.reliability))


def rule_line(rule: Agreement | Skyline) -> str:
    if isinstance(rule, Skyline):
        if not rule.curves:
            return "no curve keeps the promise: always to the cap"
        return f"further samples by {rule.signal}, a curve each for {len(rule.curves)} steps from {min(rule.curves)} on"
    gives_up = f", give up below a share of {rule.min_share:.0%}" if rule.min_share else ""
    return f"stop at a chance of change of {rule.max_change:.4f}{gives_up}"


def reliability_table(found: Reliability) -> Table:
    title = f"reliability of agreement (expected calibration error {found.error:.3f})"
    table = Table(title=title, title_justify="left")
    for name in ("predicted", "observed", "times"):
        table.add_column(name, justify="right")
    for decile in found.deciles:
        table.add_row(f"{decile.predicted:.3f}", f"{decile.observed:.3f}", f"{decile.times}")
    return table
