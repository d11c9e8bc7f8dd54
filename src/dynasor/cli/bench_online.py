"""``dynasor bench online``: how many programs a second an engine bears under each way to serve them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.batch.questions import check_questions
from dynasor.bench.online import OnlineBenchmark
from dynasor.bench.plan import Plan
from dynasor.bench.raw import RawResults
from dynasor.bench.workloads import ARMS, WORKLOADS, Workload, workload
from dynasor.cli import options
from dynasor.cli.output import check_can_be_written
from dynasor.cli.run_options import make_sampling, open_chosen_engine
from dynasor.engines.opening import EMBEDDED, model_digest
from dynasor.errors import InputError
from dynasor.profile import Profile
from dynasor.vocabulary import JSON

LOCAL_SLOTS = 64
"""Most requests at once on a model that we run ourselves; the arm that limits nothing has the rest wait in there."""


def bench_online(
    questions: Annotated[Path, typer.Argument(help="Questions with references, as for `dynasor batch`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Raw results, JSON lines; if it is there, the run goes on.")
    ],
    summary: Annotated[Path | None, typer.Option(help="Write the report here, as JSON.")] = None,
    engine: options.EngineOption = EMBEDDED,
    model: options.ModelOption = None,
    api_key: options.ApiKeyOption = None,
    program: Annotated[
        list[str] | None,
        typer.Option("--program", "-p", help=f"Once for each workload: {', '.join(WORKLOADS)}. [default: all]"),
    ] = None,
    arm: Annotated[list[str] | None, typer.Option(help=f"Once for each: {', '.join(ARMS)}. [default: all]")] = None,
    profile: Annotated[
        list[Path] | None,
        typer.Option(help="What `dynasor calibrate` learned, for the arm dynasor; once for each program."),
    ] = None,
    cap: Annotated[list[str] | None, typer.Option(metavar="PROGRAM=N", help="Another cap than the workload's.")] = None,
    reward: Annotated[
        str | None,
        typer.Option("--reward", "-r", metavar="REWARD", help="For programs that take one. [default: likelihood]"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", "-c", min=1, help="Requests at once, for arms that limit them. [default: as measured]"
        ),
    ] = None,
    window_s: Annotated[float, typer.Option(help="Seconds in which programs come, in each cell, at least.")] = 40.0,
    window_deadlines: Annotated[
        float, typer.Option(help="And at least so many base deadlines, for overload to show.")
    ] = 4.0,
    repetitions: Annotated[int, typer.Option(min=1, help="How often every knee is found.")] = 3,
    trials: Annotated[int, typer.Option(min=1, help="Samples of a question, to tell its difficulty.")] = 20,
    deadline_factor: Annotated[
        float | None,
        typer.Option(help="The base deadline over what a program takes alone at its cap. [default: the workload's]"),
    ] = None,
    deadline_s: Annotated[
        list[str] | None,
        typer.Option(metavar="PROGRAM=SECONDS", help="The base deadline in seconds, in place of that."),
    ] = None,
    alone: Annotated[int, typer.Option(min=1, help="Programs run alone, to know that.")] = 10,
    temperature: options.TemperatureOption = None,
    top_p: options.TopPOption = None,
    max_tokens: options.MaxTokensOption = None,
    answers: options.AnswersOption = AnswerStyle.MATH,
    seed: options.SeedOption = 0,
    budget_s: Annotated[
        float | None, typer.Option(help="Begin no cell that would end later than so many seconds from now.")
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """Find the highest rate of programs with 90 % in time, and the tightest deadlines, for the engine alone, gang
    scheduling, the paper's system and ours: open loop, the same programs for all, arms taking turns.

    Example: `dynasor bench online questions.jsonl --output online.jsonl --engine http://127.0.0.1:8000 -p mcts`
    """
    sampling = make_sampling(engine, temperature=temperature, top_p=top_p, max_tokens=max_tokens)
    for path in filter(None, (output, summary)):
        check_can_be_written(path, {"the questions": questions})
    plan = Plan(
        questions=list(check_questions(questions)),
        workloads=make_workloads(program or list(WORKLOADS), profile or [], cap or [], reward),
        arms=arm or tuple(ARMS),
        sampling=sampling,
        window_s=window_s,
        window_deadlines=window_deadlines,
        repetitions=repetitions,
        trials=trials,
        deadline_factor=deadline_factor,
        deadline_s=dict(map(read_deadline, deadline_s or [])),
        alone=alone,
        concurrency=concurrency,
        seed=seed,
        budget_s=budget_s,
    )
    console = Console(stderr=True, highlight=False)

    async def work() -> JSON:
        opened = open_chosen_engine(engine, model=model, api_key=api_key, slots=LOCAL_SLOTS)
        async with opened as found, AnswerReader(answers) as reader:
            for each in plan.workloads.values():
                check_profile(each, found.info.model)
            served_by = {"engine": found.info.kind, "model": found.info.model, "model file": model_digest(engine)}
            raw = RawResults(output, plan.settings() | served_by)
            return await OnlineBenchmark(plan, found, reader, raw, say=lambda line: console.print(line)).run()

    report = asyncio.run(work())
    if summary is not None:
        summary.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
    else:
        show(report)


def make_workloads(
    programs: Sequence[str], profiles: Sequence[Path], caps: Sequence[str], reward: str | None
) -> dict[str, Workload]:
    """The workloads in the order in which they are named. InputError for a profile or a cap of no one of them."""
    profile_of = {Profile.load(path).program: path for path in profiles}
    cap_of = dict(map(read_cap, caps))
    for program in (*profile_of, *cap_of):
        if program not in programs:
            raise InputError(f"{program} is none of the programs of this run, {', '.join(programs)}")
    return {
        program: workload(program, cap=cap_of.get(program), reward=reward, profile_path=profile_of.get(program))
        for program in programs
    }


def read_cap(text: str) -> tuple[str, int]:
    program, equals, number = text.partition("=")
    if not equals or not number.isdecimal() or int(number) < 1:
        raise InputError(f"--cap is {text!r}; PROGRAM=N with a whole number of at least 1 was expected")
    return program, int(number)


def read_deadline(text: str) -> tuple[str, float]:
    program, _, number = text.partition("=")
    try:
        return program, float(number)
    except ValueError:
        raise InputError(f"--deadline-s is {text!r}; PROGRAM=SECONDS was expected") from None


def check_profile(of: Workload, model: str) -> None:
    """InputError if the workload's profile is of another model."""
    if of.profile is not None:
        of.profile.check_fits(model=model, program=of.program, max_samples=of.cap, settings=of.profile.settings)


def show(report: JSON) -> None:
    console = Console(highlight=False)
    for name, found in report["workloads"].items():
        console.print(table_of(name, found))
    if not report["is_complete"]:
        console.print("not everything is measured; start it again to go on")
    if report["peak_memory_mib"]:
        console.print(f"peak memory of this process: {report['peak_memory_mib']:.0f} MiB")


COLUMNS = (
    *("arm", "knee, programs/s", "rate of ours", "rate borne", "SLO of ours", "accuracy"),
    *("tokens", "tokens/s", "CPU"),
)


def table_of(name: str, found: JSON) -> Table:
    """A row for each arm."""
    title = f"{name}: base deadline {found['base_deadline_s']:.2f} s, {found['repetitions']} repetitions"
    table = Table(title=title, title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == "arm" else "right")
    for arm, measured in found["arms"].items():
        service, accuracy = measured["at_baseline_knee"], measured["accuracy"]
        table.add_row(
            arm,
            _spread(measured["knee"]),
            _spread(found["rate_ratio"].get(arm)),
            _spread(found["borne_ratio"].get(arm)),
            _spread(found["slo_ratio"].get(arm)),
            f"{accuracy['mean']:.1%} ({accuracy['interval'][0]:.1%} to {accuracy['interval'][1]:.1%})",
            f"{measured['tokens_per_program']:.0f}",
            "-" if service is None else f"{service['tokens_per_s']:.0f}",
            f"{measured['cpu_share']:.0%}",
        )
    return table


def _spread(found: JSON | None) -> str:
    return "-" if found is None else f"{found['mean']:.2f} ({found['lowest']:.2f} to {found['highest']:.2f})"
