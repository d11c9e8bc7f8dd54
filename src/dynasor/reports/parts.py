"""What a report is made of: plain data. How it looks is the page's affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dynasor.vocabulary import JSON

Form = Literal["text", "count", "number", "share", "percent", "points", "seconds", "yes-no"]
"""How a value is written: ``share`` is a fraction with three digits, ``percent`` the same in hundredths, ``points`` a
difference of two; None is a dash."""
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number to be seen first, with a few words below it."""

    label: str
    value: Value
    form: Form = "number"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """A row of figures."""

    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, or of the table of questions."""

    name: str
    form: Form = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``rows`` have a value for each column."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    notes: Sequence[str] = ()
    is_upright: bool = False
    """Show the columns below each other, and a row as a column: for few rows with much in them."""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or the bars of one colour. ``values`` are the bars' heights, one for each of the chart's labels, or
    points (x, y)."""

    name: str
    values: Sequence[float | None] | Sequence[tuple[float, float]]
    is_reference: bool = False
    """What others are compared with, drawn with dashes."""
    has_line: bool = True


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over ``labels``, or lines. ``summary`` says in words what is to be seen: it stands for the picture where
    that cannot be. The numbers are shown as a table besides."""

    title: str
    kind: Literal["bar", "line"]
    series: Sequence[Series]
    summary: str
    x_label: str
    y_label: str
    labels: Sequence[str] = ()
    x_form: Form = "number"
    y_form: Form = "number"
    is_stacked: bool = False
    has_diagonal: bool = False
    """Draw the line on which x and y are equal."""
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class QuestionTable:
    """All questions, to be searched, sorted and paged. ``rows`` begin with the id; ``details`` have what is shown of a
    question that is opened, by name, in the order of the rows."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    details: Sequence[Mapping[str, str]] = ()
    filter_by: str | None = None
    """The column by whose values rows can be chosen."""
    notes: Sequence[str] = ()


Part = Figures | Table | Chart | QuestionTable


def percent(share: float) -> str:
    """A share in words, which no line is broken within."""
    return f"{100 * share:.1f}\u00a0%"


def part_to_json(part: Part) -> JSON:
    """As the page reads it."""
    plain: dict[str, Any] = asdict(part)
    return {"part": type(part).__name__, **plain}
