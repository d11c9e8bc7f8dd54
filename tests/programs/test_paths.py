"""Solutions cut into steps: where a step ends, what it cost, and that no character is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor.programs.paths import Path, Step, step_end, steps_of
from dynasor.vocabulary import FinishReason, TokenLogprob


@pytest.mark.parametrize(
    ("text", "delimiter", "end"),
    [
        ("", "\n", None),
        ("one", "\n", None),
        ("one\n", "\n", 4),
        ("one\ntwo\n", "\n", 4),
        ("\n\n", "\n", None),
        ("\none\ntwo", "\n", 5),
        ("one\n", "\n\n", None),
        ("one\n\ntwo", "\n\n", 5),
        ("\n\none\n\ntwo", "\n\n", 7),
        ("one Step 2: two", "Step ", 9),
        ("Step 1: one", "Step ", None),
    ],
)
def test_a_step_ends_after_the_first_delimiter_behind_something_that_is_not_blank(
    text: str, delimiter: str, end: int | None
) -> None:
    assert step_end(text, delimiter) == end


def texts_of(text: str, delimiter: str = "\n", num_tokens: int = 10) -> list[str]:
    return [step.text for step in steps_of(Step(text, num_tokens), delimiter)]


def test_a_text_falls_into_its_steps() -> None:
    assert texts_of("one\ntwo\n\nthree") == ["one\n", "two\n", "\nthree"]
    assert texts_of("one\n") == ["one\n"]
    assert texts_of("one\n \n") == ["one\n \n"]
    assert texts_of("") == []


@given(st.text(alphabet="ab \n"), st.sampled_from(["\n", "\n\n", "b"]), st.integers(0, 40))
def test_steps_joined_are_the_text_and_its_tokens(text: str, delimiter: str, num_tokens: int) -> None:
    steps = list(steps_of(Step(text, num_tokens), delimiter))
    assert "".join(step.text for step in steps) == text
    assert sum(step.num_tokens for step in steps) == (num_tokens if text else 0)
    assert all(step.text.strip() for step in steps[:-1])


def tokens(*texts: str) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(text, -0.5) for text in texts)


def test_log_probabilities_are_cut_where_the_text_is() -> None:
    logprobs = tokens("The", " cat", ".\n", "It", " sleeps", ".")
    first, second = steps_of(Step("The cat.\nIt sleeps.", 6, logprobs), "\n")
    assert (first.num_tokens, first.logprobs) == (3, logprobs[:3])
    assert (second.num_tokens, second.logprobs) == (3, logprobs[3:])


def test_a_token_that_is_cut_through_belongs_to_the_first_part() -> None:
    first, second = Step("one\n\ntwo", 3, tokens("one", "\n\n", "two")).cut(4)
    assert (first.text, first.num_tokens, second.text, second.num_tokens) == ("one\n", 2, "\ntwo", 1)


def test_without_log_probabilities_tokens_are_shared_out_in_proportion() -> None:
    first, second = Step("12345678\n1", 5).cut(9)
    assert (first.num_tokens, second.num_tokens) == (5, 0)
    first, second = Step("1234\n12345", 4).cut(5)
    assert (first.num_tokens, second.num_tokens) == (2, 2)


def test_a_path_is_its_steps_and_dies_when_it_is_cut_off() -> None:
    path = Path().then(Step("one\n", 2)).then(Step("two", 3), end=FinishReason.STOP)
    assert (path.text, path.num_tokens, path.end, path.is_dead) == ("one\ntwo", 5, FinishReason.STOP, False)
    assert path.given_up().is_dead
