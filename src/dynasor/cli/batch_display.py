"""What a batch shows: a progress bar (plain lines where there is no terminal) and the table at the end."""

from __future__ import annotations

import time
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from dynasor.batch import Arm, ArmSummary
from dynasor.cli.budget import points
from dynasor.cli.output import LINE_EVERY_S, open_console, show_table
from dynasor.events import DriftSuspected, Event
from dynasor.vocabulary import JSON


class BatchDisplay:
    """Shows an arm's totals as they grow: accuracy and tokens saved so far, rate, time left."""

    def __init__(self, num_questions: int, max_samples: int) -> None:
        self.num_questions = num_questions
        self.max_samples = max_samples
        self.console = open_console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[totals]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._last_line = 0.0

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.progress.stop()

    def report(self, arm: Arm, summary: ArmSummary) -> None:
        now = time.monotonic()
        if arm.name not in self._began:
            self._began[arm.name] = (now, summary.questions)
            self._tasks[arm.name] = self.progress.add_task(arm.name, total=self.num_questions, totals="")
        began, done_before = self._began[arm.name]
        rate = (summary.questions - done_before) / (now - began) if now > began else 0.0
        totals = f"{describe(summary, self.max_samples)}  {rate:.1f} questions/s"
        self.progress.update(self._tasks[arm.name], completed=summary.questions, totals=totals)
        if self.progress.disable:
            self._line(arm, summary, totals, now)

    def hear(self, event: Event) -> None:
        if isinstance(event, DriftSuspected):
            self.console.print(f"[yellow]warning: {event}[/yellow]")

    def _line(self, arm: Arm, summary: ArmSummary, totals: str, now: float) -> None:
        if now - self._last_line >= LINE_EVERY_S or summary.questions in (0, self.num_questions):
            self._last_line = now
            self.console.print(f"{arm.name}  {summary.questions}/{self.num_questions}  {totals}")


def describe(summary: ArmSummary, max_samples: int) -> str:
    """Accuracy so far, and tokens saved against ``max_samples`` samples of the same mean length. Of single chains
    nobody knows how long they would have gone on."""
    parts = []
    if summary.accuracy is not None:
        parts.append(f"accuracy {summary.accuracy:.1%}")
    if summary.tokens["main"] and summary.samples > summary.questions:
        at_cap = summary.questions * max_samples * summary.tokens["main"] / summary.samples
        parts.append(f"tokens saved {max(0.0, 1 - summary.tokens.total() / at_cap):.0%}")
    if summary.failed:
        parts.append(f"failed {summary.failed}")
    return "  ".join(parts)


def show_summary(summary: JSON) -> None:
    console = open_console()
    arms: dict[str, JSON] = summary["arms"]
    table = Table(title="batch", title_justify="left")
    table.add_column("")
    for name in arms:
        table.add_column(name, justify="right")
    for label, cells in _rows(list(arms.values())):
        table.add_row(label, *cells)
    show_table(console, table)
    for line in (*_budget(summary), *_comparison(summary)):
        console.print(line)


def _rows(arms: list[JSON]) -> list[tuple[str, list[str]]]:
    rows = [
        ("questions", [f"{arm['questions']}" for arm in arms]),
        ("answered", [f"{arm['answered']}" for arm in arms]),
        ("failed", [f"{arm['failed']}" for arm in arms]),
    ]
    if all("accuracy" in arm for arm in arms):
        rows.append(("accuracy", [f"{arm['accuracy']:.1%}" for arm in arms]))
        rows.append(("  95 % interval", ["{:.1%} to {:.1%}".format(*arm["accuracy_interval"]) for arm in arms]))
    rows.append(("samples per question", [f"{arm['samples_per_question']:.1f}" for arm in arms]))
    rows.append(("tokens per question", [f"{arm['tokens_per_question']['total']:.0f}" for arm in arms]))
    for kind in ("main", "probe", "score", "cancelled"):
        counts = [arm["tokens_per_question"].get(kind, 0) for arm in arms]
        if any(counts):
            rows.append((f"  {kind}", [f"{count:.0f}" for count in counts]))
    reasons = sorted({reason for arm in arms for reason in arm["stop_reasons"]})
    for reason in reasons:
        rows.append((f"stopped: {reason}", [f"{arm['stop_reasons'].get(reason, 0)}" for arm in arms]))
    rows.append(("wall-clock", [f"{arm['wall_clock_s']:.1f} s" for arm in arms]))
    return rows


def _budget(summary: JSON) -> list[str]:
    """What became of a budget, and what the same total would have done if every question had got the same."""
    budget = summary.get("budget")
    if budget is None:
        return []
    share = f"({budget['share_spent']:.1%})"
    lines = [f"spent of the budget: {budget['spent']} of {budget['total']:g} {budget['unit']} {share}"]
    even = budget.get("even_split")
    if even is not None:
        lines.append(
            f"the same total split evenly, {even['samples_per_question']:.2f} samples for every question: "
            f"{even['accuracy']:.1%}; the budget is {points(even['difference'])}"
        )
    return lines


def _comparison(summary: JSON) -> list[str]:
    if "token_saving" not in summary:
        return []
    lines = [f"tokens saved against the fixed cap: {summary['token_saving']:.1%}"]
    if "accuracy_difference" in summary:
        lines.append(f"accuracy difference: {100 * summary['accuracy_difference']:+.1f} points")
    even = summary.get("even_allocation")
    if even is None:
        return lines
    if even["samples"] is None:
        largest = len(even["accuracy_by_samples"])
        lines.append(
            f"no even allocation up to {largest} samples reaches this accuracy ({largest}: {even['accuracy']:.1%}); "
            f"tokens saved against {largest}: {even['token_saving']:.1%}"
        )
    else:
        samples = "1 sample" if even["samples"] == 1 else f"{even['samples']} samples"
        lines.append(
            f"an even allocation needs {samples} per question for this accuracy "
            f"({even['accuracy']:.1%}); tokens saved against that: {even['token_saving']:.1%}"
        )
    return lines
