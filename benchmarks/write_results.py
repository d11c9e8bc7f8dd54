"""docs/results.md and its figures, from the stored results: ``python -m benchmarks.write_results``.

Every number in it is of a file in ``benchmarks/results``; a result that is not there has no section. Run it after any
benchmark.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orjson

from benchmarks import online_page, result_pages, rivals_report
from benchmarks.http_load import Figures
from benchmarks.passthrough_report import Cell, Measured, Results, report
from benchmarks.result_figures import accuracy_figure, batch_figure, online_figure, scale_figure
from benchmarks.scale_page import fidelity_of, of_spending, scale
from benchmarks.targets import saved_at_equal_accuracy
from dynasor.vocabulary import JSON

HEAD = """\
# Results

What was measured, from the files in [`benchmarks/results`](../benchmarks/results), by `python -m
benchmarks.write_results`; no number here is typed by hand. How each is measured, and how to repeat it, is in
[benchmarks](benchmarks.md)."""


def passthrough(result: JSON) -> Iterator[str]:
    """The section on requests that are passed through."""
    yield "## Requests passed through"
    yield ""
    machine = result["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    yield f"{machine['cores']} cores of {machine['processor']}; {versions} (`python -m benchmarks.passthrough`)."
    yield ""
    measured = [
        Measured(**{**each, "cell": Cell(**each["cell"]), "figures": Figures(**each["figures"])})
        for each in result["measured"]
    ]
    yield from report(Results(measured))


def fidelity(result: JSON) -> Iterator[str]:
    """The section on how close the simulator is. The benchmark that measured it stores its rows as they are to be
    shown."""
    yield "## The simulator against a real engine"
    yield ""
    yield from result.get("lines", ())
    if rows := result.get("rows"):
        highest = max(rows, key=lambda row: float(row["load"]))
        yield ""
        yield (
            f"So few programs come ({result['setting']['programs']}) that hardly a queue builds up, at the highest "
            f"load too: there {highest['real']['programs_per_s']:.2f} were answered a second, of "
            f"{result['saturated']['programs_per_s']:.2f} where all come at once. What overload does to latencies is "
            "not covered. Each run has a profile of its own, fitted just before and after it, for the machine's "
            "speed drifts."
        )


def batch(result: JSON) -> Iterator[str]:
    """The section on tokens and accuracy without load, with what was asked of it."""
    yield from result_pages.batch_head()
    yield ""
    yield from saved_at_equal_accuracy(result["workloads"])
    for name, found in result["workloads"].items():
        yield ""
        yield from result_pages.batch_workload(name, found, result["runs"][name])


SECTIONS: Mapping[str, Callable[[JSON], Iterator[str]]] = {
    "online": online_page.online,
    "batch": batch,
    "rivals": rivals_report.section,
    "fidelity": fidelity,
    "scale": scale,
    "passthrough": passthrough,
    "algorithms": result_pages.algorithms,
    "budget": result_pages.budget,
}
"""By the name of the file; in this order."""


def page(results: Path) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, section in SECTIONS.items():
        path = results / f"{name}.json"
        if path.exists():
            result = orjson.loads(path.read_bytes())
            if name == "scale":
                result["fidelity"] = fidelity_of(results)
            parts.append("\n".join(section(result)))
    return "\n\n".join(parts) + "\n"


def draw(results: Path, figures: Path) -> None:
    """The figures that the page shows."""
    for file, figure in (("online", online_figure), ("batch", batch_figure)):
        path = results / f"{file}.json"
        if path.exists():
            result = orjson.loads(path.read_bytes())
            for name, found in result["workloads"].items():
                figure(name, found, figures / f"{file}-{name}.svg")
            if file == "online":
                for name, rows in online_page.spending(result).items():
                    accuracy_figure(rows, figures / f"online-accuracy-{name}.svg")
    if (path := results / "scale.json").exists():
        study = orjson.loads(path.read_bytes())
        scale_figure(study, figures / "scale-ratios.svg")
        if spending := of_spending(study["scenarios"]):
            served = {name: found["served"] for name, found in spending.items()}
            accuracy_figure(served, figures / "scale-accuracy.svg", note=" (simulated)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--output", type=Path, default=Path("docs/results.md"))
    given = parser.parse_args()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(page(given.results))
    draw(given.results, given.output.parent / "figures")
    print(given.output)


if __name__ == "__main__":
    main()
