"""``dynasor calibrate``: from recorded samples to a profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynasor.calibration import Learned, LearnedSkyline
from dynasor.cli.calibrate_display import show_profile
from dynasor.cli.calibrate_options import PromiseOptions, RecordedOptions
from dynasor.cli.options import JsonOption
from dynasor.cli.output import check_can_be_written, print_json
from dynasor.cli.spreading import with_options
from dynasor.errors import InputError
from dynasor.profile import Expected, Profile
from dynasor.scheduling import Agreement, Skyline
from dynasor.vocabulary import JSON


@with_options
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
    wanted: PromiseOptions,
    origin: RecordedOptions,
    as_json: JsonOption = False,
) -> None:
    """Learn from recorded samples when to stop, with labels or without, and write it as a profile.

    Example: `dynasor calibrate samples.jsonl --output profile.json`, then `dynasor batch ... --profile profile.json`
    """
    wanted.check()
    check_can_be_written(output, {"the samples": samples})
    recorded = origin.read(samples)
    learned = wanted.learn(recorded)
    profile = Profile(
        model=origin.model or recorded.model or needed("model", samples),
        dataset=origin.dataset or recorded.dataset or samples.name,
        program=recorded.program,
        max_samples=recorded.max_samples,
        settings=recorded.settings,
        mean_tokens_per_unit=recorded.evidence.mean_tokens_per_unit,
        allocator=allocator_of(learned),
        promise=wanted.promise,
        expected=expected_of(learned, has_labels=wanted.max_loss is not None),
        evidence=evidence_of(learned, recorded.how),
    )
    profile.save(output)
    if as_json:
        print_json(profile.to_json())
    else:
        show_profile(profile, learned, output)


def needed(name: str, samples: Path) -> str:
    raise InputError(f"{samples} does not say which {name} drew the samples; name it with --{name}")


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
