"""Reports of the online benchmark: what they are called, made anew from raw results, and all of them as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from dynasor.bench.cells import Cell, Judge
from dynasor.bench.deadlines import difficulty
from dynasor.bench.report import report as workload_reports
from dynasor.bench.workloads import ENGINE, OURS
from dynasor.vocabulary import JSON

PROGRAMS = ("self-consistency", "rebase", "mcts", "chain-of-thought")
COMMON = ("versions", "engine", "engine_options")
OF_A_RUN = (
    *("command", "started_by", "machine", "conditions", "settings", "sustained", "alone_s", "difficulties"),
    *("is_complete", "peak_memory_mib"),
)
"""Members of a report that are the same for all programs, and those that may differ."""


def name_of(program: str, caps: Mapping[str, int]) -> str:
    """What results are called: after the program, with its cap where that is not its own."""
    return f"{program}-{caps[program]}" if program in caps else program


def program_of(name: str) -> str:
    """A workload is called after its program, with a cap that is not its own behind it."""
    return re.sub(r"-\d+$", "", name)


def reports_in(results: Path) -> dict[str, Path]:
    """By name, as far as there are any; a program at its own cap before others."""
    found = {path.stem: path for path in results.glob("*.json") if program_of(path.stem) in PROGRAMS}
    return dict(sorted(found.items(), key=lambda each: (PROGRAMS.index(program_of(each[0])), each[0])))


def merged(reports: Mapping[str, JSON]) -> JSON:
    """The reports as one, each on one program: what all have in common, ``workloads``, and how each was run.

    Raises:
        ValueError: they are of different versions or engines.
    """
    first = next(iter(reports.values()))
    for name, report in reports.items():
        for common in COMMON:
            if report[common] != first[common]:
                raise ValueError(
                    f"{common} of {name} is {report[common]}; {first[common]} as of the others was expected"
                )
    return {
        **{common: first[common] for common in COMMON},
        "machine": together([report["machine"] for report in reports.values()]),
        "is_complete": set(reports) >= set(PROGRAMS) and all(report["is_complete"] for report in reports.values()),
        "peak_memory_mib": max(report["peak_memory_mib"] for report in reports.values()),
        "workloads": {name: found for name, report in reports.items() for found in report["workloads"].values()},
        "runs": {name: {what: report.get(what) for what in OF_A_RUN} for name, report in reports.items()},
    }


def together(machines: Sequence[JSON]) -> JSON:
    """What the runs had: the same, or all of what differs; each run has its own."""
    return {
        what: values[0] if len(values) == 1 else values
        for what in machines[0]
        if (values := list(dict.fromkeys(machine[what] for machine in machines)))
    }


def write_merged(results: Path, output: Path) -> None:
    """All reports together."""
    reports = {name: orjson.loads(path.read_bytes()) for name, path in reports_in(results).items()}
    if reports:
        write(output, merged(reports))


def write(path: Path, content: JSON) -> None:
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def made_anew(report: JSON, raw: Path, name: str) -> JSON:
    """``report`` with what it says of its workload computed again from the raw results."""
    lines = [orjson.loads(line) for line in raw.read_bytes().splitlines()]
    program = program_of(name)
    trials = next(line for line in lines if line["kind"] == "trials")
    difficulties = {id: difficulty(num_right, trials["of"]) for id, num_right in trials["right"].items()}
    judge = Judge({program: report["workloads"][program]["base_deadline_s"]}, difficulties)
    cells = [Cell.of_json(line) for line in lines if line["kind"] == "cell"]
    sustained: float = report["sustained"]["tokens_per_s"]
    found = workload_reports(cells, judge, baseline=ENGINE, subject=OURS, sustained_tokens_per_s=sustained)
    return report | {"workloads": found}
