"""``dynasor questions``: the question sets that ship with the embedded model."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from dynasor.models.question_sets import Split, question_lines


def questions(
    split: Annotated[Split, typer.Option(help="Which of the three sets, which share no computation.")] = Split.TEST,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many; levels take turns.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. [default: standard output]")
    ] = None,
) -> None:
    """Print a shipped question set as JSON lines, ready for `dynasor batch`.

    Example: `dynasor questions --split test --limit 200 --output questions.jsonl`
    """
    lines = "\n".join(itertools.islice(question_lines(split), limit))
    if output is None:
        typer.echo(lines)
    else:
        output.write_text(lines + "\n")
