"""MCTS: picking, grafting and backing up on literal trees, and whole searches on scripted and on real steps."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynasor import AnswerReader, Fixed, Options, Question, Runtime, Threshold
from dynasor.engines import open_engine
from dynasor.errors import EngineFailed, EngineRejected, InputError, ProgramFailed
from dynasor.programs.mcts import MCTS, Node, back_up, graft, upper_bound
from dynasor.programs.paths import Path, Step
from dynasor.rewards import Likelihood
from dynasor.vocabulary import FinishReason, Request, Sampling, StopReason, VoteCounts
from tests.in_process_engine import InProcessEngine, Reply
from tests.programs.tree_world import PROMPT, QUESTION, Scores, paths_asked, solve, tells

SEARCH = MCTS(Scores())


def path_of(*texts: str, end: FinishReason | None = FinishReason.STOP) -> Path:
    return Path(tuple(Step(text, 1) for text in texts), end)


def tree_of(rewards: Mapping[tuple[str, ...], float], *, dead: bool = False) -> Node:
    """The tree after rollouts from its root wrote these solutions and got these rewards."""
    root = Node()
    for texts, reward in rewards.items():
        path = path_of(*texts, end=FinishReason.LENGTH if dead else FinishReason.STOP)
        back_up([root, *graft(root, path)], reward)
    return root


def texts_of(trail: list[Node]) -> list[str]:
    return [node.path.text for node in trail]


def test_a_rollout_becomes_nodes_and_equal_steps_are_one_node() -> None:
    root = tree_of({("a\n", "b\n", "1"): 0.8, ("a\n", "c\n", "2"): 0.2})
    (a,) = root.children.values()
    assert (a.path.text, a.num_draws, a.num_visits, a.mean_reward) == ("a\n", 2, 2, 0.5)
    assert [(child.path.text, child.num_draws, child.num_visits) for child in a.children.values()] == [
        ("a\nb\n", 1, 1),
        ("a\nc\n", 1, 1),
    ]
    b, c = a.children.values()
    (one,), (two,) = b.children.values(), c.children.values()
    assert (one.is_last, one.path.text, one.mean_reward) == (True, "a\nb\n1", 0.8)
    assert (two.is_last, two.path.text, two.mean_reward) == (True, "a\nc\n2", 0.2)
    assert (root.num_visits, root.num_draws, root.total_reward) == (2, 2, 1.0)


def test_a_rollout_from_further_down_continues_the_path_it_began_at() -> None:
    root = tree_of({("a\n", "b\n", "1"): 0.6})
    (a,) = root.children.values()
    back_up([root, a, *graft(a, path_of("a\n", "d\n", "2"))], 0.0)
    assert [child.path.text for child in a.children.values()] == ["a\nb\n", "a\nd\n"]
    assert (root.num_visits, root.num_draws) == (2, 1)
    assert (a.num_visits, a.num_draws, a.mean_reward) == (2, 2, 0.3)


def test_a_step_that_ended_a_solution_once_may_be_gone_on_from_another_time() -> None:
    root = tree_of({("a\n",): 0.5, ("a\n", "b"): 0.5})
    ended, goes_on = root.children.values()
    assert (ended.is_last, ended.children) == (True, {})
    assert (goes_on.is_last, len(goes_on.children)) == (False, 1)


def test_the_step_that_a_dead_path_was_cut_off_in_is_a_draw_but_no_node() -> None:
    root = tree_of({("a\n", "b"): 0.0}, dead=True)
    (a,) = root.children.values()
    assert (a.children, a.num_draws, a.is_last) == ({}, 1, False)
    root = tree_of({("b",): 0.0}, dead=True)
    assert (root.children, root.num_draws) == ({}, 1)


def test_writing_nothing_is_a_draw() -> None:
    root = tree_of({("a\n", "1"): 1.0})
    (a,) = root.children.values()
    assert graft(a, path_of("a\n")) == []
    assert (a.num_draws, a.is_last) == (2, False)


def test_uct_weighs_reward_against_curiosity() -> None:
    parent = Node(num_visits=8)
    often, rarely = Node(num_visits=6, total_reward=4.2), Node(num_visits=2, total_reward=1.0)
    assert upper_bound(parent, often, 1.0) == pytest.approx(0.7 + math.sqrt(math.log(8) / 6))
    assert upper_bound(parent, often, 0.0) == pytest.approx(0.7)
    assert upper_bound(parent, rarely, 0.0) == pytest.approx(0.5)
    assert upper_bound(parent, often, 1.0) < upper_bound(parent, rarely, 1.0)


def test_a_node_draws_once_more_than_the_root_of_its_visits() -> None:
    allowed = {visits: next(n for n in range(99) if not SEARCH.may_draw(Node(num_draws=n, num_visits=visits)))
               for visits in (0, 1, 3, 4, 8, 9, 16)}  # fmt: skip
    assert allowed == {0: 1, 1: 2, 3: 2, 4: 3, 8: 3, 9: 4, 16: 5}
    assert not replace(SEARCH, widening=0.0).may_draw(Node(num_draws=1, num_visits=100))


def test_selection_stops_at_the_first_node_that_may_draw() -> None:
    assert texts_of(SEARCH.select(Node())) == [""]
    root = tree_of({("a\n", "b\n", "1"): 0.9})
    assert texts_of(SEARCH.select(root)) == [""]
    root = tree_of({("a\n", "b\n", "1"): 0.9, ("c\n", "d\n", "2"): 0.1})
    assert texts_of(SEARCH.select(root)) == ["", "a\n"]
    root = tree_of({("a\n", "b\n", "1"): 0.1, ("c\n", "d\n", "2"): 0.9})
    assert texts_of(SEARCH.select(root)) == ["", "c\n"]


def test_selection_follows_curiosity_where_rewards_are_close() -> None:
    root = tree_of({("a\n", "b\n", "1"): 0.6, ("a\n", "c\n", "1"): 0.6, ("d\n", "e\n", "2"): 0.5})
    assert texts_of(SEARCH.select(root)) == ["", "d\n"]
    assert texts_of(replace(SEARCH, exploration=0.0).select(root)) == ["", "a\n", "a\nb\n"]


def test_where_the_best_child_is_explored_another_step_is_drawn_beside_it() -> None:
    """Both solutions that begin with ``a`` ended at once: nothing is left to try there. ``b`` is worse."""
    root = tree_of({("a\n", "1"): 1.0, ("b\n", "c\n", "3"): 0.0})
    a, b = root.children.values()
    assert texts_of(SEARCH.select(root)) == ["", "a\n"]
    graft(a, path_of("a\n", "2"))
    assert SEARCH.is_explored(a)
    assert not SEARCH.is_explored(b)
    assert texts_of(SEARCH.select(root)) == [""]


def test_an_explored_tree_is_searched_on_from_its_root() -> None:
    root = tree_of({("1",): 1.0, ("2",): 0.0})
    assert not SEARCH.may_draw(root)
    assert SEARCH.is_explored(root)
    assert texts_of(SEARCH.select(root)) == [""]


def test_no_rollout_begins_below_the_depth_limit() -> None:
    root = tree_of({("a\n", "b\n", "c\n", "1"): 1.0, ("d\n", "e\n", "f\n", "2"): 0.0})
    shallow = replace(SEARCH, max_depth=1, exploration=0.0, widening=0.0)
    assert texts_of(shallow.select(root)) == [""]
    assert [shallow.is_explored(child) for child in root.children.values()] == [True, True]
    deep = replace(SEARCH, max_depth=1, exploration=0.0)
    assert texts_of(deep.select(root)) == ["", "a\n"]


LETTERS = st.sampled_from("ab")
SOLUTIONS = st.lists(st.tuples(st.lists(LETTERS, max_size=4), st.booleans(), st.floats(0, 1)), max_size=25)


@given(SOLUTIONS, st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 5))
def test_whatever_is_written_the_tree_stays_sound(
    solutions: list[tuple[list[str], bool, float]], widening: float, max_depth: int
) -> None:
    """Visits are those of the rollouts, means stay in [0, 1], and a rollout begins where one may."""
    search = MCTS(Scores(), widening=widening, max_depth=max_depth)
    root = Node()
    for letters, is_dead, reward in solutions:
        trail = search.select(root)
        start = trail[-1]
        assert not start.is_last
        assert start.depth <= max_depth
        further = tuple(Step(f"{letter}\n", 1) for letter in letters)
        end = FinishReason.LENGTH if is_dead else FinishReason.STOP
        before = start.num_draws
        nodes = graft(start, start.path.then(*further, end=end))
        assert start.num_draws == before + 1
        assert [node.depth for node in nodes] == list(range(start.depth + 1, start.depth + 1 + len(nodes)))
        back_up(trail + nodes, reward)
    assert root.num_visits == len(solutions)
    to_see = [root]
    while to_see:
        node = to_see.pop()
        to_see += node.children.values()
        assert sum(child.num_visits for child in node.children.values()) <= node.num_visits
        assert node.num_visits == 0 or 0 <= node.mean_reward <= 1


async def test_a_search_goes_back_to_where_better_steps_began() -> None:
    script = tells("a\nb\nThe answer is 1", "c\nd\nThe answer is 2", "a\ne\nThe answer is 1")
    answer, engine = await solve(MCTS(Scores({"a\n": 0.9, "c\n": 0.2})), script, Fixed(), cap=6)
    # Twice from the root, into a and c; then from a, which is better, where b comes again. Now nothing is left to see
    # there, so from the root, which finds e after a; from e, to see what else may follow it; and from the root.
    assert paths_asked(engine) == ["", "", "a\n", "", "a\ne\n", ""]
    assert engine.most_live == 1
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("1", 6, StopReason.CAP)
    assert answer.certaindex.votes == VoteCounts((5, 1), 0, 4)
    assert answer.certaindex.signals["reward"] == pytest.approx((5 * 0.9 + 0.2) / 6)


async def test_an_iteration_is_one_request_and_each_token_is_counted_once() -> None:
    script = tells("a b\nc d\nThe answer is 1", "e f\ng h\nThe answer is 1")
    answer, engine = await solve(MCTS(Scores()), script, Fixed(), cap=3)
    assert paths_asked(engine) == ["", "", "a b\n"]
    assert engine.produced == 15 + 15 + 11
    assert (answer.usage.main, answer.usage.cancelled) == (41, 0)
    first, second, third = (branch.num_tokens for branch in answer.branches)
    assert (first, second) == (15, 15)
    assert third == 3 + 11, (
        "tokens without texts of their own are shared out in proportion: 3 of 15 for 4 of 23 letters"
    )


async def test_steps_are_continued_byte_for_byte() -> None:
    chain = "\n  first:  2+2 \n\n\tsecond\n\nThe answer is \\boxed{4}."
    script = tells(chain, "other\n\n\nThe answer is 4", "\n  first:  2+2 \n\n\n third\nThe answer is 4")
    answer, engine = await solve(MCTS(Scores()), script, Fixed(), cap=5)
    assert paths_asked(engine) == ["", "", "\n  first:  2+2 \n", "other\n", ""]
    assert (answer.text, answer.solution) == ("4", chain)
    assert answer.certaindex.votes == VoteCounts((5,), 0, 5)


async def test_only_whole_solutions_with_an_answer_are_scored() -> None:
    scores = Scores()
    answer, _ = await solve(MCTS(scores), tells("a\nThe answer is 1", "b\nc"), Fixed(), cap=2)
    assert [(solution.steps, solution.is_finished) for solution in scores.scored] == [
        (("a\n", "The answer is 1"), True)
    ]
    assert [branch.reward for branch in answer.branches] == [0.5, 0.0]


async def test_a_search_in_which_every_path_dies_ends_without_an_answer() -> None:
    answer, engine = await solve(MCTS(Scores()), tells("a\n" * 50), Fixed(), cap=20, max_tokens=9)
    assert (answer.text, answer.num_samples, answer.certaindex.votes) == (None, 20, VoteCounts((), 20))
    assert len(engine.requests) == 20
    assert all(branch.num_tokens <= 9 for branch in answer.branches)


async def test_a_path_that_fills_the_models_context_is_dead() -> None:
    beginnings = tells("a\nThe answer is 1", "b\nThe answer is 1")

    def script(request: Request) -> Reply:
        return (
            beginnings(request) if request.prompt == PROMPT else Reply(error=EngineRejected("the prompt is too long"))
        )

    answer, engine = await solve(MCTS(Scores()), script, Fixed(), cap=5)
    assert paths_asked(engine) == ["", "", "a\n", "b\n", ""]
    assert (answer.text, answer.certaindex.votes) == ("1", VoteCounts((3,), 2, 1))
    with pytest.raises(ProgramFailed, match="the prompt is too long"):
        await solve(MCTS(Scores()), lambda _: Reply(error=EngineRejected("the prompt is too long")), Fixed())


async def test_a_search_with_a_single_solution_goes_on_to_its_cap() -> None:
    answer, _ = await solve(MCTS(Scores()), tells("The answer is 3"), Fixed(), cap=12)
    assert (answer.text, answer.num_samples) == ("3", 12)


@pytest.mark.parametrize(("aggregate", "text"), [("majority", "1"), ("weighted", "2"), ("best", "3")])
async def test_the_answer_is_chosen_as_asked(aggregate: str, text: str) -> None:
    chains = ("The answer is 1", "The answer is 2", "The answer is 3", "The answer is 1")
    rewards = {"The answer is 1": 0.1, "The answer is 2": 0.4, "The answer is 3": 0.5}
    script = tells(*chains, "The answer is 2", "The answer is 1")
    program = MCTS(Scores(rewards), aggregate=aggregate)  # type: ignore[arg-type]  # from the table above
    answer, _ = await solve(program, script, Fixed(), cap=6)
    assert answer.text == text


PAPER = Threshold({"entropy": 0.99, "reward": 0.4}, detect_at=3)


async def test_three_good_rollouts_that_agree_are_enough_for_the_paper() -> None:
    script = tells("a\nThe answer is 1", "b\nThe answer is 1")
    answer, engine = await solve(MCTS(Scores()), script, PAPER, cap=15)
    assert (answer.text, answer.num_samples, answer.stop_reason) == ("1", 3, StopReason.CERTAIN)
    assert len(engine.requests) == 3
    answer, _ = await solve(MCTS(Scores({"b": 0.1, "a": 0.5})), script, PAPER, cap=15)
    assert answer.num_samples == 15
    answer, _ = await solve(MCTS(Scores()), tells("a\nThe answer is 1", "b\nThe answer is 2"), PAPER, cap=15)
    assert answer.num_samples == 15


@pytest.mark.parametrize(("score", "message"), [(-0.5, "-0.5; a number from 0 to 1 was expected"), (math.nan, "nan")])
async def test_a_reward_that_is_none_fails_the_program(score: float, message: str) -> None:
    with pytest.raises(ProgramFailed, match=message):
        await solve(MCTS(Scores({"a": score})), tells("a\nThe answer is 1"), Fixed())


async def test_a_rollout_that_fails_fails_the_program() -> None:
    def script(request: Request) -> Reply:
        if request.id.endswith("-2"):
            return Reply(num_tokens=9, fails_after=2, error=EngineFailed("the engine broke"))
        return tells("a\nThe answer is 1")(request)

    with pytest.raises(ProgramFailed, match="the engine broke") as caught:
        await solve(MCTS(Scores()), script, Fixed())
    assert caught.value.usage.cancelled == 2


async def test_cancelled_in_the_middle_of_a_search_nothing_is_left() -> None:
    for moment in range(0, 60, 4):
        async with InProcessEngine(tells("a b\nc d\nThe answer is 1")) as engine, AnswerReader() as reader:
            runtime = Runtime(engine, reader)
            run = asyncio.ensure_future(runtime.run(QUESTION, MCTS(Scores()), Fixed(), Options(max_samples=8)))
            for _ in range(moment):
                await asyncio.sleep(0)
            assert not run.done()
            run.cancel()
            await asyncio.wait([run])
            assert run.cancelled()
            assert not engine.live
            assert not runtime.dispatcher.scheduler.waiting
            assert not runtime.dispatcher.scheduler.running


@pytest.mark.parametrize(
    ("name", "value"),
    [("step_end", ""), ("exploration", -0.1), ("exploration", math.inf), ("widening", math.nan), ("max_depth", 0)],
)
def test_parameters_that_cannot_be_used_are_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        replace(SEARCH, **{name: value})


async def test_a_real_model_searches_an_easy_question() -> None:
    question = Question.of_text(
        "A market has 48 boxes of 34 stamps and 76 jars of 88 stamps. How many stamps are there?"
    )
    async with open_engine("embedded", slots=2) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader)
        options = Options(max_samples=6, sampling=Sampling(temperature=1.0, max_tokens=400))
        answer = await runtime.run(question, MCTS(Likelihood("mean")), Fixed(), options)
        assert not runtime.dispatcher.scheduler.running
    assert (answer.text, answer.num_samples, len(answer.branches)) == ("8320", 6, 6)
    assert answer.solution.endswith("The answer is \\boxed{8320}.")
    assert all(branch.reward is not None and 0 < branch.reward <= 1 for branch in answer.branches if branch.answer)
    assert answer.usage.main < sum(branch.num_tokens for branch in answer.branches)
