"""What a replay shows: a table for each trace."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from dynasor.cli.budget import points
from dynasor.cli.output import open_console, show_table
from dynasor.replay.traces import CHARS_PER_TOKEN
from dynasor.vocabulary import JSON


def show_scores(rows: Sequence[JSON]) -> None:
    console = open_console()
    for _, of_trace in itertools.groupby(rows, key=lambda row: row["trace"]):
        show_table(console, table_of(list(of_trace)))
    console.print(LEGEND)


LEGEND = """\
points    accuracy against the whole cap
saved     samples, against the whole cap
agreement how often the answer is that of the whole cap
even      fewest samples, the same for every question, that reach the accuracy
±         spread over the shuffles"""


def table_of(rows: Sequence[JSON]) -> Table:
    """The allocators on one trace."""
    title = f"{rows[0]['trace']}: {rows[0]['questions']} questions, at most {rows[0]['max_samples']} samples each"
    table = Table(title=escape(title), title_justify="left", caption="\n".join(notes(rows)), caption_justify="left")
    table.add_column("allocator", overflow="fold")
    for name in ("accuracy", "points", "samples", "saved", "agreement", "even"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: JSON) -> list[str]:
    is_marked = row["accuracy"] is not None
    even = row["even_samples_at_equal_accuracy"]
    return [
        escape(row["allocator"]).replace(":", "\n  ").replace(",", "\n  "),
        f"{row['accuracy']:.1%}{_spread(row['accuracy_std'], '.1%')}" if is_marked else "-",
        f"{100 * (row['accuracy'] - row['fixed_accuracy']):+.2f}" if is_marked else "-",
        f"{row['samples_per_question']:.1f}",
        f"{row['saved']:.0%}",
        f"{row['agreement']:.3f}{_spread(row['agreement_std'], '.3f')}",
        "-" if even is None else f"{even}",
    ]


def _spread(value: float | None, digits: str) -> str:
    return "" if value is None else f" ±{value:{digits}}"


def notes(rows: Sequence[JSON]) -> list[str]:
    """What a reader must know about one trace."""
    first = rows[0]
    found = []
    if first["fixed_accuracy"] is None:
        found.append("no question is marked right or wrong throughout: accuracy is not known")
    elif (marked := first["marked_questions"]) < first["questions"]:
        found.append(f"accuracy is over the {marked} questions that are marked throughout")
    if below := first["questions_below_max_samples"]:
        found.append(
            f"{below} of {first['questions']} questions have fewer samples recorded; all of those are their cap"
        )
    if any(row["judged_tokens"] == "chars" for row in rows):
        found.append(f"tokens are not recorded; {CHARS_PER_TOKEN} characters count as one")
    found += [
        f"{row['allocator']}: the same total split evenly gets {row['even_accuracy']:.1%}; the budget is "
        f"{points(row['difference'])}"
        for row in rows
        if row.get("difference")
    ]
    return found
