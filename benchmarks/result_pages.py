"""Pieces of docs/results.md: each is made of one stored result and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.algorithms import table as algorithm_table
from dynasor.vocabulary import JSON

ARM_NAMES = {
    "engine": "the engine alone",
    "gang": "gang only",
    "paper": "the paper's system",
    "dynasor": "Dynasor",
}


def spread(found: JSON | None, digits: int = 2) -> str:
    """A mean over repetitions, and between which values they lay."""
    if found is None:
        return "-"
    values = (f"{found[name]:.{digits}f}" for name in ("mean", "lowest", "highest"))
    mean, lowest, highest = values
    mark = bound_mark(found.get("bounds", ()))
    return f"{mark}{mean} ({lowest} to {highest})"


def bound_mark(bounds: Sequence[str]) -> str:
    """What stands before a number that some repetitions only bound."""
    marks = {"at least": "≥ ", "at most": "≤ ", "unknown": "? "}
    known = [marks[bound] for bound in bounds if bound in marks]
    return known[0] if len(set(known)) == 1 else ("? " if known else "")


def percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def interval_of(found: JSON, digits: int = 1) -> str:
    low, high = found["interval"]
    return f"{percent(found['mean'], digits)} [{percent(low, digits)}, {percent(high, digits)}]"


def where(result: JSON) -> str:
    """The machine and the versions in a sentence."""
    return f"Measured on {machine_of(result)}; {versions_of(result)}."


def machine_of(result: JSON) -> str:
    machine = result["machine"]
    cores = f"{machine['cores']} core" + ("s" if machine["cores"] != 1 else "")
    return f"{cores} of {machine['processor']} ({machine['system']})"


def versions_of(result: JSON) -> str:
    return ", ".join(f"{name} {number}" for name, number in result["versions"].items())


def accuracy_against_rate(rows: Mapping[str, Mapping[str, JSON]], names: Mapping[str, str]) -> Iterator[str]:
    """A table of knees and accuracies: what was served, by arm, in each row."""
    arms = [arm for arm in ARM_NAMES if any(arm in served for served in rows.values())]
    yield f"| programs/s, accuracy (95 %) | {' | '.join(names[arm] for arm in arms)} |"
    yield "|---" * (1 + len(arms)) + "|"
    for name, served in rows.items():
        cells = [
            f"{spread(served[arm]['knee'])}, {interval_of(served[arm]['accuracy'])}" if arm in served else "-"
            for arm in arms
        ]
        yield f"| {name} | {' | '.join(cells)} |"


def batch_head() -> Iterator[str]:
    """How the section on the batch benchmark begins."""
    yield "## Tokens and accuracy, without load"
    yield ""
    yield (
        "Every rule answers the same test questions with the same seeds. The even split gives every question the same; "
        "*saved at equal accuracy* is against its cheapest cap that is as accurate, chosen anew in every bootstrap "
        "sample of the questions. 95 % intervals."
    )


def batch_workload(name: str, found: JSON, run: JSON) -> Iterator[str]:
    """Its part on one program."""
    yield f"### {name}, at most {found['cap']}"
    yield ""
    engine = f"{run['engine']['kind']}, {run['engine']['model']}"
    yield f"{run['questions']} questions, on {engine}. {where(run) if 'machine' in run else ''}".rstrip()
    yield ""
    yield (
        "| rule | cap | accuracy | tokens a question | seconds | saved against the cap | points against the cap "
        "| saved at equal accuracy |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for each in found["rules"]:
        yield f"| {' | '.join(rule_cells(each, with_time=run['is_timed']))} |"
    yield ""
    yield f"![Tokens against accuracy](figures/batch-{name}.svg)"
    yield ""
    yield f"`{run['command']}`"


def rule_cells(each: JSON, *, with_time: bool) -> list[str]:
    cells = [each["rule"], str(each["cap"]), percent(each["accuracy"]), f"{each['tokens']:.0f}"]
    cells.append("replayed" if each["is_replayed"] else f"{each['seconds']:.0f}" if with_time else "-")
    if "against_cap" not in each:
        return [*cells, "", "", ""]
    against, equal = each["against_cap"], each["at_equal_accuracy"]
    low, high = against["accuracy_interval"]
    points = f"{100 * against['accuracy']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
    rival = "none is" if equal["cap"] is None else f"cap {equal['cap']}"
    return [*cells, saved(against), points, f"{rival}: {saved(equal)}"]


def saved(found: JSON) -> str:
    low, high = found["saved_interval"]
    return f"{percent(found['saved'])} [{percent(low)}, {percent(high)}]"


def algorithms(result: Mapping[str, JSON]) -> Iterator[str]:
    """The section on all algorithms with the embedded engine."""
    yield "## Every algorithm on the embedded engine"
    yield ""
    yield "`python -m benchmarks.algorithms`"
    for report in result.values():
        yield ""
        yield algorithm_table(report)


def budget(result: JSON) -> Iterator[str]:
    """The section on a total that questions share."""
    yield "## A budget for all questions together"
    yield ""
    yield (
        f"{result['questions']} questions share a total; against the even split of the same total, question by "
        "question (`python -m benchmarks.budget`)."
    )
    yield ""
    yield "| samples a question | unit | accuracy | even split | difference, points (95 %) |"
    yield "|---|---|---|---|---|"
    for each in result["budgets"]:
        even = each["even_split"]
        low, high = even["difference"]["interval"]
        difference = f"{100 * even['difference']['mean']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        cells = [
            f"{each['even_samples']}",
            each["unit"],
            percent(each["accuracy"]),
            percent(even["accuracy"]),
            difference,
        ]
        yield f"| {' | '.join(cells)} |"
