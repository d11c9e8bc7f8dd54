"""Gathers the verbs and turns our errors into one line and an exit code."""

from __future__ import annotations

import shutil
import sys
import traceback
from importlib.metadata import version
from typing import Annotated

import typer

from dynasor.cli import (
    batch,
    bench_batch,
    bench_online,
    bench_profile,
    calibrate,
    chat,
    doctor,
    questions,
    replay,
    report,
    serve,
    simulate,
    solve,
)
from dynasor.cli.exit_codes import ExitCode
from dynasor.cli.own_code import frames_of_own_code
from dynasor.errors import DynasorError

LEAST_COLUMNS_OF_TABLES = 110
"""In a narrower terminal the columns of a table of options leave no room for what they say; plain help has it."""
IS_WIDE = shutil.get_terminal_size().columns >= LEAST_COLUMNS_OF_TABLES

app = typer.Typer(
    name="dynasor",
    help="Serve and evaluate LLM reasoning programs: stop sampling when the answer is settled.",
    no_args_is_help=True,
    rich_markup_mode="markdown" if IS_WIDE else None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: " + "; ".join(f"{code:d} {code.meaning}" for code in ExitCode) + ".",
)


@app.callback(invoke_without_command=True)
def top(show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if show_version:
        typer.echo(f"dynasor {version('dynasor-llm')}")
        raise typer.Exit


app.command("solve")(solve.solve)
app.command("batch")(batch.batch)
app.command("serve")(serve.serve)
app.command("chat")(chat.chat)
app.command("replay")(replay.replay)
app.command("simulate")(simulate.simulate)
app.command("calibrate")(calibrate.calibrate)
app.command("report")(report.report)
app.command("doctor")(doctor.doctor)
app.command("questions")(questions.questions)

bench = typer.Typer(
    help="Measure an engine, and what each way of serving makes of it.",
    no_args_is_help=True,
    rich_markup_mode="rich" if IS_WIDE else None,
)
bench.command("batch")(bench_batch.bench_batch)
bench.command("online")(bench_online.bench_online)
bench.command("profile")(bench_profile.profile)
app.add_typer(bench, name="bench")


def main() -> None:
    try:
        app()
    except (DynasorError, OSError) as error:
        sys.stderr.write(f"dynasor: {error}\n")
        raise SystemExit(ExitCode.of_error(error)) from None
    except Exception as error:  # a program, allocator or reward of the user's may raise anything
        frames = frames_of_own_code(error)
        if not frames:  # a defect of ours: all of the traceback
            raise
        sys.stderr.write("".join(traceback.format_list(frames)))
        sys.stderr.write(f"dynasor: code of your own failed: {type(error).__name__}: {error}\n")
        raise SystemExit(ExitCode.BAD_INPUT) from None
