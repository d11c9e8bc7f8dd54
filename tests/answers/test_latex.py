"""Spelling answers for the parser, and taking their wrappers off."""

from __future__ import annotations

import pytest

from dynasor.answers.latex import as_latex
from dynasor.answers.spelling import bare

LATEX = [
    ("√3 + 1", r"\sqrt{3} + 1"),
    ("sqrt(x + (1))/2", r"\sqrt{x + (1)}/2"),
    ("sqrt(sqrt(2))", r"\sqrt{\sqrt{2}}"),
    (r"\sqrt 51", r"\sqrt{51}"),
    (r"\sqrt{51}", r"\sqrt{51}"),
    (r"\sqrt(2", r"\sqrt(2"),
    ("x**2", "x^2"),
    ("2pi r", r"2\pi  r"),
    ("2 pi r", r"2 \pi  r"),
    ("sin(x)", r"\sin (x)"),
    (r"30^\circ", "30"),
    (r"2\pi \text{ cm}^2", r"2\pi"),
    ("2\\sqrt{3} square units", r"2\sqrt{3}"),
    ("x = 1 or x = 2", "x = 1 or x = 2"),
    (r"x=1 \text{ or } x=2", r"x=1 \text{ or } x=2"),
]

BARE = [
    ("$5$", "5"),
    (r"\[ \boxed{\text{5}} \]", "5"),
    (r"\left( 1, 2 \right)", "( 1, 2 )"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
    ("{a} + {b}", "{a} + {b}"),
    ("$5 and $6", "$5 and $6"),
    ("$2$ or $3$", "$2$ or $3$"),
    ("5...", "5..."),
    (" ", ""),
]


@pytest.mark.parametrize(("text", "latex"), LATEX)
def test_as_latex(text: str, latex: str) -> None:
    assert as_latex(text) == latex


@pytest.mark.parametrize(("answer", "text"), BARE)
def test_bare(answer: str, text: str) -> None:
    assert bare(answer) == text
