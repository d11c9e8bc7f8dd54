"""``dynasor simulate``: what a workload would meet on engines that need not be there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dynasor.cli.options import JsonOption
from dynasor.cli.output import Steps, check_all_can_be_written, print_json
from dynasor.cli.report import ReportOption, write_report
from dynasor.cli.simulate_display import draw, show_simulation
from dynasor.cli.simulate_options import ArmOptions, LoadOptions, SiteOptions
from dynasor.cli.spreading import with_options
from dynasor.events import Event
from dynasor.reports import simulation_report
from dynasor.simulation.report import Outcome
from dynasor.simulation.simulate import Arm, Site
from dynasor.simulation.simulate import simulate as simulate_arm
from dynasor.simulation.workloads import Stream, arrivals, describe
from dynasor.vocabulary import JSON

EventTold = Callable[[float, Event], None]


@with_options
def simulate(
    load: LoadOptions,
    arms: ArmOptions,
    site: SiteOptions,
    events: Annotated[Path | None, typer.Option(help="Write every event to this file, JSON lines.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw the latencies into this file (needs the extra `figures`).")
    ] = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a workload by the real scheduler and runtime, on a virtual clock with simulated engines.

    Example: `dynasor simulate --rate 20 --slo 10 --policy gang --policy sjf -a fixed -a agreement`
    """
    workload = load.make()
    where, ways = site.make(workload), arms.make()
    check_all_can_be_written({"--events": events, "--figure": figure, "--report": report})
    outcomes = run_all(where, ways, workload.streams, load.programs, load.seed, events)
    if figure is not None:
        draw(outcomes, figure)
    result = result_of(where, workload.streams, load.programs, load.seed, outcomes)
    if as_json:
        print_json(result)
    else:
        show_simulation(result)
    if report is not None:
        write_report(simulation_report(result), report)


def run_all(
    site: Site, arms: Sequence[Arm], streams: Sequence[Stream], num_programs: int, seed: int, events: Path | None
) -> list[Outcome]:
    """Every arm on the same arrivals."""
    outcomes = []
    with event_log(events) as told, Steps() as steps:
        for arm in arms:
            listener = None if told is None else told(arm.name)
            advance = steps.add(arm.name, num_programs)
            coming = arrivals(streams, num_programs, seed)
            outcomes.append(simulate_arm(site, arm, coming, listener=listener, advance=advance))
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


def result_of(site: Site, streams: Sequence[Stream], num_programs: int, seed: int, outcomes: Sequence[Outcome]) -> JSON:
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
