"""What is read from the words of a free-text answer, and what that decides without a model."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynasor.answers.statements import GUARDS, Statement, Wording, read_statement


def verdict(first: str, second: str) -> bool | None:
    """What the guards say of two answers; None where the meaning has to decide."""
    statements = read_statement(first), read_statement(second)
    return next((told for guard in GUARDS if (told := guard(*statements)) is not None), None)


@pytest.mark.parametrize(
    ("answer", "wording", "text"),
    [
        ("The lock is **missing**.", Wording.PROSE, "The lock is missing"),
        ("## Answer\n\n- apples\n- pears", Wording.PROSE, "Answer apples pears"),
        ("see [the manual](https://x.org/y)", Wording.PROSE, "see the manual"),
        (r"\text{the butler}", Wording.PROSE, "the butler"),
        ("It\u2019s   _not_ so", Wording.PROSE, "It's not so"),
        ("Canberra.", Wording.PROSE, "Canberra"),
        ("It prints 'hello'.", Wording.PROSE, "It prints 'hello'"),
        ("12", Wording.NUMBER, "12"),
        ("$1,200.50", Wording.NUMBER, "2401/2"),
        (r"\frac{3}{6}", Wording.NUMBER, "1/2"),
        ("[ x*x for x in xs ]", Wording.SYMBOLS, "code:[x*x for x in xs]"),
        ("`f( 'a  b' )`", Wording.SYMBOLS, "code:f('a  b')"),
        ("```python\nreturn the list\n```", Wording.SYMBOLS, "code:return the list"),
        ("(2, 'axuxa')", Wording.SYMBOLS, "code:(2,'axuxa')"),
        ("", Wording.SYMBOLS, "code:"),
    ],
)
def test_an_answer_is_undressed_and_its_wording_told(answer: str, wording: Wording, text: str) -> None:
    statement = read_statement(answer)
    assert (statement.wording, statement.text) == (wording, text)


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("Twelve apples and 13.5 pears", [12, Fraction(27, 2)]),
        ("one of twenty-one, or twenty one", [21, 21]),
        ("1,234 or 50% or 5 percent", [1234, Fraction(1, 2), Fraction(1, 20)]),
        ("from -5 to 5-7 degrees", [-5, 5, 7]),
        ("it is about CO2 and utf16", [2, 16]),
        ("the tenth often wins", []),
    ],
)
def test_numbers_in_prose(answer: str, numbers: list[Fraction]) -> None:
    assert read_statement(answer).numbers == tuple(numbers)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("It was written by Mary Shelley.", {"mary", "shelley"}),
        ("Mary Shelley.", {"mary", "shelley"}),
        ("The sky is blue. Because I say so.", set()),
        ("It calls open(path, 'a') or prints 'Hello'.", {"`open(path,'a')`", "`Hello`"}),
        ("A `hash_map` is the thing.", {"`hash_map`"}),
        ("don't isn't what they'd say", set()),
    ],
)
def test_names_in_prose(answer: str, names: set[str]) -> None:
    assert read_statement(answer).names == names


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("12 apples are left", "13 apples are left"),
        ("It takes 3 hours and 20 minutes.", "It takes 3 hours and 30 minutes."),
        ("They meet at the point 2, 5", "They meet at the point 5, 2"),
        ("The author is Mary Shelley.", "The author is Percy Shelley."),
        ("Canberra.", "Sydney."),
        ("It prints 'hello'.", "It prints 'Hello'."),
        ("The loop terminates.", "The loop does not terminate."),
        ("The argument is valid.", "The argument is invalid."),
        ("Yes, it is.", "No, it isn't."),
        ("The pressure increases.", "The pressure falls."),
        ("It comes before lunch.", "It comes after lunch."),
        ("[1, 2]", "[1, 3]"),
        ("x * y", "x + y"),
        ("12", "13 apples are left"),
        ("12", "it is not 12 of them"),
        ("12", "there are apples left"),
    ],
)
def test_answers_that_cannot_be_the_same(first: str, second: str) -> None:
    assert verdict(first, second) is False


@pytest.mark.parametrize(
    ("first", "second"),
    [("12", "There are 12 apples."), ("12", "12.0"), ("50%", "$1/2$"), ("[1,2]", "[ 1, 2 ]"), ("`f(x)`", "f(x)")],
)
def test_answers_that_need_no_model_to_be_the_same(first: str, second: str) -> None:
    assert verdict(first, second) is True


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Twelve apples remain", "There are 12 apples left, for 20 - 8 = 12"),
        ("The journey takes 3 hours", "The journey takes long"),
        ("Mary Wollstonecraft Shelley wrote it", "It was Mary Shelley"),
        ("The pressure rises as the volume falls", "The volume falls as the pressure rises"),
        ("It is not valid", "It is invalid"),
        ("Ice is less dense", "Water is denser"),
    ],
)
def test_the_meaning_decides_where_no_guard_can(first: str, second: str) -> None:
    assert verdict(first, second) is None


PARTS = ["The", "rises", "falls", "not", "5", "six", "7%", "Mary", "x=1", "`f(x)`", "'a'", "[1]", "first", "last", "$"]
STATEMENTS = st.builds(
    read_statement,
    st.text() | st.lists(st.sampled_from(PARTS)).map(" ".join),
)


@settings(deadline=None)
@given(STATEMENTS, STATEMENTS)
def test_guards_do_not_care_for_the_order_of_two_answers(first: Statement, second: Statement) -> None:
    assert [guard(first, second) for guard in GUARDS] == [guard(second, first) for guard in GUARDS]


@settings(deadline=None)
@given(STATEMENTS)
def test_no_guard_tells_an_answer_from_itself(statement: Statement) -> None:
    assert False not in [guard(statement, statement) for guard in GUARDS]


@pytest.mark.parametrize(
    "part", ["The 3 foxes. ", "'", '"', "(", "[a](", "\n", "- ", "`", "f(", " 1", "```\n", "a ", "* "]
)
def test_long_answers_take_linear_time(part: str) -> None:
    started = time.process_time()
    statement = read_statement(part * (1_000_000 // len(part)))
    assert time.process_time() - started < 5.0  # quadratic would take hours
    assert len(statement.text) <= 1100
