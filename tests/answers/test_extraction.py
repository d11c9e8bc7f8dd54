"""Literal texts and the answers in them."""

from __future__ import annotations

import time

import pytest

from dynasor.answers.extraction import AnswerStyle, extract, read_prefix

MATH = [
    (r"so \boxed{42}.", "42"),
    (r"\boxed{1} and then \boxed{2}", "2"),
    (r"\fbox{7}", "7"),
    (r"\boxed {7}", "7"),
    (r"\\boxed{7}", "7"),
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
    (r"\boxed{\left\{ x \mid x > \frac{1}{2} \right.}", r"\left\{ x \mid x > \frac{1}{2} \right."),
    (r"a stray { and \boxed{3} and a stray }", "3"),
    (r"\boxed{outer \boxed{5}}", "5"),
    (r"first \boxed{3}, cut off in \boxed{4", "3"),
    (r"cut off in \boxed{\frac{1}{2}", r"\frac{1}{2}"),
    (r"\boxed{} the answer is 9.", "9"),
    ("The answer is 3.14.", "3.14"),
    ("The answer is 5. Then I had 7 more.", "5"),
    ("the answer is: **18**.", "18"),
    ("**The answer is 18.**", "18"),
    ("**Answer:** 18 dollars", "18 dollars"),
    ("Final Answer:\n\n$18", "$18"),
    (r"The answer is $\frac{1}{2}$ since half is left.", r"\frac{1}{2}"),
    (r"The answer is \(x^2\).", "x^2"),
    ("The answer is\n\\[\n\\sqrt{2}\n\\]", r"\sqrt{2}"),
    ("The answer is $2$ or $3$.", "$2$ or $3$"),
    ("The answer is $18 per day, not $20.", "$18 per day, not $20"),
    ("The answer is 5!.", "5!"),
    ("The answer is 5 because 2 + 3 is.", "5"),
    ("The answer is 4. No: the answer is 5.", "5"),
    ("Janet has 3 eggs.\n#### 1,234", "1,234"),
    ("I get 12 then 3/4", "3/4"),
    ("that leaves 1,234.50 dollars.", "1,234.50"),
    ("a change of -5", "-5"),
    ("so 7-5", "5"),
    ("that is 50%", "50%"),
    ("it costs $5", "$5"),
    (r"half, \frac{1}{2} of it", r"\frac{1}{2}"),
    ("the 3rd of them has 12 and x2", "12"),
    ("version 1.2.3", "1.2"),
    ("no number here", None),
    ("", None),
]

CHOICE = [
    (r"\boxed{C}", "C"),
    (r"\boxed{\text{(C)}}", "C"),
    (r"\boxed{C) 42}", "C"),
    ("the answer is (C)", "C"),
    ("The answer is (c).", "C"),
    ("answer: C", "C"),
    ("**Answer:** **B**", "B"),
    ("The correct answer is option D.", "D"),
    ("The answer choice is J", "J"),
    (r"The answer is $\textbf{(E)}$", "E"),
    ("The answer is A because it is.", "A"),
    ("The answer is A. No, the answer is B.", "B"),
    ("I think so.\n(C)", "C"),
    ("I think so.\nd", "D"),
    ("It must be (B) 20, not (C) 30", "C"),
    ("the answer is a number", None),
    ("The answer is I think unclear", None),
    ("The answer is Denver", None),
    (r"\boxed{42}", None),
    ("K", None),
    ("", None),
]

EXACT = [
    (r"\boxed{[1,  2]}", "[1, 2]"),
    ("The answer is 11/22/2001.", "11/22/2001"),
    ("so\n#### 'a  b'", "'a b'"),
    ("first line\n  last   line \n\n", "last line"),
    ("\n \n", None),
]


SEMANTIC = [
    (r"So it is \boxed{\text{the butler}}, I think.", r"\text{the butler}"),
    ("The answer is that the lock is missing.", "that the lock is missing"),
    (
        "I think.\n\n**Final answer:**\nThe lock is missing,\nso it fails.\n\nAsk me more!",
        "The lock is missing,\nso it fails",
    ),
    ("Answer:\n```python\nx = 1\n\nprint(x)\n```\nIt prints 1.", "```python\nx = 1\n\nprint(x)\n```"),
    ("First this.\n\nTherefore the loop\nnever ends.\n", "Therefore the loop\nnever ends."),
    ("I write:\n\n```\nx = 1\n\ny = 2\n```\n", "```\nx = 1\n\ny = 2\n```"),
    ("Because air scatters blue light.", "Because air scatters blue light."),
    ("so it goes. " * 100 + "It ends.", "goes. " + "so it goes. " * 82 + "It ends."),
    ("the answer is " + "yes and " * 500, ("yes and " * 125).strip()),
    (" \n", None),
]


@pytest.mark.parametrize(("text", "answer"), SEMANTIC)
def test_semantic(text: str, answer: str | None) -> None:
    assert extract(text, AnswerStyle.SEMANTIC) == answer


@pytest.mark.parametrize(("text", "answer"), MATH)
def test_math(text: str, answer: str | None) -> None:
    assert extract(text) == answer


@pytest.mark.parametrize(("text", "answer"), CHOICE)
def test_choice(text: str, answer: str | None) -> None:
    assert extract(text, AnswerStyle.CHOICE) == answer


@pytest.mark.parametrize(("text", "answer"), EXACT)
def test_exact(text: str, answer: str | None) -> None:
    assert extract(text, AnswerStyle.EXACT) == answer


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("42} and more}", "42"),
        (r"\frac{1}{2}} so", r"\frac{1}{2}"),
        (r"\{1\}}", r"\{1\}"),
        ("42", None),
        (r"\frac{1}{2}", None),
        ("} x", ""),
    ],
)
def test_prefix_ends_at_the_first_unpaired_brace(text: str, inside: str | None) -> None:
    assert read_prefix(text) == inside


MEGABYTE = 1_000_000
LONG = {
    "prose": "The 3 quick foxes. " * (MEGABYTE // 19),
    "digits": "9" * MEGABYTE,
    "digit groups": "123," * (MEGABYTE // 4),
    "spaces": "5" + " " * MEGABYTE + "/",
    "backslashes": "\\" * MEGABYTE,
    "boxes never closed": r"\boxed{" * (MEGABYTE // 7),
    "braces": "{" * 10_000 + "}" * 10_000,
    "boxed braces": r"\boxed{" + "{" * 10_000 + "5" + "}" * 10_000 + "}",
    "answers": "answer: " * (MEGABYTE // 8),
    "answers on lines": "answer:\n" * (MEGABYTE // 8),
    "dollars": "the answer is $" * (MEGABYTE // 15),
    "periods": "the answer is " + "." * MEGABYTE,
    "stars": "*" * MEGABYTE,
    "dashes": "-" * MEGABYTE,
    "parentheses": "(A" * (MEGABYTE // 2),
}


@pytest.mark.parametrize("name", LONG)
def test_long_texts_take_linear_time(name: str) -> None:
    started = time.process_time()
    for style in AnswerStyle:
        extract(LONG[name], style)
    read_prefix(LONG[name])
    assert time.process_time() - started < 5.0  # quadratic would take hours
