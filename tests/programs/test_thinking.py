"""Thinking told apart from text while it is written: no tag is shown, and nothing is lost."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from dynasor import Fixed
from dynasor.events import TextShown
from dynasor.programs.chain_of_thought import ChainOfThought
from dynasor.programs.thinking import ThinkingSplitter
from dynasor.scheduling import Threshold
from tests.in_process_engine import Reply
from tests.programs.scripted_chains import ScriptedChain, always, ending, run, words


def split(pieces: list[str], *, is_thinking: bool = True) -> tuple[str, str]:
    splitter = ThinkingSplitter("<think>", "</think>", is_thinking)
    told = [splitter.split(piece) for piece in pieces] + [splitter.rest()]
    return "".join(reasoning for reasoning, _ in told), "".join(text for _, text in told)


def test_a_tag_in_one_piece() -> None:
    assert split(["so 7", "</think>", "It is 7."]) == ("so 7", "It is 7.")


def test_a_tag_in_many_pieces() -> None:
    assert split(["so 7<", "/th", "in", "k>It is 7."]) == ("so 7", "It is 7.")


def test_what_only_begins_like_a_tag_is_text() -> None:
    assert split(["a < b and a </", "thin", "g", " <"]) == ("a < b and a </thing <", "")


def test_a_text_that_does_not_think_yet() -> None:
    assert split(["Hm. <thi", "nk>so</think>7"], is_thinking=False) == ("so", "Hm. 7")


def test_all_that_can_be_told_is_told_at_once() -> None:
    splitter = ThinkingSplitter("<think>", "</think>", is_thinking=True)
    assert splitter.split("so 7 <") == ("so 7 ", "")
    assert splitter.split("8") == ("<8", "")


PIECES = ("<think>", "</think>", "<", "/", "think", ">", "a", "</thin")


@given(
    text=st.lists(st.sampled_from(["<think>", "</think>", "<", "/", "think", ">", "a", "</thin"]), max_size=12).map(
        "".join
    ),
    cuts=st.lists(st.integers(0, 40), max_size=8),
    is_thinking=st.booleans(),
)
def test_it_does_not_matter_where_a_text_is_cut(text: str, cuts: list[int], is_thinking: bool) -> None:
    ends = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    pieces = [text[begin:end] for begin, end in itertools.pairwise(ends)]
    reasoning, shown = split(pieces, is_thinking=is_thinking)
    assert (reasoning, shown) == split([text], is_thinking=is_thinking)
    assert sorted(reasoning + shown) == sorted(untagged(text, is_thinking))


def untagged(text: str, is_thinking: bool) -> str:
    """The text without those tags that begin or end thinking."""
    kept = []
    for part in re.split("(</?think>)", text):
        if part == ("</think>" if is_thinking else "<think>"):
            is_thinking = not is_thinking
        else:
            kept.append(part)
    return "".join(kept)


EVERY_10 = ChainOfThought(probe_interval=10, probe_budget=9.0)
STABLE = Threshold({"stability": 1.0}, 3, 1)


def shown_by(events: object) -> tuple[str, str]:
    assert isinstance(events, list)
    told = [event for event in events if isinstance(event, TextShown)]
    return "".join(event.reasoning for event in told), "".join(event.text for event in told)


async def test_a_chain_shows_its_thinking_and_then_what_it_says() -> None:
    found = await run(EVERY_10, Fixed(), ScriptedChain(always("7}"), length=30))
    reasoning, text = shown_by(found.events)
    assert reasoning == "".join(words(0, 30))
    assert text == "\n\nThe answer is \\boxed{7}."
    assert text.strip() == found.answer.solution


async def test_a_tag_in_pieces_does_not_leak() -> None:
    pieces = (*words(0, 5), "w5 </th", "ink", ">", *ending("7")[1:])
    found = await run(EVERY_10, Fixed(), lambda request: Reply(pieces=pieces))
    assert shown_by(found.events) == ("".join(words(0, 6)), "\n\nThe answer is \\boxed{7}.")


async def test_a_chain_that_is_cut_shows_the_answer_it_gives() -> None:
    found = await run(EVERY_10, STABLE, ScriptedChain(always("7}"), length=200))
    reasoning, text = shown_by(found.events)
    assert "".join(words(0, 200)).startswith(reasoning) and reasoning.count("w") < 60
    assert text.strip() == found.answer.solution == "The answer is \\boxed{7}"


async def test_a_worked_answer_is_shown_if_it_is_the_chains() -> None:
    worked = ChainOfThought(probe_interval=10, probe_budget=9.0, finish="worked")
    found = await run(worked, STABLE, ScriptedChain(always("7}"), length=200))
    assert shown_by(found.events)[1].strip() == found.answer.solution == "It is so. \\boxed{7}"
    other = await run(worked, STABLE, ScriptedChain(always("7}"), length=200, worked="It is \\boxed{8}"))
    assert shown_by(other.events)[1].strip() == other.answer.solution == "The answer is \\boxed{7}"


async def test_a_chain_out_of_tokens_shows_its_last_word() -> None:
    found = await run(EVERY_10, Fixed(), ScriptedChain(always("7}"), length=50, final=None), max_tokens=50)
    assert shown_by(found.events)[1].strip() == found.answer.solution == "The answer is \\boxed{7}"
