"""``dynasor bench batch``: tokens and accuracy of every rule on the same questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from dynasor.answers import AnswerReader, AnswerStyle
from dynasor.batch import check_questions
from dynasor.bench.offline import CAPS, BatchBenchmark
from dynasor.cli import options
from dynasor.cli.bench_online import check_profile, make_workloads
from dynasor.cli.output import check_can_be_written
from dynasor.cli.run_options import make_sampling, open_chosen_engine
from dynasor.engines.opening import EMBEDDED, model_digest
from dynasor.errors import InputError
from dynasor.vocabulary import JSON


def bench_batch(
    questions: Annotated[Path, typer.Argument(help="Questions with references, as for `dynasor batch`.")],
    folder: Annotated[
        Path, typer.Option("--output", "-o", help="A folder for results; what is there is not run again.")
    ],
    summary: Annotated[Path | None, typer.Option(help="Write the report here, as JSON.")] = None,
    engine: options.EngineOption = EMBEDDED,
    model: options.ModelOption = None,
    api_key: options.ApiKeyOption = None,
    program: Annotated[
        list[str] | None, typer.Option("--program", "-p", help=f"Once for each: {', '.join(CAPS)}. [default: all]")
    ] = None,
    profile: Annotated[
        list[Path] | None, typer.Option(help="What `dynasor calibrate` learned; once for each program.")
    ] = None,
    cap: Annotated[
        list[str] | None, typer.Option(metavar="PROGRAM=N", help="Another largest cap than the workload's.")
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option("--reward", "-r", metavar="REWARD", help="For programs that take one. [default: likelihood]"),
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, help="Requests in flight at once.")] = 32,
    temperature: options.TemperatureOption = None,
    top_p: options.TopPOption = None,
    max_tokens: options.MaxTokensOption = None,
    answers: options.AnswersOption = AnswerStyle.MATH,
    seed: options.SeedOption = 0,
    as_json: options.JsonOption = False,
) -> None:
    """Run every rule over the questions, and set its tokens against an even split that is as accurate.

    Example: `dynasor bench batch questions.jsonl --output results --engine http://127.0.0.1:8000 -p self-consistency`
    """
    sampling = make_sampling(engine, temperature=temperature, top_p=top_p, max_tokens=max_tokens)
    if summary is not None:
        check_can_be_written(summary, {"the questions": questions})
    checked = check_questions(questions)
    for question in checked:
        if question.reference is None:
            raise InputError(f"the question {question.id!r} has no reference; a benchmark has to know who is right")
    workloads = make_workloads(program or list(CAPS), profile or [], cap or [], reward)
    console = Console(stderr=True, highlight=False)

    async def work() -> JSON:
        opened = open_chosen_engine(engine, model=model, api_key=api_key, slots=concurrency)
        async with opened as found, AnswerReader(answers) as reader:
            for each in workloads.values():
                check_profile(each, found.info.model)
            return await BatchBenchmark(
                questions=checked,
                workloads=workloads,
                folder=folder,
                sampling=sampling,
                concurrency=concurrency,
                seed=seed,
                engine=found,
                reader=reader,
                model_digest=model_digest(engine),
                say=lambda line: console.print(line),
            ).run()

    report = asyncio.run(work())
    encoded = orjson.dumps(report, option=orjson.OPT_INDENT_2)
    if summary is not None:
        summary.write_bytes(encoded + b"\n")
    if as_json:
        typer.echo(encoded)
    else:
        for name, found in report["workloads"].items():
            Console(highlight=False).print(table_of(name, found))


def table_of(name: str, found: JSON) -> Table:
    """A row for each rule at each cap."""
    table = Table(title=f"{name}, at most {found['cap']}", title_justify="left")
    columns = ("rule", "cap", "accuracy", "tokens", "seconds", "saved against the cap", "saved at equal accuracy")
    for column in columns:
        table.add_column(column, justify="left" if column == "rule" else "right")
    for each in found["rules"]:
        cells = [each["rule"], str(each["cap"]), f"{each['accuracy']:.1%}", f"{each['tokens']:.0f}"]
        cells.append("replayed" if each["is_replayed"] else f"{each['seconds']:.1f}")
        cells += [_saved(each.get(name)) for name in ("against_cap", "at_equal_accuracy")]
        table.add_row(*cells)
    return table


def _saved(found: JSON | None) -> str:
    if found is None:
        return ""
    low, high = found["saved_interval"]
    return f"{found['saved']:.1%} ({low:.1%} to {high:.1%})"
