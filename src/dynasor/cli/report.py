"""``dynasor report``: results as one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynasor.cli.options import JsonOption
from dynasor.cli.output import check_can_be_written, open_console, print_json, write_whole
from dynasor.reports import Report, open_report, render

ReportOption = Annotated[Path | None, typer.Option("--report", help="Write a report to this file: one HTML page.")]
"""For the verbs that can make a report of what they have just done."""


def report(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="Result files of `dynasor batch`, side by side (a baseline beside one is found), or what `dynasor "
            "simulate --json` or `dynasor bench --json` printed.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. [default: RESULT with .html]")
    ] = None,
    questions: Annotated[
        Path | None, typer.Option("--questions", "-q", help="The file of questions, to have their texts in the report.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a report of results: one HTML file, without anything from elsewhere.

    With `--json` the parts of the report are printed as data, and no file is written unless `--output` names one.

    Example: `dynasor report answers.jsonl --questions questions.jsonl --output report.html`
    """
    target = output or results[0].with_suffix(".html")
    taken = {f"the results {path}": path for path in results} | ({"--questions": questions} if questions else {})
    check_can_be_written(target, taken)
    made = open_report(results, questions)
    if as_json:
        print_json(made.to_json())
    if output is not None or not as_json:
        write_report(made, target)


def write_report(report: Report, path: Path) -> None:
    """Write the page, and say where and how large it is."""
    content = render(report).encode()
    write_whole(path, content)
    open_console(stderr=True).print(f"report: {path}, {size_of(len(content))}", markup=False)


def size_of(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"
