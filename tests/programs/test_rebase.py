"""Rebase: how width is shared out, and whole trees on scripted and on real steps."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, Threshold
from dynasor.engines import open_engine
from dynasor.errors import EngineFailed, EngineRejected, InputError, ProgramFailed
from dynasor.programs import Session
from dynasor.programs.rebase import Rebase, shares
from dynasor.rewards import Likelihood, Solution
from dynasor.vocabulary import FinishReason, Request, Sampling, StopReason, VoteCounts
from tests.in_process_engine import InProcessEngine, Reply
from tests.programs.tree_world import PROMPT, QUESTION, Scores, counted, paths_asked, solve, tells

TEMPERATURE = 0.2


def scores_of(*weights: float) -> list[float]:
    """The scores whose weights are in this proportion."""
    return [TEMPERATURE * math.log(weight) for weight in weights]


@pytest.mark.parametrize(
    ("weights", "width", "expected"),
    [
        ((1, 1, 1, 1), 4, (1, 1, 1, 1)),
        ((5, 3, 2), 5, (3, 2, 0)),
        ((2, 5, 3), 5, (0, 3, 2)),
        ((6, 3, 1), 10, (6, 3, 1)),
        ((1, 1, 1), 2, (1, 1, 0)),
        ((1, 1), 3, (2, 1)),
        ((9, 1), 2, (2, 0)),
        ((7,), 6, (6,)),
        ((1, 1, 1), 0, (0, 0, 0)),
        ((), 0, ()),
    ],
)
def test_width_is_shared_from_the_highest_score_down_and_rounded_up(
    weights: tuple[float, ...], width: int, expected: tuple[int, ...]
) -> None:
    assert shares(scores_of(*weights), width, TEMPERATURE) == expected


def test_scores_of_a_reward_share_the_width_by_its_exponential() -> None:
    # exp(0.9/0.2), exp(0.8/0.2), exp(0.3/0.2) = 90.02, 54.60, 4.48: 9.66 -> 10, then 6 * 0.924 = 5.5 -> 6
    assert shares([0.9, 0.8, 0.3], 16, 0.2) == (10, 6, 0)
    assert shares([0.9, 0.8, 0.3], 16, 1.0) == (7, 6, 3)
    assert shares([1.0, 0.0], 8, 0.001) == (8, 0)


SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(SCORES, st.integers(0, 80), st.floats(0.001, 10))
def test_shares_sum_to_the_width_and_a_higher_score_never_gets_fewer(
    scores: list[float], width: int, temperature: float
) -> None:
    given_out = shares(scores, width, temperature)
    assert sum(given_out) == width
    assert min(given_out) >= 0
    ranked = sorted(zip(scores, given_out, strict=True), key=lambda pair: -pair[0])
    widths = [share for _, share in ranked]
    assert all(earlier >= later for earlier, later in itertools.pairwise(widths))


@given(SCORES, st.integers(1, 80), st.floats(0.05, 10))
def test_no_share_is_more_than_one_above_its_exact_part(scores: list[float], width: int, temperature: float) -> None:
    weights = [math.exp((score - max(scores)) / temperature) for score in scores]
    exact = [width * weight / math.fsum(weights) for weight in weights]
    assert all(share < part + 1 + 1e-6 for share, part in zip(shares(scores, width, temperature), exact, strict=True))


async def test_every_depth_is_as_wide_as_the_tree_and_follows_the_rewards() -> None:
    script = tells("a\nb\nThe answer is 1", "c\nd\nThe answer is 2")
    scores = Scores({"a\n": 0.9, "c\n": 0.3})
    answer, engine = await solve(Rebase(scores), script, Fixed(), cap=4)
    # Two a and two c; exp(0.9/0.2) : exp(0.3/0.2) = 20 : 1, so 20/42 of 4 -> 2, 2, then nothing is left.
    assert counted(paths_asked(engine)) == {"": 4, "a\n": 4, "a\nb\n": 4}
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("1", 4, StopReason.CAP)
    assert answer.certaindex.votes == VoteCounts((4,), 0, 4)
    assert engine.most_live == 4


async def test_finished_leaves_take_their_width_along() -> None:
    script = tells("The answer is 7", "a\nThe answer is 7", "b\nc\nThe answer is 7")
    answer, engine = await solve(Rebase(Scores()), script, Fixed(), cap=6)
    assert counted(paths_asked(engine)) == {"": 6, "a\n": 2, "b\n": 2, "b\nc\n": 2}
    assert answer.certaindex.votes == VoteCounts((6,), 0, 6)


async def test_a_step_is_continued_byte_for_byte() -> None:
    chain = "\n  first:  2+2 \n\n\tsecond\n\nThe answer is \\boxed{4}."
    answer, engine = await solve(Rebase(Scores()), tells(chain), Fixed(), cap=1)
    assert paths_asked(engine) == ["", "\n  first:  2+2 \n", "\n  first:  2+2 \n\n\tsecond\n"]
    assert (answer.text, answer.solution) == ("4", chain)


async def test_steps_may_end_at_another_text() -> None:
    script = tells("one\nand two\n\nthree\n\nThe answer is 3")
    _, engine = await solve(Rebase(Scores(), step_end="\n\n"), script, Fixed(), cap=1)
    assert paths_asked(engine) == ["", "one\nand two\n\n", "one\nand two\n\nthree\n\n"]


async def test_the_models_own_end_is_never_continued() -> None:
    """A solution that stops without an answer is over, like one with an answer; a blank last step is too."""
    answer, engine = await solve(Rebase(Scores()), tells("I give up", "nothing\n\n"), Fixed(), cap=2)
    assert counted(paths_asked(engine)) == {"": 2, "nothing\n": 1}
    assert (answer.text, answer.certaindex.votes) == (None, VoteCounts((), 2))


async def test_a_step_that_is_too_long_goes_on_where_it_was_cut() -> None:
    script = tells("one two three four\nThe answer is 4")
    answer, engine = await solve(Rebase(Scores(), max_step_tokens=5), script, Fixed(), cap=1)
    assert paths_asked(engine) == ["", "one two three", "one two three four\n", "one two three four\nThe answer is"]
    assert answer.text == "4"


async def test_every_branch_may_die() -> None:
    """At the depth limit, at the run's limit on tokens, or of blanks: votes without an answer, and an end."""
    answer, engine = await solve(Rebase(Scores(), max_depth=3), tells("a\n" * 9), Fixed(), cap=4)
    assert (answer.text, answer.certaindex.votes) == (None, VoteCounts((), 4))
    assert len(engine.requests) == 12

    answer, engine = await solve(Rebase(Scores()), tells("a\n" * 99), Fixed(), cap=3, max_tokens=7)
    assert (answer.text, answer.certaindex.votes) == (None, VoteCounts((), 3))
    assert {branch.num_tokens for branch in answer.branches} == {7}

    answer, engine = await solve(Rebase(Scores(), max_step_tokens=4), tells("\n" * 99), Fixed(), cap=2)
    assert (answer.text, answer.certaindex.votes) == (None, VoteCounts((), 2))
    assert len(engine.requests) == 2


async def test_a_path_that_fills_the_models_context_is_dead() -> None:
    """Cut off by the engine before any limit of ours; or refused, as by engines that look at the limit first."""

    beginnings = tells("a\nb", "c\nd", "The answer is 2")

    def script(request: Request) -> Reply:
        if request.prompt == PROMPT:
            return beginnings(request)
        if request.prompt == PROMPT + "a\n":
            return Reply("b", finish_reason=FinishReason.LENGTH)
        return Reply(error=EngineRejected("the prompt is too long"))

    answer, engine = await solve(Rebase(Scores()), script, Fixed(), cap=3)
    assert counted(paths_asked(engine)) == {"": 3, "a\n": 1, "c\n": 1}
    assert (answer.text, answer.certaindex.votes) == ("2", VoteCounts((1,), 2))


async def test_a_question_that_the_engine_refuses_fails() -> None:
    with pytest.raises(ProgramFailed, match="the prompt is too long"):
        await solve(Rebase(Scores()), lambda _: Reply(error=EngineRejected("the prompt is too long")), Fixed())


async def test_what_is_dead_or_has_no_answer_is_not_scored_as_a_leaf() -> None:
    scores = Scores()
    answer, _ = await solve(Rebase(scores, max_depth=2), tells("a\nThe answer is 1", "b\nc\nd"), Fixed(), cap=2)
    assert [(solution.text, solution.is_finished) for solution in scores.scored] == [
        ("a\n", False),
        ("b\n", False),
        ("a\nThe answer is 1", True),
    ]
    assert [branch.reward for branch in answer.branches] == [0.5, 0.0]
    assert all(solution.prompt == "<user>How many?<assistant>" for solution in scores.scored)


async def test_a_vote_weighs_its_reward() -> None:
    script = tells("The answer is 1", "The answer is 2", "The answer is 1")
    answer, _ = await solve(Rebase(Scores({"The answer is 2": 0.9, "The answer is 1": 0.4})), script, Fixed(), cap=3)
    assert answer.text == "2"
    assert answer.certaindex.signals["reward"] == 0.9


async def test_each_token_is_counted_once() -> None:
    script = tells("a b\nThe answer is 1")
    answer, engine = await solve(Rebase(Scores()), script, Fixed(), cap=2)
    assert engine.produced == 2 * (4 + 7)
    assert (answer.usage.main, answer.usage.cancelled) == (22, 0)
    assert [branch.num_tokens for branch in answer.branches] == [11, 11]


PAPER = Threshold({"entropy": 0.85, "reward": 0.99}, detect_at=16)


async def test_a_certain_first_tree_is_the_last() -> None:
    script = tells("a\nThe answer is 1", "b\nThe answer is 1")
    answer, _ = await solve(Rebase(Scores({"a\nThe": 0.995})), script, PAPER, cap=64)
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("1", 16, StopReason.CERTAIN)
    assert answer.certaindex.signals["reward"] == 0.995


@pytest.mark.parametrize(
    ("chains", "best"), [(("The answer is 1", "The answer is 2"), 0.995), (("The answer is 1",), 0.98)]
)
async def test_else_the_rest_of_the_width_grows_a_second_tree(chains: tuple[str, ...], best: float) -> None:
    """Either signal is below its threshold. The votes of both trees are counted together."""
    answer, engine = await solve(Rebase(Scores({"The answer is 1": best})), tells(*chains), PAPER, cap=40)
    assert (answer.num_samples, answer.stop_reason) == (40, StopReason.CAP)
    assert len(answer.branches) == len(engine.requests) == 40
    assert engine.most_live == 24


class Broken:
    """Says what no reward may say, or fails."""

    needs_logprobs = False
    needs_prompt = True

    def __init__(self, score: float | None) -> None:
        self._score = score

    async def score(self, session: Session, solution: Solution) -> float:
        if self._score is None:
            raise EngineFailed("the reward model is away")
        return self._score


@pytest.mark.parametrize(
    ("score", "message"),
    [(None, "the reward model is away"), (1.5, "1.5; a number from 0 to 1 was expected"), (math.nan, "nan")],
)
async def test_a_reward_that_fails_or_is_no_reward_fails_the_program(score: float | None, message: str) -> None:
    with pytest.raises(ProgramFailed, match=message):
        await solve(Rebase(Broken(score)), tells("a\nb\n..."), Fixed())


async def test_a_step_that_fails_cancels_its_siblings() -> None:
    def script(request: Request) -> Reply:
        if request.id.endswith("-5"):
            return Reply(num_tokens=9, fails_after=2, error=EngineFailed("the engine broke"))
        return tells("a b c d e f g h i j\n" * 3)(request)

    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader)
        with pytest.raises(ProgramFailed, match="the engine broke") as caught:
            await runtime.run(QUESTION, Rebase(Scores()), Fixed(), Options(max_samples=4))
        assert not engine.live
        assert not runtime.dispatcher.scheduler.running
        assert caught.value.usage.produced == engine.produced
        assert caught.value.usage.cancelled > 0


async def test_cancelled_in_the_middle_of_a_tree_nothing_is_left() -> None:
    for moment in range(0, 60, 3):
        async with InProcessEngine(tells("a b\nc d\ne f\nThe answer is 1")) as engine, AnswerReader() as reader:
            runtime = Runtime(engine, reader, concurrency=3)
            run = asyncio.ensure_future(runtime.run(QUESTION, Rebase(Scores()), Fixed(), Options(max_samples=4)))
            for _ in range(moment):
                await asyncio.sleep(0)
            assert not run.done()
            run.cancel()
            await asyncio.wait([run])
            assert run.cancelled()
            assert not engine.live
            assert not runtime.dispatcher.scheduler.waiting
            assert not runtime.dispatcher.scheduler.running


async def test_the_same_seed_draws_the_same_tree_however_fast_its_branches_are() -> None:
    seeds = []
    for slow in (0, 3):

        def script(request: Request, slow: int = slow) -> Reply:
            reply = tells("a\nb\nThe answer is 1")(request)
            return replace(reply, pieces=("",) * 4 * int(request.id.endswith(f"-{slow}")) + reply.pieces, num_tokens=99)

        _, engine = await solve(Rebase(Scores()), script, Fixed(), cap=4)
        seeds.append({request.id: request.sampling.seed for request in engine.requests})
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0].values())) == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step_end", ""),
        ("softmax_temperature", 0.0),
        ("softmax_temperature", math.nan),
        ("max_depth", 0),
        ("max_step_tokens", 0),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        replace(Rebase(Scores()), **{name: value})


class Recording:
    """Likelihood, and what it saw."""

    needs_logprobs = True
    needs_prompt = False

    def __init__(self) -> None:
        self.seen: list[Solution] = []

    async def score(self, session: Session, solution: Solution) -> float:
        self.seen.append(solution)
        return await Likelihood().score(session, solution)


async def test_a_real_model_solves_an_easy_question_step_by_step() -> None:
    question = Question.of_text("A bakery has 84 trays of 9 cards and 5 jars of 36 cards. How many cards are there?")
    reward = Recording()
    async with open_engine("embedded", slots=8) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, concurrency=8)
        options = Options(max_samples=8, sampling=Sampling(temperature=1.0, max_tokens=400))
        answer = await runtime.run(question, Rebase(reward), Fixed(), options)
        assert not runtime.dispatcher.scheduler.running
    assert (answer.text, len(answer.branches)) == ("936", 8)
    assert answer.solution.endswith("The answer is \\boxed{936}.")
    assert answer.solution.count("\n") >= 3
    finished = [solution for solution in reward.seen if solution.is_finished]
    assert len(finished) == 8
    for solution in reward.seen:
        assert "".join(token.token for token in solution.logprobs) == solution.text
        assert all(step.endswith("\n") for step in solution.steps[:-1])
