"""What a client gets: literal answers in, literal JSON out."""

from __future__ import annotations

from dynasor.serving.responses import (
    Heading,
    content_of,
    finish_reason_of,
    rest_of,
    saved_tokens,
    usage_of,
)
from dynasor.vocabulary import Answer, Branch, Certaindex, StopReason, Usage

SURE = Certaindex(1.0, {"agreement": 1.0})
HEADING = Heading("chatcmpl-1", 7, "m", "prog-1", "self-consistency", is_chat=True)


def answer(text: str | None = "4", solution: str = "", **more: object) -> Answer:
    return Answer(text, SURE, solution, **more)  # type: ignore[arg-type]


def test_the_content_is_the_worked_solution_or_the_answer_in_a_box() -> None:
    assert content_of(answer("4", "Two and two is \\boxed{4}.")) == "Two and two is \\boxed{4}."
    assert content_of(answer("4")) == "\\boxed{4}"
    assert content_of(answer(None)) == ""


def test_finish_reasons_stay_in_openais_set() -> None:
    assert finish_reason_of(answer("4", stop_reason=StopReason.DEADLINE)) == "stop"
    assert finish_reason_of(answer(None, stop_reason=StopReason.DEADLINE)) == "length"
    assert finish_reason_of(answer(None, stop_reason=StopReason.CAP)) == "length"
    assert finish_reason_of(answer(None, stop_reason=StopReason.PROGRAM)) == "stop"


def test_what_a_stream_still_owes() -> None:
    whole = answer("4", "It is \\boxed{4}.")
    assert rest_of(content_of(whole), whole, "") == "It is \\boxed{4}."
    assert rest_of(content_of(whole), whole, "\n\nIt is") == " \\boxed{4}."
    assert rest_of(content_of(whole), whole, "It is, I think,") == "\n\n\\boxed{4}"
    assert rest_of("", answer(None), "It may be") == ""


def test_usage_counts_every_produced_token_once() -> None:
    sampled = answer(
        "4",
        "It is \\boxed{4}.",
        branches=(Branch("5", 9), Branch("4", 10), Branch("4", 11)),
        usage=Usage(main=30, cancelled=4, prompt=21),
    )
    assert usage_of(sampled, 0) == {
        "prompt_tokens": 21,
        "completion_tokens": 34,
        "total_tokens": 55,
        "completion_tokens_details": {"reasoning_tokens": 24},
    }


def test_of_a_chain_the_shown_thinking_takes_its_share() -> None:
    chain = answer("4", "\\boxed{4}", branches=(Branch("4", 100),), usage=Usage(main=100, probe=10))
    assert usage_of(chain, 91)["completion_tokens_details"] == {"reasoning_tokens": 101}


def test_tokens_saved_against_the_cap() -> None:
    branches = (Branch("4", 10), Branch("4", 20))
    votes = answer("4", branches=branches, usage=Usage(main=30, cancelled=5), num_samples=2)
    assert saved_tokens(votes, 8) == 8 * 15 - 35
    chain = answer("4", branches=(Branch("4", 100),), usage=Usage(main=100, probe=10), num_samples=1)
    assert saved_tokens(chain, 16) is None
    assert saved_tokens(answer("4"), 8) is None


def test_chunks_for_both_apis() -> None:
    piece = HEADING.piece("yes", "hm")
    assert piece["object"] == "chat.completion.chunk"
    assert piece["choices"][0]["delta"] == {"reasoning": "hm", "reasoning_content": "hm", "content": "yes"}
    raw = Heading("cmpl-1", 7, "m", "prog-1", "self-consistency", is_chat=False).piece("yes")
    assert (raw["object"], raw["choices"][0]["text"]) == ("text_completion", "yes")
    assert "delta" not in raw["choices"][0]
