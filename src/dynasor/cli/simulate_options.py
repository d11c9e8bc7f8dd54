"""The options of a simulation in three groups: what comes, what serves it, and the ways to serve it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from dynasor.cli import options
from dynasor.errors import InputError
from dynasor.parameters import read_parameters, split_settings
from dynasor.programs import PROGRAMS
from dynasor.runtime import Options
from dynasor.scheduling import ALLOCATORS, POLICIES, make_allocator
from dynasor.simulation import load_engine_profile, shipped_profiles
from dynasor.simulation.manner import Manner
from dynasor.simulation.plans import Defaults, Workload, open_questions, read_workload, shipped_populations
from dynasor.simulation.simulate import Arm, Site
from dynasor.simulation.workloads import JUDGES, Bursty, Poisson, RecordedTimes, Stream, Times
from dynasor.vocabulary import Sampling

PROFILE = "a100-80gb-llama-3.1-8b"
POPULATION = "gsm8k-faithful-cot"
OF_A_FILE = ("workload", "programs", "modelled", "prompt_tokens", "mean_tokens", "seed")
"""Options that go with ``--workload``; the others describe the one stream that there is without it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What comes."""

    rate: Annotated[float, typer.Option(help="Programs a second, on average.")] = 5.0
    programs: Annotated[int, typer.Option(min=1, help="How many come.")] = 1000
    arrivals: Annotated[
        str, typer.Option(help="How they come: poisson, bursty, or a file of JSON lines with seconds.")
    ] = "poisson"
    burstiness: Annotated[
        float, typer.Option(help="With --arrivals bursty: standard deviation of the gaps over their mean.")
    ] = 4.0
    workload: Annotated[
        Path | None,
        typer.Option(help="A JSON file of streams (tenants, kinds of programs) instead of the one of the options."),
    ] = None
    questions: Annotated[
        str,
        typer.Option(
            "--questions",
            "-q",
            metavar="POPULATION|FILE",
            help=f"A trace of recorded samples, or a population: {', '.join(shipped_populations())}.",
        ),
    ] = POPULATION
    modelled: Annotated[bool, typer.Option("--modelled", help="Fit a population to the trace, and draw from that.")] = (
        False
    )
    prompt_tokens: Annotated[int | None, typer.Option(min=1, help="Length of every prompt. [default: 120]")] = None
    mean_tokens: Annotated[float, typer.Option(min=1, help="Length of a sample where the trace does not tell.")] = 256.0
    program: Annotated[str, typer.Option("--program", "-p", help=f"What each runs: {', '.join(PROGRAMS)}.")] = (
        "self-consistency"
    )
    reward: Annotated[
        str | None,
        typer.Option(
            "--reward",
            "-r",
            metavar="REWARD",
            help=f"What scores its solutions, for programs that need it: {' or '.join(JUDGES)}. [default: {JUDGES[0]}]",
        ),
    ] = None
    manner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=f"How steps, scores and chains of thought are modelled: {Manner()} are the defaults.",
        ),
    ] = None
    set: options.SetOption = None
    max_samples: options.MaxSamplesOption = 16
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens per sample.")] = None
    slo: Annotated[float | None, typer.Option(help="Seconds within which an answer is in time.")] = None
    slo_by_difficulty: Annotated[
        bool, typer.Option("--slo-by-difficulty", help="Times 1, 2 or 3 by the question's difficulty, as in the paper.")
    ] = False
    deadline: Annotated[
        bool, typer.Option("--deadline", help="Tell the runtime: it answers with the best it has by then.")
    ] = False
    seed: options.SeedOption = 0

    def make(self) -> Workload:
        """The streams of the file, else the one that the options describe."""
        defaults = Defaults(self.prompt_tokens, self.mean_tokens, self.modelled)
        if self.workload is not None:
            self.refuse_options_of_one_stream()
            return read_workload(self.workload, defaults)
        stream = Stream(
            name="main",
            times=self.make_times(),
            questions=open_questions(self.questions, defaults),
            program=self.program,
            settings=split_settings(self.set or (), "--set"),
            reward=self.reward,
            manner=self.make_manner(),
            options=Options(max_samples=self.max_samples, sampling=Sampling(max_tokens=self.max_tokens)),
            slo_s=self.slo,
            scales_slo=self.slo_by_difficulty,
            has_deadline=self.deadline,
        )
        return Workload([stream], None)

    def refuse_options_of_one_stream(self) -> None:
        """InputError for an option that describes the one stream, where a file describes all."""
        for each in fields(self):
            if each.name not in OF_A_FILE and getattr(self, each.name) != each.default:
                flag = "--" + each.name.replace("_", "-")
                raise InputError(f"{flag} does not go with --workload, whose streams say it each for themselves")

    def make_times(self) -> Times:
        """When programs come, as --arrivals says."""
        if self.arrivals == "poisson":
            return Poisson(self.rate)
        if self.arrivals == "bursty":
            return Bursty(self.rate, self.burstiness)
        return RecordedTimes.load(Path(self.arrivals))

    def make_manner(self) -> Manner:
        given = read_parameters(Manner, split_settings(self.manner or (), "--manner"), "--manner")
        return Manner(**given)  # type: ignore[arg-type]  # read by its annotations


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """What serves it."""

    engine_profile: Annotated[
        str,
        typer.Option(
            help=f"What an iteration takes: {', '.join(shipped_profiles())}, or a file.",
            autocompletion=options.completing(shipped_profiles()),
        ),
    ] = PROFILE
    replicas: Annotated[int, typer.Option(min=1, help="Copies of the engine.")] = 1
    concurrency: options.ConcurrencyOption = "64"

    def make(self, workload: Workload) -> Site:
        return Site(
            load_engine_profile(self.engine_profile),
            self.replicas,
            options.check_concurrency(self.concurrency),
            workload.weights,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmOptions:
    """The ways to serve it: every policy with every allocator."""

    policy: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Once for each to compare: {', '.join(POLICIES)}. [default: fcfs, gang and sjf]",
            autocompletion=options.completing(POLICIES),
        ),
    ] = None
    allocator: Annotated[
        list[str] | None,
        typer.Option(
            "--allocator",
            "-a",
            help=f"Once for each to compare: {', '.join(ALLOCATORS)}. [default: agreement]",
            autocompletion=options.completing(ALLOCATORS),
        ),
    ] = None

    def make(self) -> list[Arm]:
        policies = self.policy or ["fcfs", "gang", "sjf"]
        for name in policies:
            if name not in POLICIES:
                raise InputError(f"there is no policy {name!r}; choose {', '.join(POLICIES)}")
        pairs = itertools.product(self.allocator or ["agreement"], policies)
        return [Arm(policy, make_allocator(text), text) for text, policy in pairs]
