"""The options of calibration in two groups: what was recorded, and what is promised."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dynasor.calibration import (
    Evidence,
    Learned,
    LearnedSkyline,
    Looks,
    ShuffledSamples,
    WatchedRuns,
    fit_skyline,
    with_labels,
    without_labels,
)
from dynasor.cli import options
from dynasor.errors import InputError
from dynasor.profile import Promise
from dynasor.programs import chosen_by, is_exchangeable
from dynasor.replay import Trace, read_runs, read_trace
from dynasor.scheduling.allocators import LEARNED
from dynasor.vocabulary import JSON

TARGET_AGREEMENT = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseOptions:
    """What shall hold, and what is learned to hold it."""

    target_agreement: Annotated[
        float | None,
        typer.Option(help=f"Without labels: keep the full budget's answer this often. [default: {TARGET_AGREEMENT}]"),
    ] = None
    rule: Annotated[
        str,
        typer.Option(
            help="What is learned: agreement, or skyline (further samples by certaindex, the paper's Pareto frontier), "
            "with options inline: skyline:detect_at=5,check_every=none,signal=entropy."
        ),
    ] = "agreement"
    max_loss: Annotated[
        float | None, typer.Option(help="With labels: lose at most this much accuracy (0.01 is a point).")
    ] = None
    confidence: Annotated[float, typer.Option(help="With --max-loss: how sure the promise is.")] = 0.9

    def check(self) -> None:
        """InputError for a rule that there is not, and for two promises."""
        looks = self.looks
        if self.max_loss is not None and self.target_agreement is not None:
            raise InputError("--max-loss calibrates with labels, --target-agreement without; choose one")
        if self.max_loss is not None and looks is not None:
            raise InputError(
                "--max-loss calibrates agreement; the skyline is learned without labels, by --target-agreement"
            )

    @property
    def looks(self) -> Looks | None:
        """When the skyline looks that the rule names; None for agreement."""
        if self.rule == "agreement":
            return None
        if self.rule.partition(":")[0] != LEARNED:
            raise InputError(f"--rule is {self.rule!r}; agreement or {LEARNED} was expected")
        return Looks.of_text(self.rule)

    @property
    def target(self) -> float:
        return TARGET_AGREEMENT if self.target_agreement is None else self.target_agreement

    @property
    def promise(self) -> Promise:
        if self.max_loss is None:
            return Promise("agreement", self.target)
        return Promise("accuracy", self.max_loss, self.confidence)

    def learn(self, recorded: Recorded) -> Learned | LearnedSkyline:
        looks = self.looks
        if looks is not None:
            return fit_skyline(in_any_order(recorded), self.target, looks)
        if self.max_loss is not None:
            return with_labels(recorded.evidence, self.max_loss, 1 - self.confidence)
        return without_labels(recorded.evidence, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOptions:
    """What drew the samples, where the file does not say, and how they are gone through."""

    max_samples: Annotated[
        int | None, typer.Option("--max-samples", "-n", min=1, help="The cap. [default: as many as were recorded]")
    ] = None
    program: Annotated[
        str | None,
        typer.Option("--program", "-p", help="What drew the samples. [default: as recorded, or self-consistency]"),
    ] = None
    model: Annotated[str | None, typer.Option(help="The model's name. [default: as recorded]")] = None
    dataset: Annotated[str | None, typer.Option(help="The dataset's name. [default: as recorded, or the file's]")] = (
        None
    )
    shuffles: Annotated[int, typer.Option(min=1, help="Random orders of each question's samples to learn from.")] = 10
    seed: Annotated[int, typer.Option(min=0, max=options.LARGEST_SEED, help="Seed of the orders.")] = 0

    def read(self, samples: Path) -> Recorded:
        return read_recorded(samples, self.program, self.max_samples, self.shuffles, self.seed)


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


def check_cap(trace: Trace, cap: int) -> None:
    """InputError if a question has fewer samples than the cap: what its full budget would answer is not known."""
    for question in trace.questions:
        if len(question.samples) < cap:
            raise InputError(
                f"the question {question.id!r} of {trace.name} has {len(question.samples)} samples; a cap of {cap} "
                "needs as many for every question. Choose a smaller --max-samples"
            )
