"""``dynasor simulate``: what a workload would meet on engines that need not be there."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from dynasor.cli import options
from dynasor.errors import InputError
from dynasor.events import Event
from dynasor.parameters import read_parameters, split_settings
from dynasor.programs import PROGRAMS
from dynasor.runtime import Options
from dynasor.scheduling import ALLOCATORS, POLICIES, make_allocator
from dynasor.simulation import load_engine_profile, shipped_profiles
from dynasor.simulation.manner import Manner
from dynasor.simulation.plans import Defaults, open_questions, read_workload, shipped_populations
from dynasor.simulation.report import Outcome
from dynasor.simulation.simulate import Arm, Site
from dynasor.simulation.simulate import simulate as simulate_arm
from dynasor.simulation.workloads import JUDGES, Bursty, Poisson, RecordedTimes, Stream, Times, arrivals, describe
from dynasor.vocabulary import JSON, Sampling

PROFILE = "a100-80gb-llama-3.1-8b"
POPULATION = "gsm8k-faithful-cot"
EventTold = Callable[[float, Event], None]


def simulate(
    rate: Annotated[float, typer.Option(help="Programs a second, on average.")] = 5.0,
    programs: Annotated[int, typer.Option(min=1, help="How many come.")] = 1000,
    arrivals_from: Annotated[
        str, typer.Option("--arrivals", help="How they come: poisson, bursty, or a file of JSON lines with seconds.")
    ] = "poisson",
    burstiness: Annotated[
        float, typer.Option(help="With --arrivals bursty: standard deviation of the gaps over their mean.")
    ] = 4.0,
    workload: Annotated[
        Path | None,
        typer.Option(help="A JSON file of streams (tenants, kinds of programs) instead of the one of the options."),
    ] = None,
    questions: Annotated[
        str,
        typer.Option(
            "--questions",
            "-q",
            help=f"A trace of recorded samples, or a population: {', '.join(shipped_populations())}.",
        ),
    ] = POPULATION,
    modelled: Annotated[
        bool, typer.Option("--modelled", help="Fit a population to the trace, and draw from that.")
    ] = False,
    prompt_tokens: Annotated[int | None, typer.Option(min=1, help="Length of every prompt. [default: 120]")] = None,
    mean_tokens: Annotated[
        float, typer.Option(min=1, help="Length of a sample where the trace does not tell.")
    ] = 256.0,
    program: Annotated[
        str, typer.Option("--program", "-p", help=f"What each runs: {', '.join(PROGRAMS)}.")
    ] = "self-consistency",
    reward: Annotated[
        str | None,
        typer.Option(
            "--reward",
            "-r",
            help=f"What scores its solutions, for programs that need it: {' or '.join(JUDGES)}. [default: {JUDGES[0]}]",
        ),
    ] = None,
    manner: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=f"How steps, scores and chains of thought are modelled: {Manner()} are the defaults.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the program.")
    ] = None,
    max_samples: options.MaxSamplesOption = 16,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens per sample.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help=f"Once for each to compare: {', '.join(POLICIES)}. [default: fcfs, gang and sjf]"),
    ] = None,
    allocator: Annotated[
        list[str] | None,
        typer.Option(
            "--allocator", "-a", help=f"Once for each to compare: {', '.join(ALLOCATORS)}. [default: agreement]"
        ),
    ] = None,
    engine_profile: Annotated[
        str, typer.Option(help=f"What an iteration takes: {', '.join(shipped_profiles())}, or a file.")
    ] = PROFILE,
    replicas: Annotated[int, typer.Option(min=1, help="Copies of the engine.")] = 1,
    capacity: Annotated[
        int, typer.Option("--capacity", "-c", min=0, help="Requests in flight on each; 0: as many as it finds best.")
    ] = 64,
    slo: Annotated[float | None, typer.Option(help="Seconds within which an answer is in time.")] = None,
    slo_by_difficulty: Annotated[
        bool, typer.Option("--slo-by-difficulty", help="Times 1, 2 or 3 by the question's difficulty, as in the paper.")
    ] = False,
    deadline: Annotated[
        bool, typer.Option("--deadline", help="Tell the runtime: it answers with the best it has by then.")
    ] = False,
    seed: options.SeedOption = 0,
    events: Annotated[Path | None, typer.Option(help="Write every event to this file, JSON lines.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the latencies into this file (needs the extra `figures`).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object and nothing else.")] = False,
) -> None:
    """Serve a workload by the real scheduler and runtime, on a virtual clock with simulated engines.

    Example: `dynasor simulate --rate 20 --slo 10 --policy gang --policy sjf -a fixed -a agreement`
    """
    site = Site(load_engine_profile(engine_profile), replicas, capacity or None)
    defaults = Defaults(prompt_tokens, mean_tokens, modelled)
    if workload is not None:
        plan = read_workload(workload, defaults)
        streams, site = plan.streams, replace(site, weights=plan.weights)
    else:
        streams = [
            Stream(
                name="main",
                times=make_times(arrivals_from, rate, burstiness),
                questions=open_questions(questions, defaults),
                program=program,
                settings=split_settings(settings or (), "--set"),
                reward=reward,
                manner=make_manner(manner or ()),
                options=Options(max_samples=max_samples, sampling=Sampling(max_tokens=max_tokens)),
                slo_s=slo,
                scales_slo=slo_by_difficulty,
                has_deadline=deadline,
            )
        ]
    arms = make_arms(policy or ["fcfs", "gang", "sjf"], allocator or ["agreement"])
    for path in filter(None, (events, figure)):
        options.check_can_be_written(path, {})
    outcomes = run_all(site, arms, streams, programs, seed, events)
    if figure is not None:
        draw(outcomes, figure)
    report = report_of(site, streams, programs, seed, outcomes)
    if as_json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        show(report)


def make_times(text: str, rate: float, burstiness: float) -> Times:
    """How programs come, as --arrivals says."""
    if text == "poisson":
        return Poisson(rate)
    if text == "bursty":
        return Bursty(rate, burstiness)
    return RecordedTimes.load(Path(text))


def make_manner(texts: Sequence[str]) -> Manner:
    who = "--manner"
    return Manner(**read_parameters(Manner, split_settings(texts, who), who))  # type: ignore[arg-type]  # by annotations


def make_arms(policies: Sequence[str], allocators: Sequence[str]) -> list[Arm]:
    for name in policies:
        if name not in POLICIES:
            raise InputError(f"there is no policy {name!r}; choose {', '.join(POLICIES)}")
    pairs = itertools.product(allocators, policies)
    return [Arm(policy, make_allocator(text), text) for text, policy in pairs]


def run_all(
    site: Site, arms: Sequence[Arm], streams: Sequence[Stream], num_programs: int, seed: int, events: Path | None
) -> list[Outcome]:
    """Every arm on the same arrivals, with a progress bar on a terminal."""
    outcomes = []
    with (
        event_log(events) as told,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress,
    ):
        for arm in arms:
            task = progress.add_task(arm.name, total=num_programs)
            listener = None if told is None else told(arm.name)
            outcome = simulate_arm(
                site,
                arm,
                arrivals(streams, num_programs, seed),
                listener=listener,
                advance=lambda task=task: progress.advance(task),  # type: ignore[misc]
            )
            outcomes.append(outcome)
    return outcomes


@contextmanager
def event_log(path: Path | None) -> Iterator[Callable[[str], EventTold] | None]:
    """Writes events to ``path``, one a line: the arm, the virtual time in seconds, the event's name and its fields."""
    if path is None:
        yield None
        return
    with path.open("wb") as file:

        def for_arm(arm: str) -> EventTold:
            def write(at: float, event: Event) -> None:
                line = {"arm": arm, "at": at, "event": type(event).__name__, "fields": event}
                file.write(orjson.dumps(line, default=dict) + b"\n")

            return write

        yield for_arm


def report_of(site: Site, streams: Sequence[Stream], num_programs: int, seed: int, outcomes: Sequence[Outcome]) -> JSON:
    return {
        "engine_profile": site.profile.name,
        "model": site.profile.model,
        "replicas": site.num_replicas,
        "capacity": site.capacity,
        "programs": num_programs,
        "seed": seed,
        "streams": [describe(stream) for stream in streams],
        "arms": [outcome.to_json() for outcome in outcomes],
    }


def show(report: JSON) -> None:
    console = Console(highlight=False)
    copies = f"{report['replicas']} x " if report["replicas"] > 1 else ""
    limit = f", {report['capacity']} requests at once" if report["capacity"] else ""
    title = f"{report['programs']} programs on {copies}{report['engine_profile']}{limit}"
    console.print(table_of(title, report["arms"], with_replicas=True))
    for name in dict.fromkeys(name for arm in report["arms"] for name in arm["streams"]):
        arms = [{"arm": arm["arm"], **arm["streams"][name]} for arm in report["arms"] if name in arm["streams"]]
        console.print(table_of(f"of these, {name}", arms))
    for line in dict.fromkeys(f"{each['questions']}: {each['modelled']}" for each in report["streams"]):
        console.print(escape(line))
    console.print(LEGEND)


LEGEND = """\
latency   seconds from a program's arrival to its answer
in time   share of programs with their answer within the SLO
goodput   programs a second that were in time
fairness  the paper's: milliseconds to the answer for each token of the full cap
This is a simulation: a real engine falls short of a profile that was not fitted to it."""


def table_of(title: str, arms: Sequence[JSON], *, with_replicas: bool = False) -> Table:
    """A column for each arm."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("")
    for arm in arms:
        table.add_column(escape(arm["arm"]).replace(" ", "\n", 1), justify="right", overflow="fold")
    columns = [rows_of(arm) | (replica_rows(arm) if with_replicas else {}) for arm in arms]
    for name in columns[0]:
        cells = [column[name] for column in columns]
        if name not in RARE or any(cell != "0" for cell in cells):
            table.add_row(name, *cells)
    return table


RARE = ("probe tokens a program", "score tokens a program")
"""Rows that only some programs have something in."""


def rows_of(found: JSON) -> dict[str, str]:
    latency, fairness, tokens = found["latency_s"], found["fairness_s_per_token"], found["tokens"]
    rows = {f"latency {name}, s": _number(latency[name.lower()], ".2f") for name in ("mean", "P50", "P90", "P99")}
    rows["in time"] = _number(found["slo_attainment"], ".1%")
    rows["goodput, programs/s"] = _number(found["goodput_programs_per_s"], ".2f")
    rows["throughput, programs/s"] = _number(found["programs_per_s"], ".2f")
    rows["accuracy"] = _number(found["accuracy"], ".1%")
    rows["samples a program"] = _number(found["samples_per_program"], ".1f")
    for kind in ("main", "probe", "score", "cancelled"):
        rows[f"{kind} tokens a program"] = f"{tokens[kind] / found['programs']:.0f}" if found["programs"] else "-"
    rows["fairness, mean"] = _milli(fairness["mean"])
    rows["fairness, P90"] = _milli(fairness["p90"])
    return rows


def replica_rows(arm: JSON) -> dict[str, str]:
    """Means over the replicas, except what is counted."""
    used = list(arm["replicas"].values())
    busy, running, hits = (
        sum(each[name] for each in used) / len(used) for name in ("busy_share", "mean_running", "prefix_hit_share")
    )
    return {
        "time that replicas work": f"{busy:.0%}",
        "requests at once, mean": f"{running:.1f}",
        "prompt tokens from cache": f"{hits:.0%}",
        "preemptions": f"{sum(each['preemptions'] for each in used)}",
    }


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _milli(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.1f}"


def draw(outcomes: Sequence[Outcome], path: Path) -> None:
    """The share of programs that have their answer after so many seconds."""
    try:
        import matplotlib
    except ImportError:
        raise InputError("--figure needs matplotlib: install the extra `figures`") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn, axis = plt.subplots(figsize=(7, 4))
    for outcome in outcomes:
        latencies = sorted(outcome.whole.latency_s)
        shares = [number / len(latencies) for number in range(1, len(latencies) + 1)]
        axis.step(latencies, shares, where="post", label=outcome.arm)
    axis.set_xlabel("seconds since a program came")
    axis.set_ylabel("share of programs that have their answer")
    axis.set_xlim(left=0)
    axis.set_ylim(0, 1)
    axis.grid(color="0.9")
    axis.legend(loc="lower right")
    drawn.tight_layout()
    drawn.savefig(path)
    plt.close(drawn)
