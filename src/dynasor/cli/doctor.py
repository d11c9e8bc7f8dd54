"""``dynasor doctor``: what an engine has of what Dynasor can use, and what to change."""

from __future__ import annotations

import asyncio

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from dynasor.cli import options
from dynasor.cli.exit_codes import ExitCode
from dynasor.cli.output import open_console, print_json
from dynasor.doctor import Examination, Finding, Status, examine
from dynasor.engines.opening import EMBEDDED, is_local

COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red"}
INDENT = 9


def doctor(
    engine: options.EngineOption = EMBEDDED,
    model: options.ModelOption = None,
    api_key: options.ApiKeyOption = None,
    as_json: options.JsonOption = False,
) -> None:
    """Check an engine: model, context, chat template, thinking, prefix cache, aborts, priorities, log-probabilities.

    Each check is ok, a warning or failed, with what it means for Dynasor and what to change. It takes some twenty
    short requests; ask while the engine is idle, for two of the checks measure.

    Example: `dynasor doctor --engine http://127.0.0.1:8000`
    """
    console = open_console()
    key = None if is_local(engine) else api_key
    found = asyncio.run(
        examine(engine, model=model, api_key=key, told=lambda finding: None if as_json else show(console, finding))
    )
    if as_json:
        print_json(found.to_json())
    else:
        show_sum(console, found)
    if not found.is_reachable:
        raise typer.Exit(ExitCode.NO_ENGINE)
    if found.has_failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def show(console: Console, finding: Finding) -> None:
    colour = COLOURS[finding.status]
    status = f"[{colour}]{finding.status.value:<{INDENT}}[/{colour}]"
    console.print(f"{status}[bold]{escape(finding.check)}[/bold]: {escape(finding.found)}")
    console.print(Padding(escape(finding.means), (0, 0, 0, INDENT), expand=False), style="dim")
    if finding.change is not None:
        console.print(Padding(escape(f"change: {finding.change}"), (0, 0, 0, INDENT), expand=False))


def show_sum(console: Console, found: Examination) -> None:
    counts = {status: sum(each.status is status for each in found.findings) for status in Status}
    console.print("\n" + ", ".join(f"{count} {status.value}" for status, count in counts.items()))
