"""``dynasor bench profile``: what a live engine takes, as a profile for ``dynasor simulate``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dynasor.bench.flows import Flow, Plan
from dynasor.bench.profiling import Profiled, profile_engine
from dynasor.cli import options
from dynasor.cli.output import check_can_be_written
from dynasor.cli.run_options import open_chosen_engine
from dynasor.engines.opening import EMBEDDED

MILLISECONDS, MICROSECONDS = 1e3, 1e6


def profile(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The profile to write, for `dynasor simulate --engine-profile`.")
    ] = Path("engine-profile.json"),
    engine: options.EngineOption = EMBEDDED,
    model: options.ModelOption = None,
    api_key: options.ApiKeyOption = None,
    capacity: Annotated[
        int,
        typer.Option("--concurrency", "-c", min=1, help="Most requests at once: measured at 1, 2, 4, ... up to this."),
    ] = 32,
    seconds: Annotated[float, typer.Option(help="How long each kind of load is measured, at least.")] = 2.0,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is.")] = 2,
    kv_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="What the KV cache holds. [default: as vLLM tells; else full length for each request]"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The profile's name. [default: the engine's and its model's]")
    ] = None,
    seed: options.SeedOption = 0,
    as_json: options.JsonOption = False,
) -> None:
    """Measure a live engine and fit the simulator's cost model to it. Nothing else should use the engine meanwhile.

    Example: `dynasor bench profile --engine http://127.0.0.1:8000 --output mine.json`, then
    `dynasor simulate --engine-profile mine.json`
    """
    check_can_be_written(output, {})
    plan = Plan.up_to(capacity, seconds, repeats)

    async def work() -> Profiled:
        opened = open_chosen_engine(engine, model=model, api_key=api_key, slots=capacity)
        with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
            task = progress.add_task("measuring", total=plan.num_flows)
            async with opened:
                return await profile_engine(
                    opened,
                    engine,
                    plan,
                    name=name,
                    kv_tokens=kv_tokens,
                    seed=seed,
                    advance=lambda: progress.advance(task),
                )

    profiled = asyncio.run(work())
    content = profiled.to_json()
    output.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
    if as_json:
        typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    else:
        show(profiled, output)


def show(profiled: Profiled, output: Path) -> None:
    console, profile, cost = Console(highlight=False), profiled.profile, profiled.profile.cost
    console.print(table_of(profiled))
    console.print(
        f"an iteration: {MILLISECONDS * cost.overhead_s:.3f} ms"
        f" + {MICROSECONDS * (cost.token_s + cost.sequence_s):.1f} us for each that writes"
        f" + {MICROSECONDS * cost.token_s:.1f} us for each token of a prompt"
        f" + {MICROSECONDS * cost.context_s:.3f} us for each token looked back on"
    )
    console.print(
        f"a request: {MILLISECONDS * cost.request_s:.2f} ms of the engine's time, and a delay of "
        f"{MILLISECONDS * profile.delay_s:.2f} ms"
    )
    sources = profiled.limits.sources
    console.print(f"KV cache: {profile.kv_tokens} tokens ({sources['kv_tokens']}), blocks of {profile.block_tokens}")
    fit = profiled.fit
    console.print(
        f"error: {fit.mean_error:.1%} on average, {fit.largest_error:.1%} at most, over {fit.num_measured} flows"
    )
    console.print(f"wrote {output}")


def table_of(profiled: Profiled) -> Table:
    """A row for each flow."""
    table = Table(title=f"{profiled.profile.name}: time of an iteration, measured and by the fit", title_justify="left")
    for column in (
        "requests at once",
        "prompt, tokens",
        "written each",
        "tokens/s",
        "measured, ms",
        "fitted, ms",
        "error",
    ):
        table.add_column(column, justify="right")
    for flow, error in zip(profiled.flows, profiled.errors, strict=True):
        table.add_row(*row_of(flow, error))
    return table


def row_of(flow: Flow, error: float) -> list[str]:
    seconds = flow.measured.seconds
    return [
        str(flow.kind.running),
        f"{flow.read / flow.begun:.0f}",
        f"{flow.written / flow.begun:.0f}",
        f"{flow.written / flow.seconds:.0f}",
        f"{MILLISECONDS * seconds:.2f}",
        f"{MILLISECONDS * seconds * (1 + error):.2f}",
        f"{error:+.1%}",
    ]
