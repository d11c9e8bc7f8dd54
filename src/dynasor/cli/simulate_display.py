"""What a simulation shows: a column for each arm, and the latencies as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from dynasor.cli.latency_figure import draw_latencies
from dynasor.cli.output import open_console, show_table
from dynasor.simulation.report import Outcome
from dynasor.vocabulary import JSON


def show_simulation(report: JSON) -> None:
    console = open_console()
    copies = f"{report['replicas']} x " if report["replicas"] > 1 else ""
    limit = f", {report['capacity']} requests at once" if report["capacity"] else ""
    title = f"{report['programs']} programs on {copies}{report['engine_profile']}{limit}"
    show_table(console, table_of(title, report["arms"], with_replicas=True))
    for name in dict.fromkeys(name for arm in report["arms"] for name in arm["streams"]):
        arms = [{"arm": arm["arm"], **arm["streams"][name]} for arm in report["arms"] if name in arm["streams"]]
        show_table(console, table_of(f"of these, {name}", arms))
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
    draw_latencies({outcome.arm: outcome.whole.latency_s for outcome in outcomes}, path)
